"""Deadlines fire by the ledger's clock, once, the urgent ones first and one step at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from careline.ledger.scripts import Arg, Reply
from careline.ledger.store import key
from schemas.triage import Priority, Urgency
from tests.support.ledger import LedgerWorld
from tests.support.stories import a_mention, a_triage

LONG_AGO = datetime.now(UTC) - timedelta(days=2)


async def test_an_overdue_case_goes_up_one_step_in_each_pass(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention(heard_at=LONG_AGO, created_at=LONG_AGO))
    await world.pump()
    fired = [await world.applier.fire_due(shard) for _ in range(4)]
    case = await world.only_case()
    assert fired == [1, 1, 1, 0]
    assert case.obligations[0].warned
    assert case.obligations[0].breached
    assert case.ladder is not None
    assert case.ladder.next_step == 1
    due = (await world.ledger.due_times(shard))[case.case_id]
    assert timedelta(0) <= due - case.ladder.next_step_at < timedelta(milliseconds=1)


async def test_two_pollers_at_the_same_instant_fire_one_step_once(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention(heard_at=LONG_AGO, created_at=LONG_AGO))
    await world.pump()
    scripts = world.ledger.scripts
    original = scripts.run
    fired: list[int] = []

    async def racing(name: str, where: int, *args: Arg) -> Reply:
        if name == "commit" and not fired:
            fired.append(0)
            fired.append(await world.another_applier().fire_due(shard))
        return await original(name, where, *args)

    scripts.run = racing  # type: ignore[method-assign]
    fired.append(await world.applier.fire_due(shard))
    scripts.run = original  # type: ignore[method-assign]
    case = await world.only_case()
    assert fired == [0, 1, 0]
    assert case.version == 3
    assert await world.client.xlen(key(shard, "outbox")) == 3


async def test_after_an_outage_the_urgent_ones_come_first(world: LedgerWorld) -> None:
    for n, urgency in enumerate((Urgency.NONE, Urgency.NORMAL, Urgency.CRITICAL)):
        heard_at = LONG_AGO + timedelta(hours=n)
        mention = a_mention(
            str(100 + n), root="100", author=str(n), heard_at=heard_at, created_at=heard_at
        )
        shard = await world.hear(mention, a_triage(urgency=urgency))
    await world.pump()
    assert await world.applier.fire_due(shard, limit=1) == 1
    warned = [
        found.priority
        for case in (await world.cases()).values()
        for found in case.obligations
        if found.warned
    ]
    assert warned == [Priority.P1]


async def test_a_stale_entry_of_the_due_set_is_put_where_the_case_says(world: LedgerWorld) -> None:
    now = datetime.now(UTC)
    shard = await world.hear(a_mention(heard_at=now, created_at=now))
    await world.pump()
    case = await world.only_case()
    due = (await world.ledger.due_times(shard))[case.case_id]
    await world.client.zadd(key(shard, "due"), {case.case_id: 1})
    await world.applier.fire_due(shard)
    assert (await world.ledger.due_times(shard))[case.case_id] == due
    assert await world.only_case() == case


async def test_a_case_whose_state_cannot_be_read_stops_no_other_deadline(
    world: LedgerWorld,
) -> None:
    for author in ("1", "2"):
        mention = a_mention(f"10{author}", author=author, heard_at=LONG_AGO, created_at=LONG_AGO)
        shard = await world.hear(mention)
    await world.pump()
    broken = min(await world.cases())
    await world.client.hset(key(shard, "cases"), broken, b"not json")  # type: ignore[misc]
    assert await world.applier.fire_due(shard) == 1
