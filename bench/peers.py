"""The servers that everything is measured on: a real Apache Kafka and a durable Valkey.

Promises: every subject finds new topics and an empty ledger, on a broker that has run for a while;
both are real, on loopback, and gone at the end. Progress is read from them, never from the subject.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import Consumer as ConfluentConsumer
from confluent_kafka import Producer, TopicPartition
from redis import Redis

from careline.runtime import topics_admin
from careline.runtime.embedded_valkey import EmbeddedValkey
from schemas.envelope import Packed
from schemas.identity import shard_tag
from schemas.topics import DEFAULT_PARTITIONS, MENTIONS_TRIAGED, TOPICS
from tests.support.kafka.server import KafkaServer

PARTITIONS = DEFAULT_PARTITIONS
Records = Sequence[tuple[int, Packed]]
"""Partition and record."""


class Progress:
    """How far a ledger is, over a connection of its own."""

    def __init__(self, url: str) -> None:
        """Connect."""
        self._redis = Redis.from_url(url)

    def committed(self) -> int:
        """Return how many triaged records are committed, once nothing of them is left to send."""
        pipeline = self._redis.pipeline(transaction=False)
        for shard in range(PARTITIONS):
            pipeline.hget(f"{shard_tag(shard)}:in", MENTIONS_TRIAGED.name)
            pipeline.xlen(f"{shard_tag(shard)}:outbox")
        found = pipeline.execute()
        if any(found[1::2]):
            return -1
        return sum(int(last) + 1 for last in found[::2] if last is not None)

    def close(self) -> None:
        """Disconnect."""
        self._redis.close()


@contextlib.asynccontextmanager
async def ledger() -> AsyncIterator[str]:
    """Run an empty Valkey, as durable as the product demands; give its URL."""
    folder = Path(tempfile.mkdtemp(prefix="careline-bench-"))
    try:
        async with EmbeddedValkey(folder / "valkey") as server:
            yield server.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def fresh_topics(bootstrap: str) -> None:
    """Delete careline's topics, with all that is in them, and make them anew."""
    names = [topic.name for topic in TOPICS]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        if set(names) & set(await admin.list_topics()):
            await admin.delete_topics(names)
        async with asyncio.timeout(30):
            while set(names) & set(await admin.list_topics()):
                await asyncio.sleep(0.05)
    finally:
        await admin.close()
    await topics_admin.apply(
        topics_admin.TopicsOnBroker(bootstrap=bootstrap, partitions=PARTITIONS, topics=TOPICS)
    )


def feed(bootstrap: str, topics: Mapping[str, Records]) -> None:
    """Put records into their topics and return once all are acknowledged."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    failed: list[str] = []
    for topic, records in topics.items():
        for partition, packed in records:
            producer.produce(
                topic,
                value=packed.value,
                key=packed.key,
                partition=partition,
                headers=[*packed.headers],
                on_delivery=lambda error, _: failed.append(str(error)) if error else None,
            )
            producer.poll(0)
    if producer.flush(30) or failed:
        raise RuntimeError(f"the bench could not feed: {failed[:1]}")


def lengths(bootstrap: str, topic: str) -> int:
    """Return how many records a topic has."""
    consumer = ConfluentConsumer({"bootstrap.servers": bootstrap, "group.id": "bench-lengths"})
    try:
        return sum(
            consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
            for partition in range(PARTITIONS)
        )
    finally:
        consumer.close()


@contextlib.contextmanager
def broker() -> Iterator[str]:
    """Run the real Apache Kafka; give its bootstrap server."""
    with KafkaServer() as server:
        yield server.bootstrap
