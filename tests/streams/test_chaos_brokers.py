"""Brokers of a cluster in trouble: slow, partly gone, handing partitions over, refusing records.

Rows 12 and 13 of the fault matrix, on librdkafka's cluster of three, which can be told to do so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from schemas.topics import TOPICS
from tests.support.feed import all_arrived, feeding
from tests.support.scale import scaled
from tests.support.workers import PARTITIONS, TOPIC_PARTITIONS, Rig, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PRODUCE = 0
LEADER_GONE, TOO_LARGE, FEW_REPLICAS, FORBIDDEN, OUT_OF_ORDER = 6, 10, 19, 29, 45
SLOW_MS = scaled(500, 2000)
AWAY_S = scaled(3.0, 40.0)


@pytest.fixture
async def kafka() -> AsyncIterator[EmbeddedKafka]:
    async with EmbeddedKafka(TOPIC_PARTITIONS, brokers=3) as cluster:
        yield cluster


@pytest.fixture
async def rig(kafka: EmbeddedKafka, valkey: EmbeddedValkey) -> AsyncIterator[Rig]:
    async with a_rig(kafka.bootstrap, valkey.url) as found:
        yield found


async def test_leaders_that_change_and_records_that_are_refused_lose_nothing(
    rig: Rig, kafka: EmbeddedKafka
) -> None:
    await rig.worker()
    await rig.ready()
    async with feeding(rig) as feed:
        for broker in (2, 3, 1):
            for topic in TOPICS:
                for partition in range(PARTITIONS):
                    await kafka.move_leader(topic.name, partition, broker)
            await kafka.push_errors(PRODUCE, [LEADER_GONE, FEW_REPLICAS, OUT_OF_ORDER])
            await asyncio.sleep(1)
    await all_arrived(rig, feed)


async def test_a_slow_cluster_and_a_broker_that_is_gone_lose_nothing(
    rig: Rig, kafka: EmbeddedKafka
) -> None:
    await rig.worker()
    await rig.ready()
    async with feeding(rig) as feed:
        await kafka.set_rtt(-1, SLOW_MS)
        await asyncio.sleep(2)
        await kafka.set_rtt(-1, 0)
        await kafka.broker_down(3)
        await asyncio.sleep(AWAY_S)
        await kafka.broker_up(3)
    await all_arrived(rig, feed)
