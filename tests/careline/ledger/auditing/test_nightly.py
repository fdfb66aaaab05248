"""Once a day the operations channel reads what the last 24 hours came to, and only once."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from careline.domain.case import CaseStatus
from careline.domain.effects import card_effect
from careline.ledger.audit import Balance, audit
from careline.ledger.auditing.clocktime import time_of
from careline.ledger.auditing.nightly import Nightly
from careline.ledger.store import key
from careline.runtime.clock import Clock, FakeClock
from schemas.topics import CASES_COMMANDS
from tests.support.ledger import PARTITIONS, LedgerWorld
from tests.support.stories import a_mention

AT = time(6, 0)


def nightly(world: LedgerWorld, clock: Clock, at: time | None = AT) -> Nightly:
    async def count(since: datetime) -> Balance:
        return await audit(world.ledger, world.reader, partitions=PARTITIONS, since=since)

    return Nightly(world.ledger, world.producer, count, clock, at=at)


def a_clock(hour: int) -> FakeClock:
    today = datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0)
    return FakeClock(today)


async def commands(world: LedgerWorld) -> list[bytes]:
    return [
        record.value or b""
        for shard in range(PARTITIONS)
        for record in await world.records(CASES_COMMANDS.name, shard)
    ]


async def test_the_line_becomes_one_closed_operations_case_with_a_card(world: LedgerWorld) -> None:
    clock = a_clock(7)
    heard = clock.now() - timedelta(hours=3)
    await world.hear(a_mention(heard_at=heard, created_at=heard))
    await world.pump()
    line = await nightly(world, clock).tell_if_due()
    assert line is not None
    assert line.text.startswith("heard 1, queries 1 = 0 answered + 0 closed + 1 open")
    assert line.text.endswith("missing 0")
    await world.pump()
    (case,) = [one for one in (await world.cases()).values() if one.queue == "ops"]
    assert case.status is CaseStatus.RESOLVED
    assert case.subject == f"nightly balance {line.date}: {line.text}"
    shard = int(case.case_id[1:3])
    assert card_effect(case.case_id).encode() in await world.client.zrange(
        key(shard, "effects:slack"), 0, -1
    )
    assert case.case_id not in await world.ledger.due_times(shard), "nobody is reminded of it"


async def test_a_day_has_one_line_whoever_asks_and_whatever_was_heard_since(
    world: LedgerWorld,
) -> None:
    clock = a_clock(7)
    first = nightly(world, clock)
    assert await first.tell_if_due() is not None
    assert await first.tell_if_due() is None
    assert await nightly(world, clock).tell_if_due() is None, "another process knows of it"
    before = await commands(world)
    # A process that died before it could say so tells the same again: the same two commands.
    date = f"{clock.now():%F}"
    await world.client.delete(f"careline:auditor:nightly:{date}:told")
    heard = clock.now() - timedelta(hours=1)
    await world.hear(a_mention(heard_at=heard, created_at=heard))
    assert await nightly(world, clock).tell_if_due() is not None
    after = await commands(world)
    assert len(after) == 2 * len(before)
    assert set(after) == set(before)
    await world.pump()
    assert len([one for one in (await world.cases()).values() if one.queue == "ops"]) == 1


async def test_the_line_waits_for_its_hour_and_can_be_off(world: LedgerWorld) -> None:
    clock = a_clock(5)
    early = nightly(world, clock)
    assert await early.tell_if_due() is None
    assert await nightly(world, a_clock(7), at=None).tell_if_due() is None
    await clock.advance(3600)
    assert await early.tell_if_due() is not None
    await clock.advance(24 * 3600)
    told = await early.tell_if_due()
    assert told is not None
    assert told.date == f"{clock.now():%F}"


def test_a_time_of_day_is_read_and_nonsense_is_not() -> None:
    assert time_of("06:30") == time(6, 30)
    assert time_of("off") is None
    for wrong in ("6:00", "24:00", "noon", ""):
        with pytest.raises(ValueError, match="time of day"):
            time_of(wrong)
