"""A machine that plays arbitrary stories: what must hold of a case holds after every single rule.

Ladders under policies that change, clocks and quiet hours, leases and fences, snoozes and pauses.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from careline.domain.calendars import Calendar, Span
from careline.domain.case import Case, CaseStatus, Claim, Ladder, ReplyState
from careline.domain.codec import dump_case, load_case
from careline.domain.effects import Cancel, Intent
from careline.domain.evolve import evolve
from careline.domain.invariants import audit_case
from careline.domain.policy import LadderStep, Pauses, Policy
from careline.domain.steps import next_due, next_step
from schemas import commands as c
from schemas import events as e
from schemas.triage import Priority
from tests.support.stories import ANA, BEN, START, Story, a_mention, a_triage, an_edit, an_own_post

_HOUR = timedelta(hours=1)
WORK = Calendar(
    name="work",
    zone="Europe/Berlin",
    spans=tuple(Span(day, 9 * _HOUR, 17 * _HOUR) for day in range(5)),
)
MOST_SNOOZES = 4
MOST_AT_ONCE = 60
"""More steps than a case can have due at one instant: firing them comes to an end."""
OPERATOR = c.Actor(kind=c.ActorKind.OPERATOR, id="O1")
BOT = c.Actor(kind=c.ActorKind.BOT, id="B1")


def _steps(*notify: str, minutes: int, clock: str, quiet: str) -> tuple[LadderStep, ...]:
    after = timedelta(minutes=minutes)
    return tuple(
        LadderStep(name=f"to {who}", notify=who, after=after, clock=clock, quiet=quiet)
        for who in notify
    )


POLICIES = (
    Policy(),
    Policy(
        name="work",
        calendars={"work": WORK},
        clocks={Priority.P3: "work"},
        ladder=_steps("holder", "backup", "webhook:pager", minutes=45, clock="work", quiet="work"),
        repeat_every=3 * _HOUR,
        lease=20 * timedelta(minutes=1),
        pauses=Pauses(snoozed=True, waiting=True),
        snoozes_at_most=1,
    ),
    Policy(
        name="at once",
        calendars={"work": WORK},
        ladder=_steps("channel", "manager", minutes=0, clock="", quiet="work"),
        resolution={Priority.P3: timedelta(hours=30)},
        pauses=Pauses(snoozed=True),
        reminder_share=0.5,
        snooze_at_most=2 * _HOUR,
        snoozes_at_most=MOST_SNOOZES,
    ),
)
actors = st.sampled_from((ANA, BEN, OPERATOR, BOT))
numbers = st.integers(0, 3)


class CaseMachine(RuleBasedStateMachine):
    """One author, at most four mentions, and everything that people, time and executors do."""

    @initialize(policy=st.sampled_from(POLICIES))
    def begin(self, policy: Policy) -> None:
        """Hear the first query."""
        self.story = Story(policy)
        self.story.hear(a_mention("100"))
        self.ladder: Ladder | None = None
        self.claims = 0
        self.checked = 0

    # -- what is heard ----------------------------------------------------------------------------

    def _mention(self, number: int) -> Any:
        at = max(self.story.now - _HOUR, START)
        created_at = START + timedelta(minutes=number)
        return a_mention(str(100 + number), created_at=created_at, heard_at=at)

    @rule(number=numbers, query=st.booleans())
    def hear(self, number: int, query: bool) -> None:  # noqa: FBT001
        self.story.hear(self._mention(number), a_triage(query=query))

    @rule(number=numbers, revision=st.integers(1, 3), query=st.booleans())
    def edit(self, number: int, revision: int, query: bool) -> None:  # noqa: FBT001
        edited = an_edit(self._mention(number), revision=str(revision))
        self.story.hear(edited, a_triage(query=query))

    @rule(number=numbers)
    def withdraw(self, number: int) -> None:
        self.story.withdraw(self._mention(number))

    @rule(number=numbers)
    def answer_elsewhere(self, number: int) -> None:
        mention = self._mention(number)
        self.story.brand_posts(an_own_post(mention, native_id=f"90{number}"), to=mention)

    # -- what is asked ----------------------------------------------------------------------------

    @rule(actor=actors)
    def claim(self, actor: c.Actor) -> None:
        self.story.command(c.ClaimCase, actor=actor)

    @rule(actor=actors)
    def release(self, actor: c.Actor) -> None:
        self.story.command(c.ReleaseCase, actor=actor)

    @rule(actor=actors, older=st.integers(0, 2))
    def reply(self, actor: c.Actor, older: int) -> None:
        before = self.story.current
        fence = before.claims - older
        decision = self.story.command(
            c.ReplyToCase, actor=actor, text="On it", covers=self.story.open_ids(), fence=fence
        )
        if older:
            assert decision.refusal is not None, "a fence that is older never sends"
            assert self.story.current == before
        for found in decision.effects:
            if isinstance(found, Intent):
                assert found.fence == self.story.current.claims

    @rule(actor=actors, hours=st.integers(1, 30))
    def snooze(self, actor: c.Actor, hours: int) -> None:
        until = self.story.now + hours * _HOUR
        self.story.command(c.SnoozeCase, actor=actor, until=until)
        snoozed = self.story.current.snoozed_until
        if snoozed is not None:
            assert snoozed <= max(until, self.story.now + timedelta(hours=24))

    @rule()
    def escalate(self) -> None:
        self.story.command(c.EscalateCase)

    @rule(actor=actors, disposition=st.sampled_from(c.Disposition))
    def resolve(self, actor: c.Actor, disposition: c.Disposition) -> None:
        covers = self.story.open_ids()[:2]
        self.story.command(c.ResolveCase, actor=actor, disposition=disposition, covers=covers)

    @rule(number=numbers, query=st.booleans())
    def correct(self, number: int, query: bool) -> None:  # noqa: FBT001
        self.story.command(c.CorrectTriage, mention_id=f"x:acme:{100 + number}", query=query)

    @rule(sent=st.booleans())
    def settle(self, sent: bool) -> None:  # noqa: FBT001
        reply = self.story.current.reply
        effect = reply.effect_id if reply else "reply:none"
        self.story.command(c.SettleReply, actor=OPERATOR, effect_id=effect, sent=sent)

    # -- what becomes of it -----------------------------------------------------------------------

    @precondition(lambda self: self.story.current.reply is not None)
    @rule(outcome=st.sampled_from(c.Outcome))
    def outcome(self, outcome: c.Outcome) -> None:
        reply = self.story.current.reply
        assert reply is not None
        self.story.outcome(reply.effect_id, outcome, native_id="800")

    @rule()
    def card(self) -> None:
        self.story.outcome(f"card:{self.story.line.case_id}", channel="C1", native_id="1.1")

    @rule(minutes=st.integers(0, 60 * 30))
    def time(self, minutes: int) -> None:
        self.story.pass_time(minutes=minutes)

    @rule()
    def fire(self) -> None:
        self.story.fire()

    @precondition(lambda self: next_due(self.story.current) is not None)
    @rule()
    def fire_all(self) -> None:
        """Fire everything that is due: it comes to an end, and then nothing is due any more."""
        for _ in range(MOST_AT_ONCE):
            if not self.story.fire().events:
                break
        step = next_step(self.story.current)
        assert step is None or step.due > self.story.now

    @rule(policy=st.sampled_from(POLICIES))
    def another_policy(self, policy: Policy) -> None:
        self.story.policy = policy

    # -- what always holds ------------------------------------------------------------------------

    @invariant()
    def every_query_is_answered_closed_or_open_with_a_next_step(self) -> None:
        for case in self.story.cases.values():
            assert audit_case(case, next_due(case)) == ()
            if case.is_live:
                assert next_due(case) is not None
            if case.open_obligations:
                assert case.status not in (CaseStatus.ANSWERED, CaseStatus.WAITING)

    @invariant()
    def running_ladder_keeps_its_steps(self) -> None:
        ladder = self.story.current.ladder
        known = self.ladder
        if ladder is not None:
            assert ladder.steps
            assert ladder.repeat_every is not None
            if ladder.exhausted:
                assert ladder.next_step == len(ladder.steps) - 1
            if known is not None and known.run == ladder.run:
                assert (ladder.steps, ladder.repeat_every) == (known.steps, known.repeat_every)
                assert ladder.next_step >= known.next_step
                assert ladder.exhausted or not known.exhausted
        self.ladder = ladder

    @invariant()
    def nobody_hides_a_query_for_ever(self) -> None:
        for case in self.story.cases.values():
            assert all(found.snoozes <= MOST_SNOOZES for found in case.obligations)

    @invariant()
    def reply_in_flight_is_the_holders_or_cancelled(self) -> None:
        case = self.story.current
        if case.reply is None or case.claim is None or case.reply.state is ReplyState.UNSETTLED:
            return
        cancelled = {found.effect_id for found in self.story.effects if isinstance(found, Cancel)}
        assert case.reply.fence == case.claim.fence or case.reply.effect_id in cancelled

    @invariant()
    def log_tells_one_history(self) -> None:
        claims: dict[str, Claim | None] = {}
        cases: dict[str, Case] = {}
        for event in self.story.events:
            before = cases.get(event.case_id)
            if isinstance(event, e.CaseReleased) and event.reason == "lease_expired":
                assert before is not None
                assert before.reply is None or before.reply.state is ReplyState.UNSETTLED
            if isinstance(event, e.CaseClaimed):
                assert before is not None
                assert event.fence == before.claims + 1
            cases[event.case_id] = evolve(before, event)
            claims[event.case_id] = cases[event.case_id].claim
        assert cases == self.story.cases
        ids = [event.event_id for event in self.story.events]
        assert len(ids) == len(set(ids))

    def teardown(self) -> None:
        """Read everything back as the log and the ledger hold it."""
        for case in getattr(self, "story", Story()).cases.values():
            assert load_case(dump_case(case)) == case
        rebuilt: dict[str, Case] = {}
        for event in getattr(self, "story", Story()).events:
            read = e.LOG.validate_json(event.model_dump_json())
            rebuilt[event.case_id] = evolve(rebuilt.get(event.case_id), read)  # type: ignore[arg-type]
        assert rebuilt == getattr(self, "story", Story()).cases


TestCases = CaseMachine.TestCase
TestCases.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
