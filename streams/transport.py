"""Faust's own Kafka transport, told how long a fetch may wait, and what to do about damage.

Promises: a broker may hold a fetch that finds no record for `FETCH_WAIT_MS`. Faust has 1.5 s fixed:
a real broker answers as soon as a record comes, so it costs nothing there; librdkafka's embedded
one lets the whole wait pass, at every hop of a mention. A batch that is damaged on the broker holds
up its own partition alone, takes nothing of others with it, and is never passed over, unless a
person has had it skipped: then the agent gets a stand-in for each of its offsets, so that no offset
is ever missing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import faust
import structlog
from aiokafka import ConsumerRecord
from aiokafka.errors import RecordTooLargeError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from careline.runtime.kafka_errors import DAMAGED
from careline.runtime.records import STAND_IN
from streams.retry import LATER

FETCH_WAIT_MS: Final = 100
_LOOK_EVERY_S: Final = 2.0
_LOOK_TIMEOUT_S: Final = 20.0
_IDLE_S: Final = 0.2
_WELL_AFTER: Final = 1_000
"""Records of a damaged partition that must come well before it is read like the others again."""

_log = structlog.get_logger(__name__)

Skipped = Callable[[str, int, int], Awaitable[range]]
"""Tells the offsets that a person has had skipped, from a damaged one on (topic, partition, it)."""


@dataclass(slots=True)
class _Damage:
    """A partition that is read record by record, because a batch of it is damaged."""

    look_at: float = 0.0
    came_well: int = 0


class _Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        self._damaged: dict[TP, _Damage] = {}

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # It is not started yet: the fetcher that it makes then takes the number from here.
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - no argument reaches it
        return consumer

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Any,
        timeout: float | None = None,
        max_records: int | None = None,
    ) -> dict[TP, list[Any]]:
        """Return what came; around a damaged batch record by record, the rest as ever."""
        found = await self._around(consumer, active_partitions)
        whole = set(active_partitions) - self._damaged.keys()
        if not whole:  # to Faust, none would be all
            await asyncio.sleep(0 if found else _IDLE_S)
            return found
        before, assignment = _positions(consumer), _assignment(consumer)
        # Without a position nobody could go back to what an error took along.
        ready = whole & before.keys()
        if not ready:
            await asyncio.sleep(_IDLE_S)
            return found
        patience = timeout if ready == whole else _IDLE_S
        try:
            found |= await super()._fetch_records(
                consumer, ready, timeout=0 if found else patience, max_records=max_records
            )
        except DAMAGED as error:
            if _assignment(consumer) is not assignment:
                raise  # what it took along has other beginnings now: a new start reads from there
            self._note(consumer, before, error)
        return found

    def _note(self, consumer: Any, before: dict[TP, int], error: Exception) -> None:
        """Read the damaged partition singly from here on. Raises the error if none can be told."""
        where = _told(consumer, error)
        if not where:
            raise error
        # What others had in hand went down with the error: they are read again.
        for tp, position in _positions(consumer).items():
            if tp in before and (before[tp] != position or tp in where):
                consumer._fetcher.seek_to(tp, before[tp])  # noqa: SLF001
        for tp in where:
            self._damaged[tp] = _Damage()

    async def _around(self, consumer: Any, active: Any) -> dict[TP, list[Any]]:
        """Return the next record of each damaged partition, or stand-ins for what was skipped."""
        found: dict[TP, list[Any]] = {}
        for tp, damage in list(self._damaged.items()):
            position = _positions(consumer).get(tp)
            if tp not in active or position is None or time.monotonic() < damage.look_at:
                continue
            try:
                came = await super()._fetch_records(consumer, {tp}, timeout=0, max_records=1)
            except DAMAGED:
                consumer._fetcher.seek_to(tp, position)  # noqa: SLF001
                skipped = await self._skipped(tp, position)
                damage.look_at = time.monotonic() + _LOOK_EVERY_S
                if skipped:
                    consumer._fetcher.seek_to(tp, skipped.stop)  # noqa: SLF001
                    found[tp] = [_stand_in(tp, offset) for offset in skipped]
                    del self._damaged[tp]
                continue
            found |= came
            damage.came_well += len(came)
            if damage.came_well > _WELL_AFTER:
                del self._damaged[tp]
        return found

    async def _skipped(self, tp: TP, offset: int) -> range:
        """Return what a person has had skipped, asked for in the worker's own loop."""
        _log.error(
            "a batch is damaged on the broker: its partition waits",
            topic=tp.topic,
            partition=tp.partition,
            offset=offset,
            hint="let another replica serve it; if there is none: careline topics skip",
        )
        asked = self.app.skipped(tp.topic, tp.partition, offset)
        try:
            async with asyncio.timeout(_LOOK_TIMEOUT_S):
                found: range = await asyncio.wrap_future(
                    asyncio.run_coroutine_threadsafe(asked, self.app.loop)
                )
        except LATER as error:
            _log.warning("cannot look for skips", error=type(error).__name__, why=str(error))
            return range(0)
        return found


class _Consumer(driver.Consumer):  # type: ignore[misc]
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):  # type: ignore[misc]
    Consumer = _Consumer


class App(faust.App):  # type: ignore[misc]
    """A Faust app whose consumer does not wait for long, nor die of a damaged batch."""

    skipped: Skipped
    """Set by the engine, before anything is fetched."""

    def _new_transport(self) -> Any:
        return _Transport(self.conf.broker_consumer, self)


def _assignment(consumer: Any) -> Any:
    """Return what the client has been given to read: another object after each rebalance."""
    subscription = consumer._subscription.subscription  # noqa: SLF001
    return None if subscription is None else subscription.assignment


def _positions(consumer: Any) -> dict[TP, int]:
    """Return the next offset of each partition that the client reads."""
    assignment = _assignment(consumer)
    if assignment is None:
        return {}
    states = {TP(*each): assignment.state_value(each) for each in assignment.tps}
    return {tp: state.position for tp, state in states.items() if state.has_valid_position}


def _told(consumer: Any, error: Exception) -> set[TP]:
    """Return the partitions that an error is about; the client does not say it in so many words."""
    if isinstance(error, RecordTooLargeError):
        return {TP(*each) for each in error.args[1:2]}
    found = set()
    for tp, fetched in consumer._fetcher._records.items():  # noqa: SLF001
        records = getattr(getattr(fetched, "_partition_records", None), "_records_iterator", None)
        # What raised is closed; what was not looked at yet, or only in part, is not.
        if records is not None and records.gi_frame is None:
            found.add(TP(*tp))
    return found


def _stand_in(tp: TP, offset: int) -> ConsumerRecord:
    return ConsumerRecord(
        topic=tp.topic,
        partition=tp.partition,
        offset=offset,
        timestamp=0,
        timestamp_type=0,
        key=None,
        value=None,
        checksum=None,
        serialized_key_size=-1,
        serialized_value_size=-1,
        headers=(STAND_IN,),
    )
