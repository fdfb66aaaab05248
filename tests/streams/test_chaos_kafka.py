"""Two workers, a real broker: shards move, a frozen one wakes, the broker dies; nothing is lost.

librdkafka's embedded cluster refuses some rebalances of two members, and forgets when it dies.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.topics_admin import TopicsOnBroker, apply
from schemas.topics import TOPICS
from tests.support.feed import all_arrived, feeding
from tests.support.kafka.server import KafkaServer
from tests.support.scale import scaled
from tests.support.workers import PARTITIONS, Rig, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(scaled(600, 1800))]

REBALANCES = scaled(2, 40)
FROZEN_S = scaled(9, 60)
AWAY_S = scaled(4, 40)


@pytest.fixture
async def broker(own_kafka: KafkaServer) -> KafkaServer:
    """A broker of this test's own, with careline's topics and nothing in them."""
    await apply(TopicsOnBroker(bootstrap=own_kafka.bootstrap, partitions=PARTITIONS, topics=TOPICS))
    return own_kafka


@pytest.fixture
async def rig(broker: KafkaServer, valkey: EmbeddedValkey) -> AsyncIterator[Rig]:
    async with a_rig(broker.bootstrap, valkey.url) as found:
        yield found


async def test_a_second_worker_takes_its_share_and_a_frozen_one_changes_nothing(rig: Rig) -> None:
    first = await rig.worker()
    await rig.ready()
    async with feeding(rig) as feed:
        second = await rig.worker()
        await rig.ready(2)
        await asyncio.sleep(1)
        os.kill(first.pid, signal.SIGSTOP)
        await asyncio.sleep(FROZEN_S)  # longer than the session: its shards go to the other one
        os.kill(first.pid, signal.SIGCONT)
        await asyncio.sleep(2)
        await rig.kill(second)
    await all_arrived(rig, feed)


async def test_a_broker_that_is_killed_is_waited_for(rig: Rig, broker: KafkaServer) -> None:
    await rig.worker()
    await rig.ready()
    async with feeding(rig) as feed:
        await asyncio.sleep(1)
    await asyncio.to_thread(broker.kill)
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(broker.restart)
    async with feeding(rig, feed):
        await asyncio.sleep(1)
    await all_arrived(rig, feed)


async def test_a_storm_of_rebalances_loses_nothing(rig: Rig) -> None:
    await rig.worker()
    await rig.ready()
    async with feeding(rig) as feed:
        for number in range(REBALANCES):
            second = await rig.worker()
            await rig.ready(number + 2)
            await asyncio.sleep(1)
            await rig.stop(second)
            await asyncio.sleep(1)
    await all_arrived(rig, feed)
