"""The auditor as a role: it waits for Kafka, looks, beats, tells the nightly line, and ends."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time

from aiohttp import web
from pydantic import SecretStr

from careline.ledger.auditing.app import AuditorConfig, run_auditor
from careline.ledger.auditing.auditor import Pace
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.tether import free_port
from tests.support.ledger import PARTITIONS, LedgerWorld, until
from tests.support.stories import a_mention


async def test_the_role_beats_after_a_clean_round_and_tells_the_line_of_the_day(
    world: LedgerWorld, valkey: EmbeddedValkey, embedded_kafka: EmbeddedKafka
) -> None:
    beats = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal beats
        beats += 1
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    now = datetime.now(UTC)
    await world.hear(a_mention(heard_at=now, created_at=now))
    await world.pump()
    await world.drain_all()
    config = AuditorConfig(
        kafka=embedded_kafka.bootstrap,
        redis=SecretStr(valkey.url),
        partitions=PARTITIONS,
        group="careline-worker",
        pace=Pace(every=0.2, second_look=0.1),
        heartbeat_url=SecretStr(f"http://127.0.0.1:{runner.addresses[0][1]}/"),
        metrics_port=free_port(),
        nightly_at=time(0, 0),
    )
    stop = asyncio.Event()
    task = asyncio.create_task(run_auditor(config, stop=stop))

    async def seen() -> bool:
        await world.pump()
        await world.drain_all()
        lines = [one for one in (await world.cases()).values() if one.queue == "ops"]
        return beats > 0 and bool(lines)

    await until(seen, what="a heartbeat and the line")
    stop.set()
    async with asyncio.timeout(15):
        await task
    await runner.cleanup()


async def test_a_kafka_that_is_away_is_waited_for_and_the_end_is_heard(
    valkey: EmbeddedValkey,
) -> None:
    config = AuditorConfig(
        kafka="127.0.0.1:1",
        redis=SecretStr(valkey.url),
        partitions=PARTITIONS,
        group="careline-worker",
    )
    stop = asyncio.Event()
    task = asyncio.create_task(run_auditor(config, stop=stop))
    await asyncio.sleep(0.3)
    assert not task.done()
    stop.set()
    async with asyncio.timeout(15):
        await task
