"""A ledger that answers and refuses every write: the alarm of row 19 of the fault matrix.

What the shards do meanwhile is in test_server_trouble.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from careline.ledger.auditing.bounds import Bounds
from careline.ledger.auditing.metrics import served
from careline.ledger.fence import LedgerUnavailable
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.redis import connect
from schemas.commands import COMMAND, ReportUnreadable
from schemas.envelope import unpack
from schemas.topics import CASES_COMMANDS, MENTIONS_TRIAGED
from tests.support.auditing import Audit
from tests.support.ledger import PARTITIONS, LedgerWorld, until
from tests.support.refusing import Refusal, full, no_snapshot, read_only
from tests.support.stories import a_mention

IMPATIENT = Bounds(input_stands=timedelta(milliseconds=200))
BROKEN = 'careline_promises_broken_total{invariant="input_moves"}'
STANDING = 'careline_audit_findings{invariant="input_moves"}'
CLEAN = 'careline_audit_rounds_total{result="clean"}'
CLEAN_AT = "careline_audit_last_clean_timestamp_seconds"

TROUBLES: dict[str, Callable[[LedgerWorld, Path], Refusal]] = {
    "OOM": lambda world, _: full(world.client),
    "READONLY": lambda world, _: read_only(world.client),
    "MISCONF": lambda world, folder: no_snapshot(world.client, folder / "valkey"),
}


async def figures(port: int) -> dict[str, float]:
    """Return what Prometheus reads."""

    def read() -> str:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text: str = answer.read().decode()
            return text

    return {
        sample.name + "".join(f'{{{name}="{value}"}}' for name, value in sample.labels.items()): (
            sample.value
        )
        for family in text_string_to_metric_families(await asyncio.to_thread(read))
        for sample in family.samples
    }


async def until_figures(port: int, holds: Callable[[dict[str, float]], bool]) -> None:
    """Wait until the figures say so."""

    async def found() -> bool:
        return holds(await figures(port))

    await until(found, what="the figures")


async def told(world: LedgerWorld) -> set[tuple[str, str]]:
    """Return what the people who run careline are told."""
    bodies = [
        unpack(COMMAND, record.value)
        for shard in range(PARTITIONS)
        for record in await world.records(CASES_COMMANDS.name, shard)
    ]
    return {(one.source, one.reason) for one in bodies if isinstance(one, ReportUnreadable)}


@asynccontextmanager
async def auditing(world: LedgerWorld, valkey: EmbeddedValkey) -> AsyncIterator[int]:
    """Let an auditor go its rounds with a client of its own; yield the port of its figures.

    A server in MISCONF refuses the PING that begins a new connection: this one stands already.
    """
    client, stop = connect(valkey.url), asyncio.Event()
    own = LedgerWorld(client, world.producer, world.reader, world.policy)
    audit = Audit(own, bounds=IMPATIENT)
    with served(audit.metrics, 0) as port:
        assert port
        rounds = asyncio.create_task(audit.auditor.run(stop), name="auditor rounds")
        try:
            yield port
        finally:
            stop.set()
            await rounds
            await client.aclose()


@pytest.mark.parametrize("kind", TROUBLES)
async def test_a_ledger_that_refuses_what_waits_is_an_alarm_until_it_takes_it(
    world: LedgerWorld, valkey: EmbeddedValkey, tmp_path: Path, kind: str
) -> None:
    now = datetime.now(UTC)
    await world.hear(a_mention("100", root="100", heard_at=now, created_at=now))
    await world.pump()
    await world.drain_all()
    trouble = TROUBLES[kind](world, tmp_path)
    async with auditing(world, valkey) as port:
        await until_figures(port, lambda found: found[CLEAN] >= 1)
        await trouble.begin()
        shard = await world.hear(a_mention("101", root="101", heard_at=now, created_at=now))
        waiting = await world.unread(MENTIONS_TRIAGED.name, shard)
        with pytest.raises(LedgerUnavailable):
            await world.applier.apply(MENTIONS_TRIAGED.name, {shard: waiting})

        # What people are told of it waits in an input as well, and may become the second.
        await until_figures(port, lambda found: min(found[BROKEN], found[STANDING]) >= 1)
        stood = await figures(port)
        await until(lambda: alarmed(world), what="what people are told")

        await trouble.end()
        await world.applier.apply(MENTIONS_TRIAGED.name, {shard: waiting})
        await world.pump()
        await world.drain_all()
        await until_figures(
            port, lambda found: found[STANDING] == 0 and found[CLEAN_AT] > stood[CLEAN_AT]
        )
    assert len(await Audit(world).care_cases()) == 2
    assert {case.queue for case in (await world.cases()).values()} > {"ops"}


async def alarmed(world: LedgerWorld) -> bool:
    return await told(world) == {("auditor", "input_moves")}


async def test_a_round_is_not_clean_while_the_ledger_refuses_writes_though_nothing_waits(
    world: LedgerWorld,
) -> None:
    now = datetime.now(UTC)
    await world.hear(a_mention(heard_at=now, created_at=now))
    await world.pump()
    await world.drain_all()
    audit = Audit(world)
    await asyncio.sleep(0.01)
    assert (await audit.auditor.round()).clean
    trouble = full(world.client)
    await trouble.begin()
    done = await audit.auditor.round()
    assert (done.confirmed, done.clean) == ((), False)
    await trouble.end()
    assert (await audit.auditor.round()).clean
