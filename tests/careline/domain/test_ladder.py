"""The ladder: its clocks and quiet hours, what is frozen when it starts, and that it never ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from careline.domain.calendars import Calendar, Span
from careline.domain.case import Case, CaseStatus, Ladder
from careline.domain.codec import dump_case, load_case
from careline.domain.decide import decide_deadline
from careline.domain.effects import NOTIFY, SLACK, Done, Intent
from careline.domain.evolve import evolve
from careline.domain.ladder import POLL_GRACE, climb, end_of_quiet, put_off, start, taken_up
from careline.domain.policy import DEFAULT_LADDER, LadderStep, Pauses, Policy
from careline.domain.steps import next_due, next_step
from schemas import commands as c
from schemas import events as e
from tests.support.stories import BEN, START, Story, a_mention, a_triage, an_edit, types

_HOUR = timedelta(hours=1)
WORK = Calendar(
    name="work",
    spans=tuple(Span(day, timedelta(hours=9), timedelta(hours=17)) for day in range(5)),
)
"""Monday to Friday, nine to five, UTC; `START` is a Monday at nine."""
EVENING = datetime(2026, 11, 2, 20, 0, tzinfo=UTC)
TUESDAY_NINE = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)


def a_policy(*steps: LadderStep, **rules: object) -> Policy:
    return Policy(ladder=steps, calendars={"work": WORK}, **rules)  # type: ignore[arg-type]


def a_step(name: str, notify: str = "", **rules: object) -> LadderStep:
    facts = {"after": timedelta(minutes=30)} | rules
    return LadderStep(name=name, notify=notify or name, **facts)  # type: ignore[arg-type]


def a_breach(policy: Policy | None = None) -> Story:
    """Return a story whose query has just missed its target, four hours after `START`."""
    story = Story(policy)
    story.hear(a_mention())
    story.next_step()
    story.next_step()
    assert types(story.events)[-1] == "case.breached"
    return story


def ladder_of(story: Story) -> Ladder:
    assert story.current.ladder is not None
    return story.current.ladder


def told(story: Story) -> list[str]:
    return [event.notify for event in story.events if isinstance(event, e.CaseEscalated)]


# -- its steps ------------------------------------------------------------------------------------


def test_every_named_step_is_told_in_its_order_after_its_delay() -> None:
    names = ("holder", "channel", "backup", "manager", "webhook:pager")
    steps = [
        a_step(f"step {n}", name, after=timedelta(minutes=10 * n)) for n, name in enumerate(names)
    ]
    story = a_breach(a_policy(*steps))
    breached = story.now
    at = []
    for _ in names:
        story.next_step()
        at.append(story.now - breached)
    assert told(story) == list(names)
    assert at == [timedelta(minutes=minutes) for minutes in (0, 10, 30, 60, 100)]


def test_exhausted_ladder_repeats_its_alarm_and_closes_nothing() -> None:
    story = a_breach(a_policy(a_step("only", after=timedelta(0)), repeat_every=2 * _HOUR))
    story.next_step()
    assert story.current.is_exhausted
    for _ in range(40):
        before = story.now
        story.next_step()
        assert story.now - before == 2 * _HOUR
    assert told(story) == ["only"] * 41
    assert story.current.is_live
    assert next_due(story.current) == story.now + 2 * _HOUR


def test_case_is_not_exhausted_before_the_last_step_was_told() -> None:
    story = a_breach()
    assert not story.current.is_exhausted
    story.next_step()
    assert not story.current.is_exhausted
    story.next_step()
    assert story.current.is_exhausted


def test_second_breach_leaves_an_exhausted_ladder_exhausted() -> None:
    story = a_breach(a_policy(a_step("only", after=timedelta(0))))
    story.next_step()
    story.hear(a_mention("101", heard_at=story.now - 5 * _HOUR))
    before = ladder_of(story)
    assert types(story.fire().events) == ["case.at_risk"]
    assert types(story.fire().events) == ["case.breached"]
    assert ladder_of(story) == before


def test_policy_without_a_step_still_tells_somebody() -> None:
    ladder = start(START, replace(Policy(), ladder=()))
    assert [step.notify for step in ladder.steps] == [step.notify for step in DEFAULT_LADDER]


def test_answer_stops_the_ladder_and_the_next_query_starts_it_anew() -> None:
    story = a_breach()
    story.next_step()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    assert story.current.reply is not None
    story.outcome(story.current.reply.effect_id, native_id="900")
    assert story.current.ladder is None
    story.hear(a_mention("101", heard_at=story.now))
    story.next_step()
    story.next_step()
    story.next_step()
    assert told(story) == ["backup", "backup"]


def test_escalation_by_hand_starts_the_ladder_and_freezes_it() -> None:
    story = Story()
    story.hear(a_mention())
    story.command(c.EscalateCase, actor=BEN)
    assert [step.name for step in ladder_of(story).steps] == ["backup group", "manager"]
    assert ladder_of(story).next_step == 1
    story.command(c.EscalateCase, actor=BEN)
    escalated = story.events[-1]
    assert isinstance(escalated, e.CaseEscalated)
    assert escalated.steps == (), "the steps stand in the event that started it"


# -- frozen ---------------------------------------------------------------------------------------


def test_later_policy_does_not_move_a_running_ladder() -> None:
    story = a_breach(a_policy(a_step("first"), a_step("second"), repeat_every=_HOUR))
    story.policy = a_policy(a_step("other", after=timedelta(days=9)), repeat_every=99 * _HOUR)
    times = []
    for _ in range(3):
        story.next_step()
        times.append(story.now)
    assert told(story) == ["first", "second", "second"]
    assert [later - sooner for sooner, later in pairwise(times)] == [
        timedelta(minutes=30),
        _HOUR,
    ]


def test_later_policy_counts_for_a_ladder_that_starts_under_it() -> None:
    story = Story(a_policy(a_step("first")))
    story.hear(a_mention())
    story.policy = a_policy(a_step("other", after=timedelta(0)))
    for _ in range(3):
        story.next_step()
    assert told(story) == ["other"]


def test_frozen_steps_outlive_the_log_and_the_store() -> None:
    step = a_step("first", "backup", clock="work", quiet="work", after=timedelta(minutes=90))
    story = a_breach(a_policy(step, repeat_every=timedelta(hours=5)))
    rebuilt: Case | None = None
    for event in story.events:
        read = e.LOG.validate_json(event.model_dump_json())
        rebuilt = evolve(rebuilt, read)  # type: ignore[arg-type]
    assert rebuilt == story.current
    assert load_case(dump_case(story.current)) == story.current
    frozen = ladder_of(story).steps[0]
    assert frozen == e.FrozenStep(
        name="first", notify="backup", after=timedelta(minutes=90), clock="work", quiet="work"
    )
    assert ladder_of(story).repeat_every == timedelta(hours=5)


def test_ladder_from_before_steps_were_kept_takes_the_policys_and_keeps_them_then() -> None:
    story = a_breach()
    old = Ladder(next_step=1, next_step_at=story.now + _HOUR)
    story.cases[story.current.case_id] = replace(story.current, ladder=old)
    story.next_step()
    assert told(story) == ["manager"]
    assert [step.name for step in ladder_of(story).steps] == ["backup group", "manager"]
    assert ladder_of(story).repeat_every == _HOUR


def test_step_beyond_a_ladder_that_became_shorter_is_its_last() -> None:
    climbed = climb(
        Ladder(next_step=7, next_step_at=START), now=START, policy=a_policy(a_step("only"))
    )
    assert climbed.index == 0
    assert climbed.step.name == "only"
    assert climbed.then.next_step == 0


def test_second_breach_of_a_ladder_without_steps_does_not_restart_it() -> None:
    story = a_breach()
    old = Ladder(next_step=1, next_step_at=story.now + 9 * _HOUR, exhausted=False)
    story.cases[story.current.case_id] = replace(story.current, ladder=old)
    story.hear(a_mention("101", heard_at=story.now - 5 * _HOUR))
    story.fire()
    story.fire()
    assert ladder_of(story).next_step == 1
    assert ladder_of(story).next_step_at == old.next_step_at


# -- clocks and quiet hours -----------------------------------------------------------------------


def test_delay_runs_on_the_clock_of_its_step() -> None:
    story = a_breach(a_policy(a_step("first", clock="work", after=timedelta(hours=6))))
    assert story.now.hour == 13
    assert ladder_of(story).next_step_at == TUESDAY_NINE + 2 * _HOUR


def test_repeated_alarm_runs_on_the_clock_of_the_last_step() -> None:
    step = a_step("only", clock="work", after=timedelta(0))
    story = a_breach(a_policy(step, repeat_every=timedelta(hours=6)))
    story.next_step()
    assert ladder_of(story).next_step_at == TUESDAY_NINE + 2 * _HOUR


def test_quiet_hours_move_a_step_to_their_end_and_never_drop_it() -> None:
    story = a_breach(a_policy(a_step("first", quiet="work", after=timedelta(hours=7))))
    assert story.now + timedelta(hours=7) == EVENING
    assert ladder_of(story).next_step_at == TUESDAY_NINE
    story.next_step()
    assert told(story) == ["first"]
    assert story.now == TUESDAY_NINE


def test_step_that_an_outage_carried_into_quiet_hours_waits_for_their_end() -> None:
    story = a_breach(a_policy(a_step("first", quiet="work")))
    story.now = EVENING
    (moved,) = story.fire().events
    assert isinstance(moved, e.CaseStepMoved)
    assert (moved.step, moved.step_name, moved.reason) == (0, "first", "quiet_hours")
    assert moved.next_step_at == TUESDAY_NINE
    assert story.fire().events == ()
    story.next_step()
    assert told(story) == ["first"]
    assert story.now == TUESDAY_NINE


def test_step_due_in_open_hours_is_told_although_they_have_just_ended() -> None:
    policy = a_policy(a_step("first", quiet="work"))
    closing = datetime(2026, 11, 2, 17, 0, tzinfo=UTC)
    ladder = replace(start(START, policy), next_step_at=closing - timedelta(seconds=1))
    late = ladder.next_step_at + POLL_GRACE
    assert end_of_quiet(ladder, now=late, policy=policy) is None
    too_late = late + timedelta(microseconds=1)
    assert end_of_quiet(ladder, now=too_late, policy=policy) == TUESDAY_NINE
    at_closing = replace(ladder, next_step_at=closing)
    assert end_of_quiet(at_closing, now=closing, policy=policy) == TUESDAY_NINE


def test_step_in_open_hours_is_told_at_once_however_late_it_is() -> None:
    policy = a_policy(a_step("first", quiet="work"))
    ladder = start(START, policy)
    assert end_of_quiet(ladder, now=TUESDAY_NINE, policy=policy) is None


def test_person_may_escalate_in_quiet_hours() -> None:
    story = a_breach(a_policy(a_step("first", quiet="work"), a_step("second", quiet="work")))
    story.now = EVENING
    story.command(c.EscalateCase, actor=BEN)
    assert told(story) == ["first"]
    assert ladder_of(story).next_step_at == TUESDAY_NINE


def test_calendar_that_left_the_file_is_always_open() -> None:
    story = a_breach(a_policy(a_step("first", clock="work", quiet="work")))
    story.policy = Policy()
    story.now = EVENING
    story.fire()
    assert told(story) == ["first"]


# -- late, repeated and stale causes --------------------------------------------------------------


def test_same_step_fired_twice_is_the_same_event() -> None:
    story = a_breach()
    first = decide_deadline(story.current, now=story.now, policy=story.policy)
    again = decide_deadline(story.current, now=story.now, policy=story.policy)
    assert first == again
    assert first.events[0].event_id == again.events[0].event_id


def test_step_keeps_its_cause_whatever_else_happens_to_the_case() -> None:
    story = a_breach()
    before = decide_deadline(story.current, now=story.now, policy=story.policy)
    story.hear(a_mention("101"), a_triage(query=False))
    after = decide_deadline(story.current, now=story.now, policy=story.policy)
    assert before.events[0].cause_id == after.events[0].cause_id


def test_every_step_of_a_long_story_has_a_cause_of_its_own() -> None:
    story = a_breach()
    for _ in range(5):
        story.next_step()
    story.hear(an_edit(a_mention()))
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    story.hear(an_edit(a_mention(), revision="2", heard_at=story.now - 5 * _HOUR))
    for _ in range(5):
        story.next_step()
    fired = [event for event in story.events if event.actor == c.POLICY]
    assert len(fired) == 12
    assert len({event.cause_id for event in fired}) == 12


def test_ladder_that_starts_twice_in_one_instant_has_two_causes() -> None:
    story = a_breach()
    story.fire()
    first = story.events[-1]
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    story.hear(an_edit(a_mention(), heard_at=story.now - 5 * _HOUR))
    for _ in range(3):
        story.fire()
    second = story.events[-1]
    assert isinstance(first, e.CaseEscalated)
    assert isinstance(second, e.CaseEscalated)
    assert first.at == second.at
    assert first.cause_id != second.cause_id


# -- a snooze under a policy that pauses ----------------------------------------------------------


def paused_policy() -> Policy:
    return a_policy(a_step("first"), a_step("second"), pauses=Pauses(snoozed=True))


def test_ladder_runs_on_during_a_snooze() -> None:
    story = a_breach()
    story.next_step()
    due = ladder_of(story).next_step_at
    story.command(c.SnoozeCase, until=story.now + 5 * _HOUR)
    assert ladder_of(story).next_step_at == due
    story.next_step()
    assert told(story) == ["backup", "manager"]
    assert story.current.status is CaseStatus.SNOOZED


def test_ladder_stands_still_during_a_snooze_if_the_policy_says_so() -> None:
    story = a_breach(paused_policy())
    story.pass_time(minutes=10)
    until = story.now + 2 * _HOUR
    story.command(c.SnoozeCase, until=until)
    assert ladder_of(story).next_step_at == until + timedelta(minutes=20)
    story.next_step()
    assert story.current.status is not CaseStatus.SNOOZED
    assert ladder_of(story).put_off_until is None
    story.next_step()
    assert told(story) == ["first"]
    assert story.now == until + timedelta(minutes=20)


def test_ladder_runs_on_where_it_stood_when_the_case_wakes_early() -> None:
    story = a_breach(paused_policy())
    story.pass_time(minutes=10)
    story.command(c.SnoozeCase, until=story.now + 2 * _HOUR)
    story.pass_time(minutes=45)
    story.command(c.ClaimCase)
    assert types(story.events)[-2:] == ["case.woken", "case.claimed"]
    assert ladder_of(story).next_step_at == story.now + timedelta(minutes=20)


def test_second_snooze_puts_the_ladder_off_from_where_it_stood() -> None:
    story = a_breach(paused_policy())
    story.pass_time(minutes=10)
    story.command(c.SnoozeCase, until=story.now + 2 * _HOUR)
    story.pass_time(hours=1)
    story.command(c.SnoozeCase, until=story.now + 3 * _HOUR)
    assert ladder_of(story).next_step_at == story.now + 3 * _HOUR + timedelta(minutes=20)


def test_step_that_is_overdue_when_its_case_is_snoozed_is_told_at_its_end() -> None:
    story = a_breach(paused_policy())
    story.pass_time(hours=1)
    until = story.now + 2 * _HOUR
    story.command(c.SnoozeCase, until=until)
    assert ladder_of(story).next_step_at == until


def test_escalation_by_hand_takes_a_ladder_up_that_stands_still() -> None:
    story = a_breach(paused_policy())
    story.command(c.SnoozeCase, until=story.now + 5 * _HOUR)
    story.command(c.EscalateCase)
    due = story.now + timedelta(minutes=30)
    assert ladder_of(story).next_step_at == due
    story.command(c.ClaimCase)
    assert ladder_of(story).next_step_at == due


def test_nothing_is_put_off_or_taken_up_where_nothing_stands_still() -> None:
    policy = paused_policy()
    ladder = start(START, policy)
    later = START + _HOUR
    assert put_off(None, now=START, until=later, policy=policy) is None
    assert put_off(ladder, now=START, until=later, policy=Policy()) is None
    assert taken_up(None, now=START) is None
    assert taken_up(ladder, now=START) is None
    over = replace(ladder, put_off_until=START)
    assert taken_up(over, now=START) is None


# -- who is told ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("notify", "executors"),
    [
        ("holder", [SLACK]),
        ("channel", [SLACK]),
        ("backup", [SLACK]),
        ("bot:helper", [SLACK]),
        ("webhook", [SLACK, NOTIFY]),
        ("webhook:pager", [SLACK, NOTIFY]),
        ("mail:boss", [SLACK, NOTIFY]),
    ],
)
def test_step_by_webhook_or_mail_is_told_on_the_second_path_too(
    notify: str, executors: list[str]
) -> None:
    story = a_breach(a_policy(a_step("only", notify, after=timedelta(0))))
    decision = story.next_step()
    intents = [effect for effect in decision.effects if isinstance(effect, Intent)]
    assert [intent.executor for intent in intents] == executors
    assert {(intent.kind, intent.subject, intent.notify) for intent in intents} == {
        ("alert", "step", notify)
    }
    assert len({intent.effect_id for intent in intents}) == len(executors)


@pytest.mark.parametrize("outcome", [c.Outcome.DONE, c.Outcome.REFUSED])
def test_outcome_of_the_second_path_ends_its_own_effect(outcome: c.Outcome) -> None:
    story = a_breach(a_policy(a_step("only", "webhook", after=timedelta(0))))
    story.next_step()
    intents = [found for found in story.effects if isinstance(found, Intent)]
    for intent in intents[-2:]:
        story.outcome(intent.effect_id, outcome, channel="C1", native_id="2.2")
    done = [found for found in story.effects if isinstance(found, Done)]
    assert [(found.effect_id, found.executor) for found in done] == [
        (intents[-2].effect_id, SLACK),
        (intents[-1].effect_id, NOTIFY),
    ]


def test_events_that_name_a_ladder_which_is_gone_change_nothing() -> None:
    story = Story()
    story.hear(a_mention())
    moved = e.CaseStepMoved(
        event_id="x",
        case_id=story.current.case_id,
        version=story.current.version + 1,
        cause_id="y",
        cause_digest="z",
        index=0,
        at=story.now,
        actor=c.POLICY,
        step=0,
        step_name="first",
        next_step_at=story.now,
    )
    assert evolve(story.current, moved).ladder is None
    assert next_step(story.current) is not None
