"""Reads one source for ever: page by page, with patience, never past what was not acknowledged.

Promise: whatever fails, the page at hand is kept and published before another is read; the pace is
quick while messages come and slackens when it is quiet; a limit or outage of the network is waited
out as long as it asks; what blocks the account is said once and tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from careline.runtime.errors import (
    CarelineError,
    ConfigurationError,
    PermanentError,
    RetryableError,
)
from connectors.base import ConnectorHealth, Page, Where
from connectors.errors import ConnectorGap
from connectors.publisher import HANDLER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from careline.runtime.clock import Clock
    from connectors.base import Connector
    from connectors.cursors import Cursors, PublishedCursors
    from connectors.publisher import Publisher, Reports

SLACKENING: Final = 1.6
FIRST_PAUSE_S: Final = 0.2
NETWORK_PAUSE_S: Final = 60.0
"""The longest pause between two questions to a network in trouble."""
OWN_PAUSE_S: Final = 5.0
"""The same for Kafka and the ledger: what they cannot take yet waits unheard by anybody."""
BLOCKED_PAUSE_S: Final = 60.0
CURSOR_EVERY: Final = timedelta(days=1)

T = TypeVar("T")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all sources share."""

    publisher: Publisher
    cursors: Cursors
    published: PublishedCursors
    reports: Reports
    clock: Clock
    turns: asyncio.Semaphore
    """How many sources may read or publish at the same time."""


@dataclass(slots=True)
class Listening:
    """One source of one connector, being read."""

    connector: Connector
    source: str
    desk: Desk
    health: ConnectorHealth = field(default_factory=ConnectorHealth)
    _floor: int | None = None

    @property
    def where(self) -> Where:
        """What is read."""
        return Where(
            network=self.connector.network, account=self.connector.account, source=self.source
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`, or until the source has ended."""
        cursor: str | None = await self._patiently(self._begin, stop)
        swept_at = float("-inf")
        cursor_told_at = self.desk.clock.now()
        pause = 0.0
        while cursor is not None and not stop.is_set():
            pace = self.connector.pace(self.source)
            now = self.desk.clock.monotonic()
            sweep = now - swept_at >= pace.sweep_s
            page = await self._patiently(
                partial(self.read, cursor, sweep=sweep), stop, longest=NETWORK_PAUSE_S
            )
            if page is None:
                return
            swept_at = now if sweep else swept_at
            fresh = await self._patiently(partial(self.publish, page), stop)
            if fresh is None:
                return
            cursor = page.cursor_after
            if page.done:
                self._note("done")
                return
            if self.desk.clock.now() - cursor_told_at >= CURSOR_EVERY:
                await self._patiently(partial(self.tell_cursor, cursor), stop)
                cursor_told_at = self.desk.clock.now()
            busy = fresh > 0
            pause = pace.busy_s if busy else min(max(pause, pace.busy_s) * SLACKENING, pace.quiet_s)
            if not page.more:
                await wait(stop, pause)

    async def _begin(self) -> str:
        """Return the cursor to read from: the kept one, the published one, or a first connect's."""
        desk, where = self.desk, self.where
        kept = await desk.cursors.load(where)
        if kept is not None:
            self._floor = int(kept.floor) if kept.floor.isdigit() else None
            return kept.cursor
        try:
            found = await desk.published.latest(where)
        except ConnectorGap as gap:
            await self._report_gap(gap.message, "0")
            found = None
        if found is not None:
            _log.warning("cursor lost, read back from the topic", source=where.key, cursor=found)
        else:
            found = await self.connector.first_cursor(self.source)
            await desk.publisher.publish_cursor(where, found)
            await desk.cursors.connected(where, found)
            self._floor = int(found) if found.isdigit() else None
            return found
        await desk.cursors.moved(where, found)
        return found

    async def read(self, cursor: str, *, sweep: bool) -> Page:
        """Read a page."""
        async with self.desk.turns:
            page = await self.connector.read(self.source, cursor, sweep=sweep)
        self.health.last_read_at = self.desk.clock.now()
        self._note("ok")
        return page

    async def publish(self, page: Page) -> int:
        """Publish a page; return how many records were new."""
        async with self.desk.turns:
            if page.gap:
                await self._report_gap(page.gap, page.cursor_before)
            done = await self.desk.publisher.publish(self.where, self._above_floor(page))
        health = self.health
        health.heard += done.fresh
        health.garbage += done.garbage
        health.cursor = page.cursor_after
        if done.fresh:
            health.last_heard_at = self.desk.clock.now()
        return done.fresh + done.garbage

    def _above_floor(self, page: Page) -> Page:
        """Leave out what a sweep met from before the first connect: no history is opened."""
        floor = self._floor
        if floor is None or all(each.position > floor for each in page.heard):
            return page
        return replace(page, heard=tuple(each for each in page.heard if each.position > floor))

    async def tell_cursor(self, cursor: str) -> None:
        """Publish where the source stands, so that a lost cursor is not far behind."""
        async with self.desk.turns:
            await self.desk.publisher.publish_cursor(self.where, cursor)

    async def _report_gap(self, what: str, cursor: str) -> None:
        _log.error("messages may be missing", source=self.where.key, what=what)
        await self.desk.reports.report(
            source=f"{self.where.network}:{self.where.account}",
            position=f"{self.source}:gap:{cursor}",
            value=what.encode(),
            reason="gap",
            handler=HANDLER,
        )

    async def _patiently(
        self,
        step: Callable[[], Awaitable[T]],
        stop: asyncio.Event,
        *,
        longest: float = OWN_PAUSE_S,
    ) -> T | None:
        """Do a step until it succeeds; None if `stop` came first."""
        pause = FIRST_PAUSE_S
        while not stop.is_set():
            try:
                return await step()
            except ConfigurationError:
                raise
            except RetryableError as error:
                asked = error.retry_after
                self._trouble("waiting", error)
                await wait(stop, pause if asked is None else max(asked, FIRST_PAUSE_S))
            except PermanentError as error:
                self._trouble("blocked", error)
                await wait(stop, BLOCKED_PAUSE_S)
            except Exception as error:  # noqa: BLE001 - the record loop: nothing may end it
                self._trouble("waiting", error)
                await wait(stop, pause)
            pause = min(pause * 2, longest)
        return None

    def _note(self, state: str) -> None:
        if self.health.failures_in_a_row and state == "ok":
            _log.info("source works again", source=self.where.key)
        self.health.state = state
        self.health.detail = ""
        self.health.failures_in_a_row = 0

    def _trouble(self, state: str, error: Exception) -> None:
        what = error.message if isinstance(error, CarelineError) else type(error).__name__
        health = self.health
        # Once at the beginning, then each time the reason changes: an outage fills no log.
        if health.detail != what:
            hint = error.hint if isinstance(error, CarelineError) else ""
            known = isinstance(error, CarelineError)
            _log.warning(
                "source in trouble",
                source=self.where.key,
                what=what,
                hint=hint,
                exc_info=None if known else error,
            )
        health.state, health.detail = state, what
        health.failures_in_a_row += 1


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stop`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
