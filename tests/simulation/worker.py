"""A worker's host: triage, the two agents that feed the ledger, deadlines, the outbox.

Promise: careline's own `Applier`, `recover`, `replay`, `fire_due` and `drain` do the work; this is
only their loop, as `streams/` has it, with Faust's acknowledgements and its sins.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from typing import Any, cast

from careline.ledger.apply import Applier
from careline.ledger.fence import Fence, Fenced, InputGap
from careline.ledger.outboxes import drain
from careline.ledger.quarantine import Quarantine
from careline.ledger.recovery import recover, replay
from careline.runtime.errors import RetryableError
from careline.runtime.kafka import LogReader, Producer, Record
from schemas.envelope import Packed, pack_json, unpack
from schemas.mentions import HEARD, MentionEdited, MentionReceived
from schemas.topics import CASES_COMMANDS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import Triage, Urgency
from tests.simulation.redis import SimLedger
from tests.simulation.stage import Stage
from tests.simulation.world import SECOND, Host, Signal, World, sleep

_NEVER = 60.0
_REPLAYS = 3
_PASSES = 20
_OVERDUE = 30 * SECOND
_GATHER = (0.3, 1.5)
URGENCY = {"!": Urgency.CRITICAL, "h": Urgency.HIGH, "n": Urgency.NORMAL, "l": Urgency.NONE}


class Turn:
    """A lock for the processes of one host."""

    def __init__(self, world: World) -> None:
        """Free."""
        self._held = False
        self._free = Signal()
        self._world = world

    async def __aenter__(self) -> None:
        """Wait for one's turn."""
        while self._held:
            await self._free.wait(_NEVER)
        self._held = True

    async def __aexit__(self, *_: object) -> None:
        """Let the next one."""
        self._held = False
        self._free.fire(self._world)


def triaged(record: Record) -> Packed:
    """Return the triaged record of a received one, as `streams.triage` makes it."""
    found = _triaged(record.value or b"")
    headers = [*found.headers, ("ce_sourceoffset", b"%d" % record.offset)]
    return Packed(key=found.key, value=found.value, headers=headers)


@lru_cache(maxsize=65_536)
def _triaged(value: bytes) -> Packed:
    heard = unpack(HEARD, value)
    triage = b"null"
    if isinstance(heard, (MentionReceived, MentionEdited)):
        query = heard.text.startswith("?")
        triage = _TRIAGES[query, heard.text[1]]
    return pack_json(
        b'{"kind":"triaged","heard":%b,"triage":%b}' % (value, triage),
        type="mention.triaged.v1",
        id=f"{heard.event_id}:triaged",
        source="/careline/triage",
        subject=heard.mention_id,
        time=heard.heard_at,
        key=heard.conversation.key,
    )


_TRIAGES = {
    (query, letter): Triage(query=query, urgency=urgency, model="sim").model_dump_json().encode()
    for query in (True, False)
    for letter, urgency in URGENCY.items()
}


class Worker:
    """The processes of one worker host."""

    def __init__(self, stage: Stage, host: Host) -> None:
        """Start with nothing known."""
        self.stage = stage
        self.host = host
        self.ledger = SimLedger(stage.redis)
        self._producer = cast("Producer", stage.producer)
        self._reader = cast("LogReader", stage.reader)
        self.applier = Applier(
            self.ledger,
            policy=stage.policy,
            quarantine=cast("Quarantine", None),
            forward=_not_here,
            missed=partial(_missed, stage),
        )
        self._fence: Fence | None = None
        self._turn = Turn(stage.world)
        self._committed = Signal()
        self._earlier = Signal()
        self._next_due = 0
        self._dice = stage.world.dice(f"{host.name}/{stage.world.now}")
        topics = (MENTIONS_TRIAGED.name, CASES_COMMANDS.name)
        host.spawn("triage", self._consume(MENTIONS_RECEIVED.name, self._triage))
        for topic in topics:
            host.spawn(topic, self._consume(topic, self._in_sequence))
        host.spawn("deadlines", self._deadlines())
        host.spawn("outbox", self._outbox())

    # -- input ------------------------------------------------------------------------------------

    async def _consume(
        self, topic: str, work: Callable[[str, Sequence[Record]], Awaitable[None]]
    ) -> None:
        group, kafka = self.stage.workers, self.stage.kafka
        at, generation = 0, -1
        while True:
            if not group.owns(self.host):
                await group.changed.wait(_NEVER)
                continue
            if generation != group.generation:
                at, generation = group.committed.get(topic, 0), group.generation
            records = kafka.records(topic)[at : at + self._dice.randint(1, 40)]
            if not records:
                await kafka.signal(topic).wait(_NEVER)
                # What came in meanwhile is fetched a little later, so that batches form.
                await sleep(self._dice.uniform(*_GATHER))
                continue
            at += len(records)
            if topic in self.stage.cancelled:
                self.stage.cancelled.discard(topic)
                half = records[: self._dice.randint(0, len(records) - 1)]
                self.stage.world.tell(
                    f"{topic}: {len(records)} acknowledged, no work done on all but {len(half)}"
                )
                if half:
                    await self._insist(lambda half=half: work(topic, half))  # type: ignore[misc]
            else:
                await self._insist(lambda records=records: work(topic, records))  # type: ignore[misc]
            group.commit(topic, at, generation)

    async def _insist(self, call: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await call()
            except RetryableError:
                await sleep(self._dice.uniform(0.1, 2.0))
            else:
                return

    async def _triage(self, _: str, records: Sequence[Record]) -> None:
        packed = [triaged(record) for record in records]
        await self.stage.producer.send_batch(MENTIONS_TRIAGED.name, 0, packed)

    async def _in_sequence(self, topic: str, records: Sequence[Record]) -> None:
        for _ in range(_REPLAYS):
            await self.ready()
            try:
                async with self._turn:
                    await self.applier.apply(topic, {0: records})
            except Fenced:
                self._fence = None
                raise
            except InputGap as gap:
                self.stage.world.tell(f"{self.host.name} replays {gap.topic} from {gap.expected}")
                async with self._turn:
                    await self.replay(gap.topic, gap.expected)
            else:
                self._has_committed()
                return
        raise RetryableError("still out of sequence")

    async def replay(self, topic: str, start: int) -> None:
        """Apply a topic again."""
        await replay(self.ledger, 0, topic, start, reader=self._reader, applier=self.applier)

    async def ready(self) -> Fence:
        """Return the healthy fence, recovered if it has to be."""
        if self._fence is None:
            async with self._turn:
                fence = await self.ledger.fence(0)
                if not fence.healthy:
                    self.stage.world.tell(f"{self.host.name} recovers ({fence.value or 'nothing'})")
                    fence = await recover(
                        self.ledger,
                        0,
                        producer=self._producer,
                        reader=self._reader,
                        applier=self.applier,
                        clock=self.stage.clock,
                    )
                    self.stage.world.tell(f"{self.host.name} has recovered: {fence.value}")
                self._fence = fence
        return self._fence

    # -- time and the outbox ----------------------------------------------------------------------

    async def _deadlines(self) -> None:
        world, redis = self.stage.world, self.stage.redis
        while True:
            due = redis.of(self.host).zsets.get("due")
            first = min(due.values(), default=None) if due else None
            left = _NEVER if first is None else first / 1000 - redis.clock() / SECOND
            mine = self.stage.workers.owns(self.host)
            left += 0 if mine else _OVERDUE / SECOND
            if left > 0:
                self._next_due = world.now + int(left * SECOND)
                await self._earlier.wait(min(left + self._dice.uniform(0.1, 1.0), _NEVER))
                continue
            try:
                if mine:
                    await self.ready()
                for _ in range(_PASSES):
                    # As in `streams`: not in turn, so that a deadline may come in between.
                    fired = await self.applier.fire_due(0)
                    if not fired:
                        break
                    self._has_committed()
            except Fenced:
                self._fence = None
            except RetryableError:
                pass
            await sleep(self._dice.uniform(0.5, 2.0))

    def _has_committed(self) -> None:
        """Wake the outbox, and the deadlines if one is due earlier than they know."""
        world, redis = self.stage.world, self.stage.redis
        server = redis.of(self.host)
        if server.outbox:
            self._committed.fire(world)
        due = server.zsets.get("due")
        if due and (min(due.values()) * 1000 - redis.clock()) < self._next_due - world.now:
            self._earlier.fire(world)

    async def _outbox(self) -> None:
        while True:
            waits = bool(self.stage.redis.of(self.host).outbox)
            await self._committed.wait(5.0 if waits else _NEVER)
            await sleep(self._dice.uniform(0.02, 0.2))
            if self._fence is None or not self.stage.workers.owns(self.host):
                continue
            try:
                await drain(self.ledger, self._producer, 0, self._fence)
            except Fenced:
                self._fence = None
            except RetryableError:
                await sleep(self._dice.uniform(0.1, 1.0))


async def _missed(stage: Stage, _: int, first: int, last: int) -> Sequence[Record]:
    """Triage what was passed over, on the spot."""
    found: list[Record] = []
    async for batch in stage.reader.read(MENTIONS_RECEIVED.name, 0, first, last + 1):
        for record in batch:
            packed = triaged(record)
            found.append(
                Record(
                    topic=MENTIONS_TRIAGED.name,
                    partition=0,
                    offset=record.offset,
                    key=packed.key,
                    value=packed.value,
                    headers=tuple(packed.headers),
                    timestamp_ms=record.timestamp_ms,
                )
            )
    return found


async def _not_here(*_: object) -> None:
    """Nothing belongs elsewhere: there is one shard."""
