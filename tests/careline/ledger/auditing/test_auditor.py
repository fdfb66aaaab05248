"""A round of the auditor: found, confirmed, counted once, told, repaired; else a heartbeat."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.request import urlopen

import pytest
from aiohttp import web
from pydantic import SecretStr

from careline.ledger.auditing.asking import ASKED_AGAIN
from careline.ledger.auditing.findings import Finding, LookAgain, Recovery
from careline.ledger.auditing.heartbeat import Heartbeat
from careline.ledger.auditing.looking import Look
from careline.ledger.auditing.metrics import AuditMetrics, served
from careline.ledger.store import key
from careline.runtime.clock import FakeClock, SystemClock
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import Record
from schemas.commands import COMMAND, ReportUnreadable
from schemas.envelope import unpack
from schemas.events import CaseKind
from schemas.topics import CASES_COMMANDS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from tests.support.auditing import Audit
from tests.support.ledger import (
    PARTITIONS,
    LedgerWorld,
    a_record,
    packed_heard,
    packed_triaged,
)
from tests.support.stories import a_mention, a_triage


def fresh() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"heard_at": now, "created_at": now}


async def worked(world: LedgerWorld) -> None:
    """Do what a worker does once: apply, fire, send."""
    await world.pump()
    for shard in range(PARTITIONS):
        await world.applier.fire_due(shard)
    await world.drain_all()


async def a_case(world: LedgerWorld) -> int:
    shard = await world.hear(a_mention(**fresh()))
    await worked(world)
    await asyncio.sleep(0.01)
    return shard


@asynccontextmanager
async def an_address(status: int = 200) -> AsyncIterator[tuple[str, list[str]]]:
    """A real HTTP server on loopback that notes what it is asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        headers = {"Location": "/elsewhere"} if status in {301, 302} else {}
        return web.Response(status=status, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/ping/token", asked
    finally:
        await runner.cleanup()


async def test_a_lost_deadline_is_counted_told_and_back_in_the_due_set(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    due = (await world.ledger.due_times(shard))[case.case_id]
    audit = Audit(world)
    for times in (1, 2):  # the same entry may be lost again while the case stays as it is
        await world.client.zrem(key(shard, "due"), case.case_id)
        done = await audit.auditor.round()
        assert [found.invariant for found in done.fresh] == ["open_case_has_a_deadline"]
        assert audit.all_broken() == {"open_case_has_a_deadline": times}
        await worked(world)
        assert (await world.ledger.due_times(shard))[case.case_id] == due
        await asyncio.sleep(0.01)
        assert (await audit.auditor.round()).clean
    operations = [found for found in (await world.cases()).values() if found.queue == "ops"]
    assert [(found.kind, found.subject) for found in operations] == [
        (CaseKind.OPERATIONS, "auditor: open_case_has_a_deadline")
    ]
    assert await audit.care_cases() == [case]


async def test_a_finding_that_stands_is_counted_and_told_once(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    for name in ("cases", "heads"):
        await world.client.hdel(key(shard, name), case.case_id)  # type: ignore[misc]
    await world.client.zrem(key(shard, "due"), case.case_id)
    audit = Audit(world)
    for _ in range(3):
        done = await audit.auditor.round()
        assert len(done.confirmed) == 1
    assert audit.all_broken() == {"every_query_has_an_obligation": 1}
    told = [
        body
        for number in range(PARTITIONS)
        for record in await world.records(CASES_COMMANDS.name, number)
        if isinstance(body := unpack(COMMAND, record.value), ReportUnreadable)
    ]
    assert [(one.source, one.reason) for one in told] == [
        ("auditor", "every_query_has_an_obligation")
    ]
    assert audit.metrics.value("careline_audit_findings", invariant=told[0].reason) == 1


async def test_an_inbound_without_a_case_is_triaged_and_opened_by_a_replay(
    world: LedgerWorld,
) -> None:
    mention = a_mention(**fresh())
    shard = await world.hear(a_mention("99", author="9", **fresh()))
    await worked(world)
    await world.producer.send(MENTIONS_RECEIVED.name, shard, packed_heard(mention))
    audit = Audit(world)
    assert len((await audit.auditor.round()).fresh) == 1
    *_, again = await world.records(MENTIONS_RECEIVED.name, shard)
    assert again.value == packed_heard(mention).value
    assert dict(again.headers)[ASKED_AGAIN].startswith(b"auditor;offset=")
    # Triage takes it like any other record, and what follows is the product's own way: the ledger
    # sees the hole before it, and has the first one triaged on the spot.
    packed = packed_triaged(mention, a_triage(), again.offset)
    await world.producer.send(MENTIONS_TRIAGED.name, shard, packed)

    async def missed(shard: int, first: int, last: int) -> list[Record]:
        assert first == last
        skipped = packed_triaged(mention, a_triage(), first)
        return [a_record(MENTIONS_TRIAGED.name, shard, 0, skipped)]

    await world.pump(world.another_applier(missed=missed))
    await worked(world)
    await asyncio.sleep(0.01)
    assert (await audit.auditor.round()).clean
    assert mention.mention_id in await audit.held()
    assert audit.all_broken() == {"everything_received_is_triaged": 1}


async def test_a_query_that_was_passed_over_becomes_a_case_by_a_replay(world: LedgerWorld) -> None:
    mention = a_mention(**fresh())
    shard = await world.hear(mention)
    await world.client.hset(key(shard, "in"), MENTIONS_TRIAGED.name, "0")  # type: ignore[misc]
    await world.unread(MENTIONS_TRIAGED.name, shard)
    audit = Audit(world)
    await audit.auditor.round()
    await worked(world)
    await asyncio.sleep(0.01)
    assert (await audit.auditor.round()).clean
    assert await audit.held() == {mention.mention_id}


async def test_input_that_was_acknowledged_unseen_is_read_by_a_recovery(world: LedgerWorld) -> None:
    shard = await a_case(world)
    mention = a_mention("200", author="8", **fresh())
    await world.hear(mention)
    await world.unread(MENTIONS_TRIAGED.name, shard)  # acknowledged, and never applied
    audit = Audit(world)
    audit.group.more[MENTIONS_TRIAGED.name, shard] = 2
    done = await audit.auditor.round()
    assert [found.invariant for found in done.fresh] == ["nothing_acknowledged_is_unseen"]
    fence = await world.ledger.fence(shard)
    assert fence.recovering
    await world.recover(shard)
    await worked(world)
    await asyncio.sleep(0.01)
    assert (await audit.auditor.round()).clean
    assert mention.mention_id in await audit.held()


async def test_a_recovery_is_not_asked_for_in_another_life(world: LedgerWorld) -> None:
    audit = Audit(world)
    before = await world.ledger.fence(0)
    stale = Finding(
        invariant="x", shard=0, subject="x", says="x", repair=Recovery(0, "17@0123456789")
    )
    assert "already" in await audit.auditor._asking.ask(stale)
    assert await world.ledger.fence(0) == before


async def test_a_look_again_never_puts_a_deadline_off(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    await world.client.zadd(key(shard, "due"), {case.case_id: 5})
    repair = LookAgain(shard, "due", case.case_id)
    finding = Finding(invariant="x", shard=shard, subject="x", says="x", repair=repair)
    await Audit(world).auditor._asking.ask(finding)
    assert await world.client.zscore(key(shard, "due"), case.case_id) == 5


async def test_what_is_over_is_not_put_in_front_of_anybody_again(world: LedgerWorld) -> None:
    for where in ("due", "effects:slack"):
        repair = LookAgain(0, where, "s00-3fa9c1d2e4b57788-1")
        finding = Finding(invariant="x", shard=0, subject="x", says="x", repair=repair)
        await Audit(world).auditor._asking.ask(finding)
        assert await world.client.zcard(key(0, where)) == 0


async def test_what_is_only_under_way_is_no_finding(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    audit = Audit(world)
    await world.client.zrem(key(shard, "due"), case.case_id)
    look = audit.looker.look

    async def healing() -> Look:
        found = await look()
        await world.client.zadd(key(shard, "due"), {case.case_id: 5})
        await world.applier.fire_due(shard)
        return found

    audit.looker.look = healing  # type: ignore[method-assign]
    done = await audit.auditor.round()
    assert done.confirmed == ()
    assert audit.all_broken() == {}


async def test_the_heartbeat_follows_clean_rounds_only(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    async with an_address() as (url, asked):
        audit = Audit(world, heartbeat=url)
        assert (await audit.auditor.round()).clean
        assert asked == ["/ping/token"]
        await world.client.zrem(key(shard, "due"), case.case_id)
        assert not (await audit.auditor.round()).clean
        assert len(asked) == 1


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_a_heartbeat_that_is_refused_is_not_taken_for_heard(
    status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async with an_address(status) as (url, asked):
        heartbeat = Heartbeat(SecretStr(url), SystemClock())
        assert not await heartbeat.beat()
        assert asked == ["/ping/token"], "and no redirect is followed"
    assert not await heartbeat.beat(), "nobody listens any more"
    assert "token" not in capsys.readouterr().out


async def test_the_heartbeat_is_sent_at_most_once_in_a_while() -> None:
    clock = FakeClock()
    async with an_address() as (url, asked):
        heartbeat = Heartbeat(SecretStr(url), clock, every=60)
        assert await heartbeat.beat()
        assert not await heartbeat.beat()
        await clock.advance(61)
        assert await heartbeat.beat()
        assert len(asked) == 2


async def test_what_nobody_fires_is_shown_by_how_long_it_has_been_due(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    audit = Audit(world)
    await audit.auditor.round()
    assert audit.metrics.value("careline_deadline_late_seconds") == 0
    now = datetime.now(UTC).timestamp() * 1000
    await world.client.zadd(key(shard, "due"), {case.case_id: now - 30_000})
    await audit.auditor.round()
    assert 30 <= audit.metrics.value("careline_deadline_late_seconds") < 60


async def test_the_auditor_outlives_a_ledger_that_is_away(world: LedgerWorld) -> None:
    await a_case(world)
    audit = Audit(world)
    stop = asyncio.Event()
    await world.client.aclose()
    await world.client.connection_pool.disconnect()
    task = asyncio.create_task(audit.auditor.run(stop))
    async with asyncio.timeout(20):
        while audit.metrics.value("careline_audit_rounds_total", result="clean") < 2:
            await asyncio.sleep(0.05)
        stop.set()
        await task


def test_the_figures_are_served_on_loopback_and_show_every_invariant() -> None:
    metrics = AuditMetrics(["one", "two"])
    metrics.broken("one")
    with served(metrics, 0) as port:
        assert port
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
        with pytest.raises(ConfigurationError) as refused, served(metrics, port):
            pass
        assert "CARELINE_AUDITOR__METRICS_PORT" in refused.value.hint
    assert 'careline_promises_broken_total{invariant="one"} 1.0' in text
    assert 'careline_promises_broken_total{invariant="two"} 0.0' in text
    with served(metrics, None) as nothing:
        assert nothing is None
