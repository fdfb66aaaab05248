"""Puts a page on the log, then moves the cursor: in this order and never otherwise.

Promise: when `publish` returns, every record of the page was acknowledged by Kafka, every item that
could not be read is a dead letter and in front of a person, and the cursor stands behind the page.
When it raises, the cursor stands before the page, and the same page published again makes only
repeats: the same event ids, and the same `heard_at`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from connectors.bounds import bounded
from connectors.cursors import Cursors, Kept, ce_source
from schemas.envelope import Packed
from schemas.identity import shard_of
from schemas.mentions import ConnectorCursor, ConversationRef
from schemas.packing import pack_heard
from schemas.topics import MENTIONS_RECEIVED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from careline.runtime.clock import Clock
    from connectors.base import Garbage, Heard, Page, Where
    from schemas.mentions import HeardRecord

REMEMBERED: Final = 5000
"""Event ids of each source that are known as published, so that a sweep does not repeat them."""
HANDLER: Final = "connectors.publisher"


class Log(Protocol):
    """What the publisher needs of `careline.runtime.kafka.Producer`."""

    async def send_batch(self, topic: str, partition: int, packed: Sequence[Packed]) -> int:
        """Send in order; done when all are acknowledged."""
        ...


class Reports(Protocol):
    """What the publisher needs of `careline.ledger.quarantine.Quarantine`."""

    async def report(
        self, *, source: str, position: str, value: bytes, reason: str, handler: str
    ) -> None:
        """Put bytes that nobody can read in front of a person."""
        ...


@dataclass(slots=True)
class Published:
    """What became of a page."""

    fresh: int = 0
    repeats: int = 0
    garbage: int = 0


@dataclass(slots=True)
class _Memory:
    seen: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def __contains__(self, item: str) -> bool:
        return item in self.seen

    def add(self, items: Iterable[str]) -> None:
        for item in items:
            self.seen[item] = None
        while len(self.seen) > REMEMBERED:
            self.seen.popitem(last=False)


class Publisher:
    """Publishes the pages of any number of sources."""

    def __init__(
        self, log: Log, cursors: Cursors, reports: Reports, *, partitions: int, clock: Clock
    ) -> None:
        """Take the outside world as arguments."""
        self._log = log
        self._cursors = cursors
        self._reports = reports
        self._partitions = partitions
        self._clock = clock
        self._memory: dict[str, _Memory] = defaultdict(_Memory)

    async def publish(self, where: Where, page: Page) -> Published:
        """Publish a page and move the cursor. Raises `RetryableError` when that is unknown."""
        memory = self._memory[where.key]
        fresh = _unheard(page, memory)
        if fresh:
            fresh = await self._stamped(where, page, fresh)
            await self._send(where, page.cursor_before, [each.record for each in fresh])
        garbage = await self._quarantine(where, page.garbage, memory)
        if page.cursor_after != page.cursor_before or fresh:
            await self._cursors.moved(where, page.cursor_after)
        memory.add(each.record.event_id for each in fresh)
        return Published(fresh=len(fresh), repeats=len(page.heard) - len(fresh), garbage=garbage)

    async def publish_cursor(self, where: Where, cursor: str) -> None:
        """Publish where a source stands: on first connect and daily."""
        now = self._clock.now()
        root = f"cursor:{where.account}"
        record = ConnectorCursor(
            account=where.account,
            native_id="cursor",
            conversation=ConversationRef(network=where.network, root=root),
            heard_at=now,
            source=where.source,
            cursor=cursor,
        )
        await self._send(where, cursor, [record])

    async def _stamped(self, where: Where, page: Page, fresh: list[Heard]) -> list[Heard]:
        """Give what an earlier, unfinished publishing had heard its first instant back."""
        kept = await self._cursors.load(where)
        fresh = [_first_heard(each, kept, page.cursor_before) for each in fresh]
        up_to = max(each.position for each in fresh)
        at = min(each.record.heard_at for each in fresh)
        if kept is None or kept.pending_since is None or kept.cursor != page.cursor_before:
            await self._cursors.begin(where, page.cursor_before, up_to=up_to, at=at)
        return fresh

    async def _send(self, where: Where, cursor: str, records: Sequence[HeardRecord]) -> None:
        batches: dict[int, list[Packed]] = defaultdict(list)
        for record in records:
            key = record.conversation.key
            batches[shard_of(key, self._partitions)].append(_packed(where, cursor, record))
        sends = (
            self._log.send_batch(MENTIONS_RECEIVED.name, partition, packed)
            for partition, packed in batches.items()
        )
        # All are waited for, so that nothing of this page is under way when it is sent again.
        for outcome in await asyncio.gather(*sends, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _quarantine(self, where: Where, garbage: Sequence[Garbage], memory: _Memory) -> int:
        reported = 0
        for item in garbage:
            known = f"garbage:{item.position}"
            if known in memory:
                continue
            await self._reports.report(
                source=f"{where.network}:{where.account}",
                position=f"{where.source}:{item.position}",
                value=item.value,
                reason=item.reason,
                handler=HANDLER,
            )
            memory.add((known,))
            reported += 1
        return reported


def _unheard(page: Page, memory: _Memory) -> list[Heard]:
    """Leave out what is known as published, and what the page itself holds twice."""
    unheard = {
        each.record.event_id: each
        for each in reversed(page.heard)
        if each.record.event_id not in memory
    }
    return list(reversed(unheard.values()))


def _first_heard(each: Heard, kept: Kept | None, cursor: str) -> Heard:
    if kept is None or kept.cursor != cursor:
        return each
    since: datetime | None = kept.pending_since
    if since is None or kept.pending_up_to is None or each.position > kept.pending_up_to:
        return each
    record = each.record.model_copy(update={"heard_at": since})
    return type(each)(record=record, position=each.position)


def _packed(where: Where, cursor: str, record: HeardRecord) -> Packed:
    return pack_heard(bounded(record), source=ce_source(where), extensions={"cursor": cursor})
