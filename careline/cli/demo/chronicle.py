"""What happens to the cases, read from `cases.events.v1` as anybody may read it: the demo's only
source.

Promise: every event is kept in order and told to whoever waits for something; a wait has an end.
Records of an epoch that is over and repeats are left out, as the contract says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Self

from careline.runtime.brokers import Where
from careline.runtime.errors import CarelineError, RetryableError
from careline.runtime.kafka import GroupReader, Record
from schemas.envelope import Unreadable, unpack
from schemas.events import LOG, AuthorErased, CommandRefused, EpochStarted
from schemas.events import CaseEvent as Event
from schemas.topics import CASES_EVENTS

_JOIN_S: Final = 30.0
_LOOK_S: Final = 0.05
Told = Event | CommandRefused
OnEvent = Callable[[Told], None]


class Chronicle:
    """A reader of case events in the background; use as `async with`."""

    def __init__(self, bootstrap: Where, *, on_event: OnEvent) -> None:
        """Remember where to read, and whom to tell each event once."""
        self.events: list[Told] = []
        self._on_event = on_event
        self._reader = GroupReader(
            bootstrap, CASES_EVENTS.name, "careline-demo-story", client_id="careline-demo"
        )
        self._versions: dict[str, int] = {}
        self._refusals: set[str] = set()
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start reading."""
        await self._reader.start()
        self._task = asyncio.create_task(self._follow(), name="chronicle")
        async with asyncio.timeout(_JOIN_S):
            while not self._reader.assigned:
                await asyncio.sleep(_LOOK_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.stop()

    async def until(self, what: str, true: Callable[[], bool], *, within: float) -> None:
        """Wait until a condition over `events` holds. Raises RetryableError if it never does."""
        try:
            async with asyncio.timeout(within), self._changed:
                await self._changed.wait_for(true)
        except TimeoutError:
            raise RetryableError(f"the demo waited {within:g} s in vain for: {what}") from None

    async def _follow(self) -> None:
        while True:
            try:
                async for batch in self._reader.batches():
                    for record in batch:
                        self._take(record)
                    async with self._changed:
                        self._changed.notify_all()
            except CarelineError:
                await asyncio.sleep(0.5)

    def _take(self, record: Record) -> None:
        try:
            event = unpack(LOG, record.value)
        except Unreadable:
            return
        if isinstance(event, (EpochStarted, AuthorErased)):
            return
        if isinstance(event, CommandRefused):
            if event.event_id in self._refusals:
                return
            self._refusals.add(event.event_id)
        else:
            if event.version <= self._versions.get(event.case_id, 0):
                return
            self._versions[event.case_id] = event.version
        self.events.append(event)
        self._on_event(event)
