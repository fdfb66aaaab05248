"""The Apache Kafka of the tests is real: it survives SIGKILL and makes no topic by itself."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError

from tests.support.kafka import jars
from tests.support.kafka.server import KafkaServer
from tests.support.processes import gone


@pytest.mark.kafka
@pytest.mark.slow
async def test_a_killed_broker_comes_back_with_every_acknowledged_record(
    kafka_server: KafkaServer,
) -> None:
    topic = f"kept-{uuid.uuid4().hex}"
    bootstrap, pid = kafka_server.bootstrap, kafka_server.pid
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 3, 1)])
    await admin.close()

    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        for number in range(100):
            await producer.send_and_wait(topic, b"%d" % number, partition=number % 3)
        kafka_server.kill()
        assert pid is not None
        await gone(pid)
        await asyncio.to_thread(kafka_server.restart)
        assert kafka_server.bootstrap == bootstrap
        async with asyncio.timeout(60):
            for number in range(100, 130):
                await producer.send_and_wait(topic, b"%d" % number, partition=number % 3)
    finally:
        await producer.stop()

    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            values = [int((await consumer.getone()).value) for _ in range(130)]
    finally:
        await consumer.stop()
    assert sorted(values) == list(range(130))


@pytest.mark.kafka
async def test_a_topic_that_nobody_made_is_an_error(kafka_server: KafkaServer) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka_server.bootstrap, request_timeout_ms=1500)
    await producer.start()
    try:
        with pytest.raises((KafkaTimeoutError, UnknownTopicOrPartitionError)):
            await producer.send_and_wait(f"guessed-{uuid.uuid4().hex}", b"x")
    finally:
        await producer.stop()


def test_jars_are_trusted_only_byte_for_byte(tmp_path: Path) -> None:
    name = min(jars.committed())
    assert f"{name} is missing" in jars.problems(tmp_path)

    (tmp_path / name).write_bytes(b"not that jar")
    (tmp_path / "stranger.jar").write_bytes(b"")
    found = jars.problems(tmp_path)
    assert f"{name} has another sha256" in found
    assert "stranger.jar is not one of the committed jars" in found
