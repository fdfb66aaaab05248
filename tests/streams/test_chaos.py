"""Workers are killed, stopped and starved while mentions flow: none is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator

import pytest

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.support.feed import Feed, all_arrived, feeding
from tests.support.workers import TOPIC_PARTITIONS, Rig, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LEFT_EARLY = 75
ROUNDS = 3


@pytest.fixture
async def rig(valkey: EmbeddedValkey) -> AsyncIterator[Rig]:
    """A rig on an embedded Kafka with all topics."""
    async with (
        EmbeddedKafka(TOPIC_PARTITIONS) as kafka,
        a_rig(kafka.bootstrap, valkey.url) as found,
    ):
        yield found


async def test_killed_workers_lose_nothing(rig: Rig) -> None:
    worker = await rig.worker()
    await rig.ready()
    async with feeding(rig) as feed:
        for number in range(ROUNDS):
            await asyncio.sleep(random.uniform(0.5, 1.5))
            await rig.kill(worker)
            worker = await rig.worker()
            await rig.ready(number + 2)
    await all_arrived(rig, feed)


async def test_stopped_workers_lose_nothing(rig: Rig) -> None:
    worker = await rig.worker()
    await rig.ready()
    async with feeding(rig) as feed:
        for number in range(ROUNDS):
            await asyncio.sleep(random.uniform(0.5, 1.5))
            assert await rig.stop(worker, within=12) == 0
            worker = await rig.worker()
            await rig.ready(number + 2)
    await all_arrived(rig, feed)


async def test_a_worker_stopped_while_the_ledger_is_away_leaves_without_acknowledging(
    rig: Rig, valkey: EmbeddedValkey
) -> None:
    worker = await rig.worker()
    await rig.ready()
    feed = Feed(rig)
    await feed.one()
    await rig.added_all(5)
    assert valkey.pid is not None
    for number in range(2):
        os.kill(valkey.pid, signal.SIGSTOP)
        try:
            for _ in range(5):
                await feed.one()
            await asyncio.sleep(1.5)
            assert await rig.stop(worker, within=14) == LEFT_EARLY
        finally:
            os.kill(valkey.pid, signal.SIGCONT)
        worker = await rig.worker()
        await rig.ready(number + 2)
    await all_arrived(rig, feed)


async def test_a_ledger_that_dies_is_waited_for_and_recovered(
    rig: Rig, valkey: EmbeddedValkey
) -> None:
    await rig.worker()
    await rig.ready()
    async with feeding(rig) as feed:
        for _ in range(2):
            await asyncio.sleep(1)
            await valkey.kill()
            await asyncio.sleep(1)
            await valkey.restart()
        await asyncio.sleep(1)
    await all_arrived(rig, feed)
    assert rig.log().count("recovery ended") >= 2 * 4, "another server's epoch is foreign"


async def test_a_broker_that_is_away_is_waited_for(valkey: EmbeddedValkey) -> None:
    async with (
        EmbeddedKafka(TOPIC_PARTITIONS) as kafka,
        a_rig(kafka.bootstrap, valkey.url) as rig,
    ):
        await rig.worker()
        await rig.ready()
        feed = Feed(rig)
        await feed.one()
        await rig.added_all(5)
        await kafka.broker_down()
        lost = asyncio.create_task(feed.one())
        await asyncio.sleep(5)
        await kafka.broker_up()
        await lost
        await all_arrived(rig, feed)
        assert len(rig.log().splitlines()) < 400, "an outage does not fill the disk"
