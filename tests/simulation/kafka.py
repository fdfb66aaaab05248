"""The log: acknowledged records are kept, everything else about it may go wrong.

Promises: an acknowledged batch stands in the topic for good and in order. A call may fail with
nothing written, with everything written, with only its first records written, or be written long
after the caller has given up; the caller is told the same error each time.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence

from careline.runtime.kafka import Record
from careline.runtime.kafka_errors import Unavailable
from schemas.envelope import Packed
from tests.simulation.world import SECOND, Process, Signal, Waiting, World, pause

GIVE_UP = 30 * SECOND
_PAIR = 2


class Kafka:
    """Topics of one partition each."""

    def __init__(self, world: World) -> None:
        """Begin empty."""
        self.world = world
        self.topics: dict[str, list[Record]] = {}
        self.signals: dict[str, Signal] = {}
        self.trouble = 0.0
        """The share of sends that do not go well."""
        self.next_fates: dict[str, str] = {}
        """Topic → what becomes of its next send; "part": the next of more than one record."""
        self.away: set[str] = set()
        """Topics that take nothing."""
        self.cut: Callable[[], None] = _nothing
        """Called once, when a send was cut because its fate was "part"."""
        self.dice: random.Random = world.dice("kafka")

    def records(self, topic: str) -> list[Record]:
        """Return all of a topic."""
        return self.topics.setdefault(topic, [])

    def signal(self, topic: str) -> Signal:
        """Return what fires when a topic grows."""
        return self.signals.setdefault(topic, Signal())

    def append(self, topic: str, packed: Sequence[Packed]) -> int:
        """Write records; return the offset of the first."""
        records = self.records(topic)
        first = len(records)
        stamp = self.world.stamp_ms()
        for offset, one in enumerate(packed, first):
            records.append(
                Record(
                    topic=topic,
                    partition=0,
                    offset=offset,
                    key=one.key,
                    value=one.value,
                    headers=tuple(one.headers),
                    timestamp_ms=stamp,
                )
            )
        self.signal(topic).fire(self.world)
        return first

    def fated(self, topic: str, size: int) -> str:
        """Return what becomes of the next send, if that is settled; it is so for once."""
        if topic in self.away:
            return "nothing"
        kind = self.next_fates.get(topic, "")
        if kind == "part" and size < _PAIR:
            return ""
        self.next_fates.pop(topic, None)
        return kind

    def send(self, topic: str, packed: Sequence[Packed]) -> Waiting[int]:
        """Send a batch; the answer is the offset of its first record."""
        return _Sent(self, topic, packed)


class _Sent(Waiting[int]):
    """Waits for the broker to acknowledge a batch."""

    __slots__ = ("_fate", "_kafka", "_packed", "_there", "_topic")

    def __init__(self, kafka: Kafka, topic: str, packed: Sequence[Packed]) -> None:
        self._kafka, self._topic, self._packed = kafka, topic, packed
        self._there = 300 + int(kafka.dice.random() * 8_700)
        self._fate = kafka.dice.random()

    def begin(self, process: Process) -> None:
        kafka, there = self._kafka, self._there
        fated = kafka.fated(self._topic, len(self._packed))
        if self._fate >= kafka.trouble and not fated:
            kafka.world.after(there, self._arrive, process)
        else:
            self._goes_wrong(process, fated)

    def _arrive(self, process: Process) -> None:
        first, dice = self._kafka.append(self._topic, self._packed), self._kafka.dice
        if dice.random() < 0.8:
            process.resume(first)
        else:
            process.later(dice.randint(200, 50_000), first)

    def _goes_wrong(self, process: Process, fated: str) -> None:
        kafka, topic, packed, there = self._kafka, self._topic, self._packed, self._there
        world, dice = kafka.world, kafka.dice
        error = Unavailable("the broker did not answer")
        kind = fated or dice.choice(("nothing", "cut", "part", "late"))
        if kind == "cut":
            world.after(there, kafka.append, topic, packed)
        elif kind == "part":
            world.after(there, kafka.append, topic, packed[: dice.randint(0, len(packed))])
            if fated:
                world.after(there, kafka.cut)
        elif kind == "late":
            late = dice.randint(SECOND, 2 * GIVE_UP)
            world.tell(f"a send of {len(packed)} to {topic} is under way for {late / 1e6:.0f} s")
            world.after(late, kafka.append, topic, packed)
            process.later(min(late, GIVE_UP), error=error)
            return
        process.later(there + dice.randint(0, 3 * SECOND), error=error)


def _nothing() -> None:
    """Nobody waits for it."""


class SimProducer:
    """What careline needs of `careline.runtime.kafka.Producer`."""

    def __init__(self, kafka: Kafka) -> None:
        """Send to this log."""
        self._kafka = kafka

    async def send(self, topic: str, _: int, packed: Packed) -> int:
        """Send one record."""
        return await self._kafka.send(topic, [packed])

    async def send_batch(self, topic: str, _: int, packed: Sequence[Packed]) -> int:
        """Send several in order."""
        return await self._kafka.send(topic, packed)


class SimReader:
    """What careline needs of `careline.runtime.kafka.LogReader`."""

    def __init__(self, kafka: Kafka) -> None:
        """Read this log."""
        self._kafka = kafka
        self._dice = kafka.world.dice("reader")

    async def beginning(self, _topic: str, _partition: int) -> int:
        """Return the first offset: nothing is ever deleted here."""
        return 0

    async def end(self, topic: str, _: int) -> int:
        """Return the offset of the next record."""
        return len(self._kafka.records(topic))

    async def read(self, topic: str, _: int, start: int, end: int) -> AsyncIterator[list[Record]]:
        """Yield the records of a range in batches."""
        while start < end:
            await pause(self._dice.randint(300, 5_000))
            batch = self._kafka.records(topic)[start : min(end, start + self._dice.randint(1, 200))]
            start += len(batch)
            yield batch
