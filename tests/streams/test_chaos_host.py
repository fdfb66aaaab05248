"""A worker on a machine in need leaves for its supervisor, or goes on; it loses nothing.

Rows 33 of the fault matrix, and the watchdog on a real process.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.tether import tethered
from tests.support.feed import Feed, all_arrived, feeding
from tests.support.scale import scaled
from tests.support.workers import TOPIC_PARTITIONS, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LEFT_EARLY = 75
BUSY = "while True: pass"
BUSY_S = scaled(3, 60)


@pytest.fixture
async def kafka() -> AsyncIterator[EmbeddedKafka]:
    async with EmbeddedKafka(TOPIC_PARTITIONS) as cluster:
        yield cluster


async def test_a_worker_that_hangs_on_one_batch_leaves_for_its_supervisor(
    kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_rig(kafka.bootstrap, valkey.url, stall_after=3.0) as rig:
        worker = await rig.worker()
        await rig.ready()
        feed = Feed(rig)
        await feed.one()
        await rig.added_all(5)
        assert valkey.pid is not None
        os.kill(valkey.pid, signal.SIGSTOP)
        try:
            await feed.one()
            async with asyncio.timeout(30):
                assert await worker.wait() == LEFT_EARLY
        finally:
            os.kill(valkey.pid, signal.SIGCONT)
        assert "busy with one batch" in rig.log() or "has stood at" in rig.log()
        await rig.worker()
        await rig.ready(2)
        await all_arrived(rig, feed)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="prlimit is Linux's")
async def test_a_worker_without_a_free_descriptor_loses_nothing(
    kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_rig(kafka.bootstrap, valkey.url) as rig:
        worker = await rig.worker()
        await rig.ready()
        before = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
        async with feeding(rig) as feed:
            await asyncio.sleep(1)
            # What is open stays open; nothing can be opened, and the ledger has to be anew.
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (8, before[1]))
            await valkey.restart()
            await asyncio.sleep(2)
            resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, before)
        if worker.returncode is not None:
            await rig.worker()
            await rig.ready(2)
        await all_arrived(rig, feed)


async def test_a_worker_beside_two_that_take_all_the_processor_loses_nothing(
    kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_rig(kafka.bootstrap, valkey.url) as rig:
        worker = await rig.worker()
        await rig.ready()
        busy = [
            await asyncio.create_subprocess_exec(*tethered([sys.executable, "-c", BUSY]))
            for _ in range(max(2, os.cpu_count() or 2))
        ]
        try:
            async with feeding(rig) as feed:
                await asyncio.sleep(BUSY_S)
        finally:
            for process in busy:
                process.kill()
            await asyncio.gather(*(process.wait() for process in busy))
        await all_arrived(rig, feed)
        assert worker.returncode is None, "it was slow, and never taken for dead"


async def test_a_worker_without_fausts_c_extension_refuses_to_start(
    kafka: EmbeddedKafka, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_CYTHON", "1")
    async with a_rig(kafka.bootstrap, valkey.url) as rig:
        worker = await rig.worker()
        async with asyncio.timeout(40):
            assert await worker.wait() != 0
        assert "Faust lacks its C extension" in rig.log()
