"""Workers are killed, stopped and starved while mentions flow: none is lost."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.support.workers import TOPIC_PARTITIONS, Rig, a_mention, a_rig

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


class Feed:
    """Hears mentions, some at a time, until told to stop."""

    def __init__(self, rig: Rig, *, every: float = 0.2, batch: int = 5) -> None:
        self._rig = rig
        self._every = every
        self._batch = batch
        self._number = 0
        self.sent: set[str] = set()

    async def one(self) -> None:
        """Hear one batch; when it is acknowledged it counts."""
        mentions = [a_mention(self._number + more) for more in range(self._batch)]
        self._number += self._batch
        await self._rig.hear(mentions)
        self.sent |= {mention.mention_id for mention in mentions}

    async def run(self) -> None:
        while True:
            await self.one()
            await asyncio.sleep(self._every)


@asynccontextmanager
async def feeding(rig: Rig) -> AsyncIterator[Feed]:
    """Feed as long as the block runs; what is acknowledged by then must become cases."""
    feed = Feed(rig)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def all_arrived(rig: Rig, feed: Feed) -> None:
    """Nothing that was acknowledged is lost, and nothing was made twice."""
    added = await rig.added_all(len(feed.sent), within=90)
    assert set(added) >= feed.sent
    ids = [event.event_id for event in await rig.events() if event.type == "obligation.added"]
    by_mention = {}
    for mention, event in zip(await rig.added(), ids, strict=True):
        by_mention.setdefault(mention, set()).add(event)
    assert all(len(events) == 1 for events in by_mention.values()), "a repeat has the same id"
    assert "promise" not in rig.log()


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


async def test_a_second_worker_takes_its_share_and_a_frozen_one_changes_nothing(rig: Rig) -> None:
    first = await rig.worker()
    await rig.ready()
    async with feeding(rig) as feed:
        second = await rig.worker()
        await rig.ready(2)
        await asyncio.sleep(1)
        os.kill(first.pid, signal.SIGSTOP)
        await asyncio.sleep(9)  # longer than the session: its shards go to the other one
        os.kill(first.pid, signal.SIGCONT)
        await asyncio.sleep(2)
        await rig.kill(second)
    await all_arrived(rig, feed)


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
