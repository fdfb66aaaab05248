"""FLUSHALL with thousands of open cases on a real Kafka: rebuilt, and nothing differs.

3,000 cases by default and 10,000 with CARELINE_TEST_FULL=1. How long it takes is measured and kept
in docs/operations.md, not asserted: it depends on what else the machine does.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from careline.domain.policy import Policy
from careline.ledger.effects import Effects, PendingEffect
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.kafka import LogReader, Producer
from careline.runtime.redis import connect
from careline.runtime.topics_admin import TopicsOnBroker, apply
from schemas import commands as c
from schemas.envelope import Packed
from schemas.identity import shard_of
from schemas.mentions import MentionReceived
from schemas.topics import CASES_COMMANDS, MENTIONS_RECEIVED, MENTIONS_TRIAGED, TOPICS
from tests.careline.ledger.test_rebuild import compared
from tests.careline.ledger.test_recovery import differences
from tests.support.kafka.server import KafkaServer
from tests.support.ledger import (
    PARTITIONS,
    LedgerWorld,
    packed_command,
    packed_heard,
    packed_triaged,
)
from tests.support.stories import ANA, a_mention, a_triage

CASES: Final = 10_000 if os.environ.get("CARELINE_TEST_FULL") == "1" else 3_000
BATCH: Final = 500
pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(400)]


@pytest.fixture
async def world(valkey: EmbeddedValkey, own_kafka: KafkaServer) -> AsyncIterator[LedgerWorld]:
    """A ledger on a broker of this test's own."""
    await apply(TopicsOnBroker(bootstrap=own_kafka.bootstrap, partitions=PARTITIONS, topics=TOPICS))
    producer = Producer(own_kafka.bootstrap, client_id="test")
    reader = LogReader(own_kafka.bootstrap, client_id="test")
    client = connect(valkey.url)
    await producer.start()
    await reader.start()
    found = LedgerWorld(client, producer, reader, Policy(partitions=PARTITIONS))
    await found.recover_all()
    yield found
    await client.aclose()
    await reader.stop()
    await producer.stop()


async def sent(world: LedgerWorld, topic: str, shard: int, packed: list[Packed]) -> list[int]:
    """Send records in batches; return their offsets."""
    offsets: list[int] = []
    for at in range(0, len(packed), BATCH):
        part = packed[at : at + BATCH]
        first = await world.producer.send_batch(topic, shard, part)
        offsets += range(first, first + len(part))
    return offsets


async def taken_in(world: LedgerWorld, topic: str) -> None:
    """Apply all that is new in a topic, and send the outboxes."""
    for shard in range(PARTITIONS):
        records = await world.unread(topic, shard)
        for at in range(0, len(records), BATCH):
            await world.applier.apply(topic, {shard: records[at : at + BATCH]})
    await world.drain_all()


async def open_cases(world: LedgerWorld) -> None:
    """Open cases; most have their card, some are claimed, some wait for their reply to go out."""
    now = datetime.now(UTC)
    heard: dict[int, list[MentionReceived]] = {shard: [] for shard in range(PARTITIONS)}
    for n in range(CASES):
        mention = a_mention(
            str(10**6 + n), root=str(n), author=str(n), heard_at=now, created_at=now
        )
        heard[shard_of(mention.conversation.key, PARTITIONS)].append(mention)
    for shard, found in heard.items():
        offsets = await sent(
            world, MENTIONS_RECEIVED.name, shard, [packed_heard(one) for one in found]
        )
        await sent(
            world,
            MENTIONS_TRIAGED.name,
            shard,
            [packed_triaged(one, a_triage(), at) for one, at in zip(found, offsets, strict=True)],
        )
    await taken_in(world, MENTIONS_TRIAGED.name)
    for shard in heard:
        commands: list[Packed] = []
        number = 0
        async for case in world.ledger.cases(shard):
            number += 1
            facts = {"case_id": case.case_id, "issued_at": now, "actor": ANA}
            card = {"effect_id": f"card:{case.case_id}", "attempt": 1, "outcome": c.Outcome.DONE}
            where = {"channel": "C1", "native_id": f"{number}.1", "shown_version": case.version}
            if number % 10:
                commands.append(
                    packed_command(
                        c.RecordOutcome.model_validate(
                            {"command_id": f"o-{case.case_id}", **facts, **card, **where}
                        )
                    )
                )
            if number % 3 == 0:
                covers = tuple(found.mention_id for found in case.open_obligations)
                reply = {"command_id": f"r-{case.case_id}", "text": "sorry!", "covers": covers}
                commands.append(packed_command(c.ReplyToCase.model_validate({**facts, **reply})))
        await sent(world, CASES_COMMANDS.name, shard, commands)
    await taken_in(world, CASES_COMMANDS.name)


async def cards_due(world: LedgerWorld) -> list[PendingEffect]:
    """Return what Slack still has to be told, in all shards."""
    slack = Effects(world.ledger, "slack")
    return [one for shard in range(PARTITIONS) for one in await slack.due(shard, CASES)]


async def test_a_flushed_ledger_with_thousands_of_open_cases_is_rebuilt_without_a_difference(
    world: LedgerWorld, tmp_path: Path
) -> None:
    await open_cases(world)
    before = await world.cases()
    assert len(before) == CASES
    pending = len(await cards_due(world))
    await world.client.flushall()

    # As a worker that owns all the shards: all at once.
    await asyncio.gather(*(world.recover(shard) for shard in range(PARTITIONS)))

    assert differences(before, await world.cases()) == []
    cards = await cards_due(world)
    assert len(cards) == pending > 0
    assert all(one.unknown for one in cards), "none is posted without being looked up first"
    assert await compared(world, tmp_path / "scratch") == []
