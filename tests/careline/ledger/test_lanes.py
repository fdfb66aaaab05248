"""Who waits at a limit is let in by urgency, and a place is never lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from careline.domain.case import Case
from careline.domain.effects import Intent
from careline.ledger.effects import Attempt
from careline.ledger.executor import ExecutorSettings
from careline.ledger.lanes import Lane
from careline.ledger.outcomes import NotDone, Report
from schemas.triage import Priority, Urgency
from tests.careline.ledger.test_executor import FarSide, running
from tests.support.ledger import LedgerWorld, until
from tests.support.stories import a_mention, a_triage

LATER, SOON, AT_ONCE = (Priority.P4, ""), (Priority.P2, ""), (Priority.P1, "")


async def test_the_most_urgent_passes_first_and_equals_in_their_order() -> None:
    lane, passed = Lane(1), list[str]()
    gate = asyncio.Event()

    async def first() -> None:
        async with lane.turn(LATER):
            await gate.wait()

    async def waits(name: str, urgency: tuple[Priority, str]) -> None:
        async with lane.turn(urgency):
            passed.append(name)

    async with asyncio.TaskGroup() as group:
        group.create_task(first())
        await asyncio.sleep(0)
        assert lane.locked()
        for name, urgency in (("a", LATER), ("b", SOON), ("c", AT_ONCE), ("d", SOON)):
            group.create_task(waits(name, urgency))
            await asyncio.sleep(0)
        gate.set()
    assert passed == ["c", "b", "d", "a"]
    assert not lane.locked()


async def test_a_wait_that_is_given_up_costs_nobody_a_place() -> None:
    lane = Lane(1)
    async with lane.turn(LATER):
        waiting = [asyncio.create_task(_through(lane)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
    # The next in line is given up in the very moment in which it is let in.
    waiting[1].cancel()
    await asyncio.wait(waiting, timeout=5)
    assert [task.cancelled() for task in waiting] == [True, True, False]
    assert not lane.locked()


async def _through(lane: Lane) -> None:
    async with lane.turn(SOON):
        await asyncio.sleep(0)


class Limited(FarSide):
    """A far side that refuses everything until it is told otherwise, as in a storm of limits."""

    storm = True

    async def perform(self, effect: Intent, case: Case, attempt: Attempt) -> Report:
        if self.storm:
            return NotDone(0.4)
        return await super().perform(effect, case, attempt)


async def test_after_a_storm_of_limits_the_most_urgent_card_comes_first(world: LedgerWorld) -> None:
    urgencies = (Urgency.NONE, Urgency.NORMAL, Urgency.HIGH, Urgency.CRITICAL)
    now = datetime.now(UTC)
    for n, urgency in enumerate(urgencies * 2):
        mention = a_mention(str(100 + n), root="100", author=str(n), heard_at=now, created_at=now)
        await world.hear(mention, a_triage(urgency=urgency))
    await world.pump()
    await world.drain_all()
    far = Limited()
    async with running(world, far, settings=ExecutorSettings(per_lane=1)):
        await asyncio.sleep(0.5)
        far.storm = False

        async def all_out() -> bool:
            return len(far.posts) == len(urgencies) * 2

        await until(all_out, what="every card")
    cases = await world.cases()
    order = [cases[post.removeprefix("card:")].obligations[0].priority for post in far.posts]
    # One may be at the door already when the storm ends.
    assert order[1:] == sorted(order[1:]), order
