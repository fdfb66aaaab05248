"""A damaged batch right after the start, when the client does not know yet where all begins.

Row 14 of the fault matrix: it holds up its own partition and takes nothing of its neighbours with
it, not even what came in the same answer of the broker.
"""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faust.types import TP
from pydantic import SecretStr

from careline.domain.policy import Policy
from careline.runtime.topics_admin import TopicsOnBroker, apply
from schemas.topics import MENTIONS_RECEIVED, TOPICS
from streams.app import create_app
from streams.config import WorkerConfig
from tests.support.kafka.server import KafkaServer

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(120)]

NOWHERE = SecretStr("redis://127.0.0.1:1")
DAMAGED = 1
PLACES = [TP(MENTIONS_RECEIVED.name, number) for number in range(8)]
NEIGHBOURS = {at.partition for at in PLACES} - {DAMAGED}


async def written(broker: KafkaServer) -> None:
    """A record in each partition, and one of them with other bytes than its checksum says."""
    topics = TopicsOnBroker(bootstrap=broker.bootstrap, partitions=len(PLACES), topics=TOPICS)
    await apply(topics)
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
        for topic, partition in PLACES:
            text = b"damaged" if partition == DAMAGED else b"neighbour"
            await producer.send_and_wait(topic, text, partition=partition)
    wound = MENTIONS_RECEIVED.name, DAMAGED, b"damaged", b"DAMAGED"
    await asyncio.to_thread(broker.damage, wound)


class Start:
    """A consumer of a worker that has just begun, and what it has read."""

    def __init__(self, broker: KafkaServer) -> None:
        policy = Policy(partitions=len(PLACES))
        config = WorkerConfig(bootstrap=broker.bootstrap, redis_url=NOWHERE, policy=policy)
        self._app = create_app(config)
        self._app.skipped, self._app.loop = self._skipped, asyncio.get_running_loop()
        # Never started: its fetch runs in the test's own loop.
        self._thread = self._app.consumer._thread
        self._thread.thread_loop.close()
        self.bootstrap = broker.bootstrap
        self.asked: set[tuple[str, int, int]] = set()
        self.came: list[int] = []

    async def _skipped(self, topic: str, partition: int, offset: int) -> range:
        self.asked.add((topic, partition, offset))
        return range(0)

    async def read(self) -> None:
        """Read until the damage was met and all the others came."""
        client = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest")
        client.assign([TopicPartition(*place) for place in PLACES])
        async with client, asyncio.timeout(20):
            # As after an assignment without commits: the places are known when the broker says.
            placed = asyncio.create_task(client.seek_to_beginning())
            await asyncio.sleep(0)
            while set(self.came) < NEIGHBOURS or not self.asked:
                found = await self._thread._fetch_records(client, set(PLACES), timeout=1.0)
                self.came += [at.partition for at, batch in found.items() for _ in batch]
            await placed


async def test_what_came_with_a_damaged_batch_before_any_position_was_known_is_read(
    own_kafka: KafkaServer,
) -> None:
    await written(own_kafka)
    for _ in range(4):  # in which order partitions are looked at is drawn anew by the client
        start = Start(own_kafka)
        await start.read()
        assert sorted(start.came) == sorted(NEIGHBOURS), "each once"
        assert start.asked == {(MENTIONS_RECEIVED.name, DAMAGED, 0)}
