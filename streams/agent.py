"""The one body of every agent: it never leaves its yield before its work is done.

Faust acknowledges an event when the agent's body leaves its yield *for any reason*, so a body that
raises or is cancelled loses what it holds. Promise: `Body.finish` returns only when the work on
every record is done; it raises nothing but a cancellation that has waited for that. What may go
through later is tried again, for ever, in place; a record that fails alone is refused (quarantined)
and its neighbours go on. If the process has to stop and the work cannot be finished within the
drain budget, the process leaves by `os._exit(75)`, before Faust can acknowledge anything.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final, NoReturn

import faust
import structlog

from careline.runtime.kafka import Record
from streams.app import raw_topic
from streams.retry import LATER, Pauses, described

LEFT_EARLY: Final = 75  # EX_TEMPFAIL: start me again
_TRIES_TOGETHER: Final = 2
_TRIES_ALONE: Final = 3
_MANY: Final = 10
"""A batch of so many says that there is load: then it pays to gather a larger one."""
_ENOUGH: Final = 400
_GATHER_S: Final = 0.05

_log = structlog.get_logger(__name__)

Work = Callable[[Sequence[Record]], Awaitable[None]]
"""Deals with records, in order within a partition; doing it again must only repeat."""
Refuse = Callable[[Record, str], Awaitable[None]]
"""Puts a record that nothing can deal with in front of a person."""


def leave(reason: str) -> NoReturn:
    """End the process at once, with everything that is not acknowledged left to the next one."""
    _log.error("left without acknowledging", reason=reason)
    os._exit(LEFT_EARLY)


class Drain:
    """The time that is left once the process has to stop; shared by all bodies of a worker."""

    def __init__(self, budget: float, *, leave: Callable[[str], Any] = leave) -> None:
        """Allow work in hand this many seconds from `begin`."""
        self._budget = budget
        self._timer: threading.Timer | None = None
        self.leave = leave

    @property
    def begun(self) -> bool:
        """Whether the process has to stop."""
        return self._timer is not None

    def begin(self) -> None:
        """Start the clock, once. A thread keeps it: a blocked event loop must not outlive it."""
        if self._timer is None:
            reason = f"still busy {self._budget:g} s after the order to stop"
            self._timer = threading.Timer(self._budget, self.leave, (reason,))
            self._timer.daemon = True
            self._timer.start()

    def end(self) -> None:
        """Stop the clock: all is done."""
        if self._timer is not None:
            self._timer.cancel()


class Body:
    """What an agent does with each batch, made total."""

    def __init__(self, name: str, work: Work, *, refuse: Refuse, drain: Drain) -> None:
        """Do `work`; what fails alone goes to `refuse`."""
        self.name = name
        self.busy_since: float | None = None
        self.finished: dict[tuple[str, int], int] = {}
        """The last offset dealt with, by topic and partition."""
        self._last = 0
        self._work = work
        self._refuse = refuse
        self._drain = drain

    async def finish(self, first: Any, *, more: Callable[[], Sequence[Any]] = tuple) -> None:
        """Return when the work on an event, and on what waits behind it, is done and acknowledged.

        A cancellation waits for that too.
        """
        self.busy_since = time.monotonic()
        task = asyncio.create_task(self._until_done(first, more), name=f"{self.name} batch")
        cancelled: asyncio.CancelledError | None = None
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError as error:
                cancelled = error
                self._drain.begin()
        if task.cancelled() or task.exception() is not None:
            # Somebody shuts the loop down under our feet: nothing of this batch may be acked.
            self._drain.leave(f"{self.name}: work in hand was cut off")
        self.busy_since = None
        if cancelled is not None:
            raise cancelled

    async def _until_done(self, first: Any, more: Callable[[], Sequence[Any]]) -> None:
        events = [first, *more()]
        if self._last >= _MANY and len(events) < _ENOUGH and not self._drain.begun:
            await asyncio.sleep(_GATHER_S)
            events += more()
        self._last = len(events)
        records = [record_of(event.message) for event in events]
        if not await self._tried(records, _TRIES_TOGETHER):
            for record in records:
                if not await self._tried([record], _TRIES_ALONE):
                    await self._refused(record)
        # In order, and only here: Faust's own acknowledgement of the first one comes too late.
        for event in events:
            event.ack()
        for record in records:
            self.finished[record.topic, record.partition] = record.offset

    async def _tried(self, records: Sequence[Record], tries: int) -> bool:
        """Whether the work went through; what may go through later is waited for, for ever."""
        failures = 0
        pauses = Pauses()
        while True:
            try:
                await self._work(records)
            except LATER as error:
                _log.warning("waiting", agent=self.name, error=type(error).__name__, why=str(error))
                await pauses.next(getattr(error, "retry_after", None))
            except Exception as error:  # noqa: BLE001 - the record loop: nothing may leave it
                failures += 1
                _log.error("failed", agent=self.name, error=described(error), records=len(records))
                if failures >= tries:
                    return False
                await pauses.next()
            else:
                return True

    async def _refused(self, record: Record) -> None:
        pauses = Pauses()
        while True:
            try:
                await self._refuse(record, "unprocessable")
            except Exception as error:  # noqa: BLE001 - the partition waits for somebody
                _log.error("cannot refuse", agent=self.name, error=described(error))
                await pauses.next()
            else:
                return


def add_agent(app: faust.App, topic: str, body: Body, *, size: int) -> None:
    """Register the only agent of a topic; it hands batches of raw records to `body`.

    A batch is the event that Faust hands over and what already waits behind it: one event at a time
    while little comes, up to `size` at once under load.
    """

    async def carry(stream: Any) -> None:
        async for event in stream.events():
            await body.finish(event, more=partial(waiting, stream, size - 1))

    app.agent(raw_topic(app, topic), name=body.name, concurrency=1)(carry)


def waiting(stream: Any, most: int) -> list[Any]:
    """Take the events that wait in the stream's channel, as Faust's own iterator would.

    `Stream.take_events` does the same at twice the cost, and waits for a time to pass (measured).
    """
    app, queue = stream.app, stream.channel.queue
    events: list[Any] = []
    while len(events) < most and queue.qsize():
        try:
            event = queue.get_nowait()
        except Exception as error:  # noqa: BLE001 - what is in hand must not suffer from it
            _log.error("an event could not be taken", error=described(error))
            break
        message = event.message
        if message.generation_id != app.consumer_generation_id or not app.flow_control.is_active():
            continue  # fetched before a rebalance: not acknowledged, so its owner reads it again
        if not message.tracked:
            message.tracked = True
            app.consumer.track_message(message)
        events.append(event)
    return events


def record_of(message: Any) -> Record:
    """Return Faust's message as a record."""
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers or ()),
        timestamp_ms=int(message.timestamp * 1000),
    )
