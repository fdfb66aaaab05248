"""Effects are carried out once as far as anybody can see, whatever the far side does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from careline.domain.case import Case, CaseStatus, ReplyState
from careline.domain.effects import Intent, card_effect
from careline.ledger.effects import Attempt, Effects, NotNow, PendingEffect
from careline.ledger.executor import Executor, ExecutorSettings
from careline.ledger.outcomes import Blocked, Done, NotDone, Refused, Report, Unknown
from careline.ledger.store import key
from schemas import commands as c
from schemas.topics import CASES_COMMANDS
from tests.support.ledger import PARTITIONS, LedgerWorld, until
from tests.support.stories import ANA, BEN, a_mention, an_own_post

QUICK = ExecutorSettings(
    request_timeout=0.3, landing=0.2, search_every=0.1, blocked_pause=0.1, reported_pause=0.5
)
NETWORK = ExecutorSettings(
    request_timeout=0.3, landing=0.2, search_every=0.1, reported_pause=0.5, unsettled_after=1.0
)


@dataclass
class FarSide:
    """A small far side in memory with a history; it answers as it is told, then well."""

    answers: list[Report | float | Exception] = field(default_factory=list)
    lands: bool = True
    """Whether a call without a clear answer takes effect all the same."""
    posts: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    calls: int = 0
    searches: int = 0
    at_once: int = 0
    most_at_once: int = 0

    def lane(self, effect: Intent, case: Case) -> str:
        return case.account if effect.executor == "slack" else effect.executor

    async def perform(self, effect: Intent, case: Case, attempt: Attempt) -> Report:
        assert attempt.number > self.numbers.get(effect.effect_id, 0)
        self.numbers[effect.effect_id] = attempt.number
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(effect, case)
        finally:
            self.at_once -= 1

    async def _answer(self, effect: Intent, case: Case) -> Report:
        answer = self.answers.pop(0) if self.answers else None
        if answer is None or (isinstance(answer, (Unknown, float, Exception)) and self.lands):
            self.posts.append(effect.effect_id)
        if isinstance(answer, float):
            await asyncio.sleep(answer)
        if isinstance(answer, Exception):
            raise answer
        if answer is None or isinstance(answer, float):
            return self._done(effect, case)
        return answer

    def _done(self, effect: Intent, case: Case) -> Done:
        return Done("C1", f"ts-{self.posts.index(effect.effect_id)}", case.version)

    async def lookup(self, effect: Intent, case: Case, *, since: datetime) -> Done | None:
        assert since <= datetime.now(UTC)
        self.searches += 1
        return self._done(effect, case) if effect.effect_id in self.posts else None


@asynccontextmanager
async def running(
    world: LedgerWorld, far: FarSide, *, executor: str = "slack", settings: ExecutorSettings = QUICK
) -> AsyncIterator[Executor]:
    """Run an executor while commands are applied and the outbox is sent, as a worker would."""
    found = Executor(
        world.ledger,
        executor,
        far,
        producer=world.producer,
        shards=lambda: range(PARTITIONS),
        settings=settings,
    )
    stop = asyncio.Event()

    async def worker() -> None:
        while not stop.is_set():
            await world.pump()
            await world.drain_all()
            await asyncio.sleep(0.02)

    tasks = [asyncio.create_task(found.run(stop)), asyncio.create_task(worker())]
    try:
        yield found
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def a_case(world: LedgerWorld) -> Case:
    """Return a case whose opening is in the log."""
    shard = await world.hear(a_mention())
    await world.pump()
    await world.drain(shard)
    return await world.only_case()


async def a_requested_reply(world: LedgerWorld, **facts: Any) -> Case:
    """Return a case with a reply in flight."""
    case = await a_case(world)
    values: dict[str, Any] = {
        "command_id": "reply-1",
        "case_id": case.case_id,
        "issued_at": datetime.now(UTC),
        "actor": ANA,
        "text": "on its way",
        "covers": ("x:acme:100",),
    }
    shard = await world.command(c.ReplyToCase(**(values | facts)))
    await world.pump()
    await world.drain(shard)
    return await world.only_case()


async def pending(world: LedgerWorld, executor: str = "slack") -> list[PendingEffect]:
    """Return the effects that are due now."""
    effects = Effects(world.ledger, executor)
    return [one for shard in range(PARTITIONS) for one in await effects.due(shard)]


async def no_effects(world: LedgerWorld, executor: str = "slack", *, but: int = 0) -> bool:
    """Return whether every effect of an executor has left, but for so many."""
    left = [
        await world.client.zcard(key(shard, f"effects:{executor}")) for shard in range(PARTITIONS)
    ]
    return sum(left) == but


async def test_a_card_is_posted_and_its_outcome_committed(world: LedgerWorld) -> None:
    far = FarSide()
    await a_case(world)
    async with running(world, far):
        await until(lambda: no_effects(world))
    case = await world.only_case()
    assert far.posts == [f"card:{case.case_id}"]
    assert case.card is not None
    assert (case.card.channel, case.card.ts, case.status) == ("C1", "ts-0", CaseStatus.OPEN)


async def test_an_effect_that_cannot_be_read_holds_up_no_other(world: LedgerWorld) -> None:
    for n in range(3):
        shard = await world.hear(a_mention(str(100 + n), root="100", author=str(n)))
    await world.pump()
    broken, *others = map(card_effect, await world.cases())
    await world.client.hset(key(shard, "effect"), broken, b"0||0|||0|\nnot json")  # type: ignore[misc]
    far = FarSide()
    async with running(world, far):
        await until(lambda: no_effects(world, but=1))
    assert sorted(far.posts) == sorted(others)


async def test_a_call_that_timed_out_but_landed_is_found_and_adopted(world: LedgerWorld) -> None:
    far = FarSide(answers=[5.0])
    await a_case(world)
    async with running(world, far):
        await until(lambda: no_effects(world))
    assert (far.calls, len(far.posts), far.searches) == (1, 1, 1)
    assert (await world.only_case()).card is not None


async def test_a_call_that_did_not_land_is_made_again_only_after_a_search(
    world: LedgerWorld,
) -> None:
    far = FarSide(answers=[Unknown("cut"), ValueError("a bug")], lands=False)
    await a_case(world)
    async with running(world, far):
        await until(lambda: no_effects(world))
    assert (far.calls, len(far.posts), far.searches) == (3, 1, 2)


async def test_a_429_is_definite_and_waits_as_long_as_told(world: LedgerWorld) -> None:
    far = FarSide(answers=[NotDone(0.2), NotDone(0.1)])
    await a_case(world)
    async with running(world, far):
        await until(lambda: no_effects(world))
    assert (far.calls, len(far.posts), far.searches) == (3, 1, 0)


async def test_a_blocked_effect_stays_until_access_is_mended(world: LedgerWorld) -> None:
    far = FarSide(answers=[Blocked("token revoked")] * 3)
    await a_case(world)
    async with running(world, far):
        await until(lambda: no_effects(world))
    assert (far.calls, len(far.posts)) == (4, 1)
    assert (await world.only_case()).card is not None


async def test_a_refused_reply_is_dropped_with_its_reason_and_the_query_stays_open(
    world: LedgerWorld,
) -> None:
    far = FarSide(answers=[Refused("the post is gone")])
    await a_requested_reply(world)
    async with running(world, far, executor="x:acme", settings=NETWORK):
        await until(lambda: no_effects(world, "x:acme"))
    case = await world.only_case()
    assert case.reply is None
    assert len(case.open_obligations) == 1
    assert far.posts == []


async def test_a_reply_is_delivered_and_answers_what_it_covers(world: LedgerWorld) -> None:
    far = FarSide()
    await a_requested_reply(world)
    async with running(world, far, executor="x:acme", settings=NETWORK):
        await until(lambda: no_effects(world, "x:acme"))
    case = await world.only_case()
    assert case.status is CaseStatus.ANSWERED
    assert case.delivered == ("ts-0",)


async def test_a_reply_nobody_can_find_is_never_sent_again_but_settled_by_a_person(
    world: LedgerWorld,
) -> None:
    far = FarSide(answers=[Unknown("cut")], lands=False)
    await a_requested_reply(world)
    async with running(world, far, executor="x:acme", settings=NETWORK):
        await until(lambda: no_effects(world, "x:acme"))
    case = await world.only_case()
    assert far.calls == 1
    assert far.searches >= 1
    assert case.reply is not None
    assert case.reply.state is ReplyState.UNSETTLED
    assert len(case.open_obligations) == 1


async def test_a_reply_is_not_attempted_once_somebody_else_answered(world: LedgerWorld) -> None:
    far = FarSide()
    await a_requested_reply(world)
    await world.hear(an_own_post(a_mention(), text="answered in the app"))
    await world.pump()
    (found,) = await pending(world, "x:acme")
    refused = await Effects(world.ledger, "x:acme").attempt(found, hold=1)
    assert refused == NotNow("cancelled", "answered meanwhile")
    async with running(world, far, executor="x:acme", settings=NETWORK):
        await until(lambda: no_effects(world, "x:acme"))
    assert far.calls == 0
    assert (await world.only_case()).reply is None


async def test_a_reply_is_not_attempted_once_somebody_else_holds_the_case(
    world: LedgerWorld,
) -> None:
    far = FarSide()
    case = await a_requested_reply(world)
    facts: dict[str, Any] = {"case_id": case.case_id, "issued_at": datetime.now(UTC)}
    await world.command(c.ReleaseCase(command_id="let go", actor=ANA, **facts))
    await world.command(c.ClaimCase(command_id="take", actor=BEN, **facts))
    await world.pump()
    (found,) = await pending(world, "x:acme")
    assert found.intent.fence == 1
    refused = await Effects(world.ledger, "x:acme").attempt(found, hold=1)
    assert refused == NotNow("cancelled", "Ben holds the case now")
    async with running(world, far, executor="x:acme", settings=NETWORK):
        await until(lambda: no_effects(world, "x:acme"))
    case = await world.only_case()
    assert far.calls == 0
    assert case.reply is None
    assert case.claim is not None
    assert (case.claim.holder, case.claim.fence) == (BEN, 2)


async def test_a_reply_is_not_attempted_after_its_time(world: LedgerWorld) -> None:
    far = FarSide()
    await a_requested_reply(world)
    (found,) = await pending(world, "x:acme")
    await let_its_time_pass(world, found)
    answer = await Effects(world.ledger, "x:acme").attempt(found, hold=0)
    assert answer == NotNow("too_late")
    async with running(world, far, executor="x:acme", settings=NETWORK):
        await until(lambda: no_effects(world, "x:acme"))
    case = await world.only_case()
    assert far.calls == 0
    assert (case.reply, len(case.open_obligations)) == (None, 1)


async def let_its_time_pass(world: LedgerWorld, effect: PendingEffect) -> None:
    """Put an effect's `not_after` into the past, as an hour would."""
    name = key(effect.shard, "effect")
    raw = await world.client.hget(name, effect.effect_id)  # type: ignore[misc]
    facts = raw.split(b"|")
    facts[4] = b"1"
    await world.client.hset(name, effect.effect_id, b"|".join(facts))  # type: ignore[misc]


async def test_no_effect_is_attempted_before_its_event_is_in_the_log(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    (found,) = await pending(world)
    effects = Effects(world.ledger, "slack")
    assert await effects.attempt(found, hold=1) == NotNow("not_in_log")
    await world.drain(shard)
    assert isinstance(await effects.attempt(found, hold=1), Attempt)


async def test_of_two_processes_only_one_may_attempt(world: LedgerWorld) -> None:
    await a_case(world)
    (found,) = await pending(world)
    effects = Effects(world.ledger, "slack")
    answers = await asyncio.gather(*(effects.attempt(found, hold=5) for _ in range(2)))
    assert sorted(type(one).__name__ for one in answers) == ["Attempt", "NotNow"]
    assert await pending(world) == []


async def test_a_late_searcher_cannot_free_an_attempt_made_after_its_search(
    world: LedgerWorld,
) -> None:
    await a_case(world)
    (found,) = await pending(world)
    effects = Effects(world.ledger, "slack")
    await effects.attempt(found, hold=0)
    (seen_by_both,) = await pending(world)
    assert seen_by_both.unknown
    await effects.defer(seen_by_both, 0, attempts=seen_by_both.attempts)
    second = await effects.attempt(seen_by_both, hold=0)
    assert isinstance(second, Attempt)
    assert second.number == 2
    await effects.defer(seen_by_both, 0, attempts=seen_by_both.attempts)
    assert await effects.attempt(seen_by_both, hold=0) == NotNow("unknown")


async def test_two_processes_post_every_card_once_over_a_hostile_far_side(
    world: LedgerWorld,
) -> None:
    for n in range(30):
        await world.hear(a_mention(str(100 + n), root="100", author=str(n)))
    await world.pump()
    far = FarSide(
        answers=[Unknown("cut"), NotDone(0.05), 1.0, Blocked("x"), ValueError("y"), Unknown("z")]
        * 2
    )
    async with running(world, far), running(world, far):
        await until(lambda: no_effects(world))
    assert len(far.posts) == 30
    assert len(set(far.posts)) == 30


async def test_a_lane_carries_no_more_at_once_than_it_may(world: LedgerWorld) -> None:
    for n in range(6):
        await world.hear(a_mention(str(100 + n), root="100", author=str(n)))
    await world.pump()
    far = FarSide(answers=[0.05] * 6)
    async with running(world, far):
        await until(lambda: no_effects(world))
    assert far.most_at_once == 1


async def test_a_lost_report_is_made_good_by_the_search(world: LedgerWorld) -> None:
    """The outcome command never arrives: after a pause the far side is searched, not called."""
    await a_case(world)
    far = FarSide()
    producer = world.producer
    original = producer.send
    lost: list[str] = []

    async def losing(topic: str, partition: int, packed: Any) -> int:
        if topic == CASES_COMMANDS.name and not lost:
            lost.append(topic)
            return 0
        return await original(topic, partition, packed)

    producer.send = losing  # type: ignore[method-assign]
    async with running(world, far):
        await until(lambda: no_effects(world))
    producer.send = original  # type: ignore[method-assign]
    assert lost
    assert (far.calls, far.searches, len(far.posts)) == (1, 1, 1)


@pytest.mark.parametrize(("shown", "left"), [(3, 0), (2, 1)])
async def test_a_refresh_leaves_only_when_the_card_shows_what_is_wanted(
    world: LedgerWorld, shown: int, left: int
) -> None:
    case = await a_case(world)
    shard = int(case.case_id[1:3])
    await world.client.zadd(key(shard, "refresh"), {case.case_id: 3})
    effects = Effects(world.ledger, "slack")
    assert await effects.refreshes(shard) == [(case.case_id, 3)]
    await effects.refreshed(case.case_id, shown)
    assert len(await effects.refreshes(shard)) == left
