"""A ledger over real servers for tests: topics that are written and applied, shard by shard.

Promises: Valkey and Kafka are real peers on loopback; records reach the ledger only through their
topics, with the headers of the product, so that a recovery finds all that it may need.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from careline.domain.case import Case
from careline.domain.policy import Policy
from careline.ledger.apply import Applied, Applier
from careline.ledger.fence import Fence
from careline.ledger.outboxes import drain
from careline.ledger.quarantine import Quarantine
from careline.ledger.recovery import recover
from careline.ledger.store import Ledger
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.kafka import LogReader, Producer, Record
from careline.runtime.redis import connect
from schemas import commands as c
from schemas.envelope import Packed, pack
from schemas.identity import shard_of, shard_of_case
from schemas.mentions import HeardRecord
from schemas.topics import CASES_COMMANDS, CASES_EVENTS, MENTIONS_RECEIVED, MENTIONS_TRIAGED, TOPICS
from schemas.triage import MentionTriaged, Triage
from tests.support.stories import START, a_triage

PARTITIONS = 4


class LedgerWorld:
    """The ledger, its topics and its applier, with shortcuts for stories."""

    def __init__(
        self, client: Redis, producer: Producer, reader: LogReader, policy: Policy
    ) -> None:
        self.client = client
        self.producer = producer
        self.reader = reader
        self.policy = policy
        self.ledger = Ledger(client, partitions=PARTITIONS)
        self.quarantine = Quarantine(producer, PARTITIONS)
        self.forwarded: list[tuple[int, str]] = []
        self.applier = self.another_applier()
        self._read: dict[tuple[str, int], int] = {}

    def another_applier(self, **options: Any) -> Applier:
        """Return an applier as a second worker would have it."""
        return Applier(
            self.ledger,
            policy=self.policy,
            quarantine=self.quarantine,
            forward=self._forward,
            **options,
        )

    async def _forward(self, shard: int, command: c.Command, packed: Packed) -> None:
        self.forwarded.append((shard, command.command_id))
        await self.producer.send(CASES_COMMANDS.name, shard, packed)

    async def recover(self, shard: int, *, applier: Applier | None = None) -> Fence:
        """Recover a shard."""
        return await recover(
            self.ledger,
            shard,
            producer=self.producer,
            reader=self.reader,
            applier=applier or self.applier,
        )

    async def recover_all(self) -> None:
        """Recover every shard."""
        for shard in range(PARTITIONS):
            await self.recover(shard)

    async def drain(self, shard: int) -> int:
        """Send a shard's outbox."""
        return await drain(self.ledger, self.producer, shard, await self.ledger.fence(shard))

    async def drain_all(self) -> None:
        """Send every shard's outbox."""
        for shard in range(PARTITIONS):
            await self.drain(shard)

    async def hear(self, heard: HeardRecord, triage: Triage | None = None) -> int:
        """Put a record into both mention topics; return its shard."""
        shard = shard_of(heard.conversation.key, PARTITIONS)
        received = packed_heard(heard)
        source = await self.producer.send(MENTIONS_RECEIVED.name, shard, received)
        packed = packed_triaged(heard, triage or a_triage(), source)
        await self.producer.send(MENTIONS_TRIAGED.name, shard, packed)
        return shard

    async def command(self, command: c.Command) -> int:
        """Put a command into its topic; return its shard."""
        shard = shard_of_case(command.case_id) or 0
        await self.producer.send(CASES_COMMANDS.name, shard, packed_command(command))
        return shard

    async def pump(self, applier: Applier | None = None) -> list[Applied]:
        """Apply all that came since the last time, in every shard, as a worker would."""
        applied: list[Applied] = []
        for topic in (MENTIONS_TRIAGED.name, CASES_COMMANDS.name):
            for shard in range(PARTITIONS):
                records = await self.unread(topic, shard)
                if records:
                    applied.append(await (applier or self.applier).apply(topic, {shard: records}))
        return applied

    async def unread(self, topic: str, shard: int) -> list[Record]:
        """Return the records of a topic that this world has not read before."""
        start = self._read.get((topic, shard), 0)
        records = await self.records(topic, shard, start)
        if records:
            self._read[topic, shard] = records[-1].offset + 1
        return records

    async def records(self, topic: str, shard: int, start: int = 0) -> list[Record]:
        """Return the records of a partition."""
        end = await self.reader.end(topic, shard)
        return [
            record async for batch in self.reader.read(topic, shard, start, end) for record in batch
        ]

    async def events(self, shard: int) -> list[Record]:
        """Return the log of a shard."""
        return await self.records(CASES_EVENTS.name, shard)

    async def cases(self) -> dict[str, Case]:
        """Return every case of the ledger."""
        return {
            case.case_id: case
            for shard in range(PARTITIONS)
            async for case in self.ledger.cases(shard)
        }

    async def only_case(self) -> Case:
        """Return the one case that there is."""
        (case,) = (await self.cases()).values()
        return case


def packed_heard(heard: HeardRecord) -> Packed:
    """Return the record of ``mentions.received.v1``."""
    return pack(
        heard,
        type=f"mention.{heard.kind}.v1",
        id=heard.event_id,
        source="careline/test",
        subject=heard.mention_id,
        time=START,
        key=heard.conversation.key,
    )


def packed_triaged(heard: HeardRecord, triage: Triage | None, source: int) -> Packed:
    """Return the record of ``mentions.triaged.v1``."""
    return pack(
        MentionTriaged(heard=heard, triage=triage),
        type="mention.triaged.v1",
        id=f"{heard.event_id}:triaged",
        source="careline/test",
        subject=heard.mention_id,
        time=START,
        key=heard.conversation.key,
        extensions={"sourceoffset": str(source)},
    )


def packed_command(command: c.Command) -> Packed:
    """Return the record of ``cases.commands.v1``."""
    return pack(
        command,
        type=f"command.{command.type}.v1",
        id=command.command_id,
        source="careline/test",
        subject=command.case_id,
        time=command.issued_at,
        key=command.case_id,
    )


def a_record(
    topic: str, shard: int, offset: int, packed: Packed, *, value: bytes | None = None
) -> Record:
    """Return a record as it would be read, without a broker."""
    return Record(
        topic=topic,
        partition=shard,
        offset=offset,
        key=packed.key,
        value=packed.value if value is None else value,
        headers=tuple(packed.headers),
        timestamp_ms=0,
    )


@asynccontextmanager
async def ledger_world(
    valkey: EmbeddedValkey, kafka: EmbeddedKafka, policy: Policy | None = None
) -> AsyncIterator[LedgerWorld]:
    """Connect a world to its servers and create the topics."""
    for topic in TOPICS:
        await kafka.create_topic(topic.name, PARTITIONS)
    client = connect(valkey.url)
    producer = Producer(kafka.bootstrap, client_id="test")
    reader = LogReader(kafka.bootstrap, client_id="test")
    await producer.start()
    await reader.start()
    try:
        yield LedgerWorld(client, producer, reader, policy or Policy(partitions=PARTITIONS))
    finally:
        await reader.stop()
        await producer.stop()
        await client.aclose()


async def until(
    condition: Callable[[], Awaitable[bool]], *, within: float = 40.0, what: str = "it"
) -> None:
    """Wait until a condition holds, at most so long."""
    end = time.monotonic() + within
    while not await condition():
        if time.monotonic() > end:
            msg = f"{what} did not happen within {within} s"
            raise AssertionError(msg)
        await asyncio.sleep(0.02)


def offsets(records: Sequence[Record]) -> list[int]:
    """Return the offsets of records."""
    return [record.offset for record in records]
