"""Fault matrix, row 36, on a real Kafka and Valkey with a real worker: found, repaired, told.

A ledger entry without due, an inbound without case, and input that was acknowledged unseen.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata
from pydantic import SecretStr

from careline.ledger.auditing.app import AuditorConfig, run_auditor
from careline.ledger.auditing.auditor import Pace
from careline.ledger.store import Ledger, key
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.kafka_offsets import GroupOffsets
from careline.runtime.redis import connect
from careline.runtime.tether import free_port
from careline.runtime.topics_admin import TopicsOnBroker, apply
from schemas.commands import ClaimCase
from schemas.envelope import Packed
from schemas.identity import shard_of
from schemas.topics import CASES_COMMANDS, MENTIONS_RECEIVED, MENTIONS_TRIAGED, TOPICS
from streams.config import WORKERS
from tests.support.kafka.server import KafkaServer
from tests.support.ledger import packed_command, until
from tests.support.stories import ANA
from tests.support.workers import PARTITIONS, Rig, a_mention, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(300)]

REPAIRED_WITHIN_S = 60.0
COUNTER = re.compile(r'careline_promises_broken_total\{invariant="(\w+)"\} (\d+)')


@pytest.fixture
async def broker(own_kafka: KafkaServer) -> KafkaServer:
    """A broker of this test's own, with careline's topics and nothing in them."""
    where = TopicsOnBroker(bootstrap=own_kafka.bootstrap, partitions=PARTITIONS, topics=TOPICS)
    await apply(where)
    return own_kafka


@pytest.fixture
async def rig(broker: KafkaServer, valkey: EmbeddedValkey) -> AsyncIterator[Rig]:
    async with a_rig(broker.bootstrap, valkey.url) as found:
        yield found


@asynccontextmanager
async def an_auditor(rig: Rig, valkey: EmbeddedValkey) -> AsyncIterator[int]:
    """Run the role beside the worker; yield the port of its figures."""
    port = free_port()
    config = AuditorConfig(
        kafka=rig.bootstrap,
        redis=SecretStr(valkey.url),
        partitions=PARTITIONS,
        group=WORKERS,
        pace=Pace(every=2.0, second_look=1.0),
        metrics_port=port,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(run_auditor(config, stop=stop), name="auditor")
    try:
        yield port
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await task


async def broken(port: int) -> dict[str, int]:
    """Read the counters of broken promises that are not 0, as Prometheus would."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        text = await answer.text()
    return {name: int(count) for name, count in COUNTER.findall(text) if count != "0"}


async def acknowledge(rig: Rig, topic: str, partition: int, upto: int) -> None:
    """Commit an offset for the workers' group, as Faust does when it loses what came before."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=rig.bootstrap, group_id=WORKERS, enable_auto_commit=False
    )
    where = TopicPartition(topic, partition)
    await consumer.start()
    try:
        consumer.assign([where])
        await consumer.commit({where: OffsetAndMetadata(upto, "")})
    finally:
        await consumer.stop()


async def test_a_lost_deadline_and_an_inbound_without_a_case_are_repaired_in_time(
    rig: Rig, valkey: EmbeddedValkey
) -> None:
    client = connect(valkey.url)
    ledger = Ledger(client, partitions=PARTITIONS)
    worker = await rig.worker()
    await rig.ready()
    await rig.hear(a_mention(number) for number in range(12))
    await rig.added_all(12)
    assert await rig.stop(worker) == 0

    # An inbound without a case: acknowledged for triage, and nobody has worked on it.
    lost = a_mention(100)
    await rig.hear([lost])
    shard = shard_of(lost.conversation.key, PARTITIONS)
    end = await rig.reader.end(MENTIONS_RECEIVED.name, shard)
    await acknowledge(rig, MENTIONS_RECEIVED.name, shard, end)
    # A ledger entry without due.
    robbed = (await anext(ledger.cases(0))).case_id
    await client.zrem(key(0, "due"), robbed)

    await rig.worker()
    await rig.ready(2)
    async with an_auditor(rig, valkey) as port:
        started = time.monotonic()
        await rig.added_all(13, within=REPAIRED_WITHIN_S)

        async def is_due() -> bool:
            return robbed in await ledger.due_times(0)

        await until(is_due, within=REPAIRED_WITHIN_S, what="the deadline")
        assert time.monotonic() - started < REPAIRED_WITHIN_S
        assert lost.mention_id in await rig.added()

        async def told() -> bool:
            return len(await subjects(ledger)) >= 2

        await until(told, what="the operations cases")
        assert await broken(port) == {
            "everything_received_is_triaged": 1,
            "open_case_has_a_deadline": 1,
        }
        assert await subjects(ledger) == {
            "auditor: everything_received_is_triaged",
            "auditor: open_case_has_a_deadline",
        }
    await client.aclose()


async def test_input_that_was_acknowledged_unseen_is_recovered(
    rig: Rig, valkey: EmbeddedValkey
) -> None:
    client = connect(valkey.url)
    ledger = Ledger(client, partitions=PARTITIONS)
    first = await rig.worker()
    await rig.ready()
    await rig.hear(a_mention(number) for number in range(8))
    await rig.added_all(8)
    assert await rig.stop(first) == 0
    shard = 0
    inputs = (await ledger.position(shard)).inputs
    # A claim that is in the topic, and whose offset is committed, and that nobody has decided.
    case = await anext(ledger.cases(shard))
    await rig.producer.send(CASES_COMMANDS.name, shard, a_claim(case.case_id))
    await acknowledge(rig, CASES_COMMANDS.name, shard, inputs.get(CASES_COMMANDS.name, -1) + 2)
    await rig.worker()
    await rig.ready(2)
    async with an_auditor(rig, valkey) as port:

        async def claimed() -> bool:
            found = await ledger.read_case(case.case_id)
            return found is not None and found.claim is not None

        await until(claimed, within=REPAIRED_WITHIN_S, what="the claim")
        assert await broken(port) == {"nothing_acknowledged_is_unseen": 1}
    await client.aclose()


async def test_the_groups_offsets_are_read_without_joining_it(rig: Rig) -> None:
    await rig.worker()
    await rig.ready()
    await rig.hear(a_mention(number) for number in range(8))
    await rig.added_all(8)
    group = GroupOffsets(rig.bootstrap, WORKERS, client_id="test")
    await group.start()

    async def all_committed() -> bool:
        found = await group.committed((MENTIONS_RECEIVED.name, MENTIONS_TRIAGED.name), PARTITIONS)
        per_topic = [
            sum(offset for (topic, _), offset in found.items() if topic == name)
            for name in (MENTIONS_RECEIVED.name, MENTIONS_TRIAGED.name)
        ]
        return per_topic == [8, 8]

    await until(all_committed, what="the commits")
    assert "revoked" not in rig.log()
    await group.stop()


async def subjects(ledger: Ledger) -> set[str]:
    """Return what the operations cases are about."""
    return {
        case.subject
        for shard in range(PARTITIONS)
        async for case in ledger.cases(shard)
        if case.queue == "ops"
    }


def a_claim(case_id: str) -> Packed:
    """Return the record of Ana's claim."""
    return packed_command(
        ClaimCase(command_id="c1", case_id=case_id, issued_at=datetime.now(UTC), actor=ANA)
    )
