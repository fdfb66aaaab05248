"""The embedded cluster carries records, obeys fault commands, and never outlives its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import NotLeaderForPartitionError

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.errors import ConfigurationError
from tests.support.processes import gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOT_LEADER = NotLeaderForPartitionError.errno
PRODUCE_API = 0


@asynccontextmanager
async def producing(bootstrap: str, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True, **options)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> list[tuple[int, bytes]]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [
                (record.partition, record.value)
                for record in [await consumer.getone() for _ in range(count)]
            ]
    finally:
        await consumer.stop()


async def test_records_go_through_a_topic_with_the_partitions_asked_for(
    embedded_kafka: EmbeddedKafka,
) -> None:
    await embedded_kafka.create_topic("heard", 5)
    async with producing(embedded_kafka.bootstrap) as producer:
        partitions = await producer.partitions_for("heard")
        for number in range(20):
            await producer.send_and_wait("heard", b"%d" % number, partition=number % 5)

    assert partitions == {0, 1, 2, 3, 4}
    assert sorted(await read(embedded_kafka.bootstrap, "heard", 20)) == sorted(
        (n % 5, b"%d" % n) for n in range(20)
    )


async def test_start_creates_the_topics_of_the_mapping() -> None:
    async with (
        EmbeddedKafka({"one": 1, "three": 3}) as cluster,
        producing(cluster.bootstrap) as producer,
    ):
        assert await producer.partitions_for("one") == {0}
        assert await producer.partitions_for("three") == {0, 1, 2}


async def test_a_client_survives_injected_errors_without_losing_or_repeating(
    embedded_kafka: EmbeddedKafka,
) -> None:
    await embedded_kafka.create_topic("heard", 1)
    async with producing(embedded_kafka.bootstrap) as producer:
        await producer.send_and_wait("heard", b"0")
        await embedded_kafka.push_errors(PRODUCE_API, [NOT_LEADER, NOT_LEADER, NOT_LEADER])
        for number in range(1, 5):
            await producer.send_and_wait("heard", b"%d" % number)

    assert await read(embedded_kafka.bootstrap, "heard", 5) == [
        (0, b"%d" % number) for number in range(5)
    ]


async def test_errors_that_are_cleared_are_not_answered(embedded_kafka: EmbeddedKafka) -> None:
    await embedded_kafka.create_topic("heard", 1)
    async with producing(embedded_kafka.bootstrap) as producer:
        await embedded_kafka.push_errors(PRODUCE_API, [87] * 5)  # INVALID_RECORD is not retried
        await embedded_kafka.clear_errors(PRODUCE_API)
        assert (await producer.send_and_wait("heard", b"0")).offset == 0


async def test_a_broker_that_comes_back_still_has_its_records(
    embedded_kafka: EmbeddedKafka,
) -> None:
    await embedded_kafka.create_topic("heard", 1)
    async with producing(embedded_kafka.bootstrap) as producer:
        await producer.send_and_wait("heard", b"before")
        await embedded_kafka.broker_down()
        during = asyncio.create_task(producer.send_and_wait("heard", b"during"))
        done, _ = await asyncio.wait({during}, timeout=0.5)
        assert not done
        await embedded_kafka.broker_up()
        async with asyncio.timeout(30):
            await during

    assert await read(embedded_kafka.bootstrap, "heard", 2) == [(0, b"before"), (0, b"during")]


async def test_a_slow_broker_answers_late_and_only_then(embedded_kafka: EmbeddedKafka) -> None:
    await embedded_kafka.create_topic("heard", 1)
    async with producing(embedded_kafka.bootstrap) as producer:
        await producer.send_and_wait("heard", b"quick")
        await embedded_kafka.set_rtt(-1, 1000)
        late = asyncio.create_task(producer.send_and_wait("heard", b"late"))
        done, _ = await asyncio.wait({late}, timeout=0.5)
        assert not done
        async with asyncio.timeout(20):
            assert (await late).offset == 1
        await embedded_kafka.set_rtt(-1, 0)


async def test_a_partition_moves_to_another_broker() -> None:
    async with (
        EmbeddedKafka({"heard": 1}, brokers=2) as cluster,
        producing(cluster.bootstrap) as producer,
    ):
        for broker in (1, 2, 1):
            await cluster.move_leader("heard", 0, broker)
            async with asyncio.timeout(20):
                await producer.send_and_wait("heard", b"at %d" % broker)

        assert await read(cluster.bootstrap, "heard", 3) == [
            (0, b"at 1"),
            (0, b"at 2"),
            (0, b"at 1"),
        ]


async def test_a_command_that_librdkafka_refuses_says_why(embedded_kafka: EmbeddedKafka) -> None:
    await embedded_kafka.create_topic("heard", 1)
    with pytest.raises(ConfigurationError, match=r"heard.*exists"):
        await embedded_kafka.create_topic("heard", 2)
    await embedded_kafka.create_topic("other", 1)


async def test_nothing_runs_after_stop_or_kill() -> None:
    for end in (EmbeddedKafka.stop, EmbeddedKafka.kill):
        cluster = EmbeddedKafka()
        await cluster.start({"heard": 1})
        pid = cluster.pid
        assert pid is not None
        await end(cluster)
        await gone(pid)
        with pytest.raises(ConfigurationError, match="not running"):
            await cluster.broker_up()
        await cluster.stop()


PARENT = """
import asyncio, sys
from careline.runtime.embedded_kafka import EmbeddedKafka
async def main():
    cluster = EmbeddedKafka()
    await cluster.start({"heard": 1})
    print(cluster.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_it_dies_with_a_parent_that_was_killed() -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(20):
        child = int(await parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()

    await gone(child)
