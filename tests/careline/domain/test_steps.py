"""What is to come in a case, by name: the names are part of the causes in the log for ever."""

from __future__ import annotations

from datetime import timedelta

from careline.domain.case import Case
from careline.domain.decide import decide_deadline
from careline.domain.operations import operations_case
from careline.domain.policy import Policy
from careline.domain.steps import OUTCOME_GRACE, DueStep, StepKind, next_step, pending_steps
from schemas import commands as c
from schemas.identity import deadline_id, digest_of
from schemas.targets import TargetKind
from schemas.triage import Priority
from tests.support.stories import START, Story, a_mention

_HOUR = timedelta(hours=1)
DUE = START + 4 * _HOUR
AT_RISK = START + 3 * _HOUR


def a_story(policy: Policy | None = None) -> Story:
    story = Story(policy)
    story.hear(a_mention())
    return story


def steps_of(case: Case) -> list[DueStep]:
    return sorted(pending_steps(case), key=lambda step: (step.due, step.name))


def test_query_is_warned_of_and_then_missed() -> None:
    assert steps_of(a_story().current) == [
        DueStep(
            kind=StepKind.AT_RISK,
            due=AT_RISK,
            name="at_risk:x:acme:100:0",
            mention_id="x:acme:100",
            then=DUE,
        ),
        DueStep(kind=StepKind.BREACH, due=DUE, name="breach:x:acme:100:0", mention_id="x:acme:100"),
    ]


def test_whole_case_is_warned_of_and_then_missed() -> None:
    story = a_story(Policy(resolution={Priority.P3: 8 * _HOUR}))
    found = [step for step in steps_of(story.current) if step.target is TargetKind.RESOLUTION]
    assert found == [
        DueStep(
            kind=StepKind.AT_RISK,
            due=START + 6 * _HOUR,
            name="at_risk:resolution",
            then=START + 8 * _HOUR,
            target=TargetKind.RESOLUTION,
        ),
        DueStep(
            kind=StepKind.BREACH,
            due=START + 8 * _HOUR,
            name="breach:resolution",
            target=TargetKind.RESOLUTION,
        ),
    ]


def test_holder_is_reminded_and_then_loses_the_case() -> None:
    story = a_story()
    story.command(c.ClaimCase)
    assert steps_of(story.current)[:2] == [
        DueStep(
            kind=StepKind.REMINDER,
            due=START + timedelta(minutes=22.5),
            name="reminder:1",
            fence=1,
            then=START + timedelta(minutes=30),
        ),
        DueStep(kind=StepKind.LEASE, due=START + timedelta(minutes=30), name="lease:1"),
    ]


def test_reply_is_given_up_some_time_after_it_could_still_be_sent() -> None:
    story = a_story()
    story.command(c.ReplyToCase, text="On it", covers=story.open_ids())
    reply = story.current.reply
    assert reply is not None
    (found,) = [step for step in steps_of(story.current) if step.kind is StepKind.REPLY]
    assert found == DueStep(
        kind=StepKind.REPLY, due=reply.not_after + OUTCOME_GRACE, name=reply.effect_id
    )
    assert timedelta(hours=1) == OUTCOME_GRACE
    story.outcome(reply.effect_id, c.Outcome.UNSETTLED)
    assert StepKind.REPLY not in {step.kind for step in steps_of(story.current)}


def test_snoozed_case_wakes_and_its_lease_stands_still() -> None:
    story = a_story()
    story.command(c.ClaimCase)
    story.command(c.SnoozeCase, until=START + _HOUR)
    found = steps_of(story.current)
    assert found[0] == DueStep(kind=StepKind.WAKE, due=START + _HOUR, name="wake")
    assert not {StepKind.REMINDER, StepKind.LEASE} & {step.kind for step in found}


def test_step_of_a_ladder_is_named_by_its_run_and_place() -> None:
    story = a_story()
    story.next_step()
    story.next_step()
    run = story.current.version
    assert steps_of(story.current) == [
        DueStep(kind=StepKind.LADDER, due=story.now, name=f"ladder:{run}:0")
    ]
    story.next_step()
    assert steps_of(story.current) == [
        DueStep(kind=StepKind.LADDER, due=story.now + timedelta(minutes=30), name=f"ladder:{run}:1")
    ]


def test_answered_case_resolves_after_a_while() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    assert steps_of(story.current) == [
        DueStep(kind=StepKind.FOLLOW_UP, due=START + timedelta(hours=72), name="follow_up")
    ]


def test_operations_case_is_looked_at_again() -> None:
    story = Story()
    case_id = operations_case("x/acme", "malformed", START, partitions=16)
    story.command(
        c.ReportUnreadable,
        actor=c.Actor(kind=c.ActorKind.EXECUTOR, id="connector"),
        case_id=case_id,
        reason="malformed",
        source="x/acme",
        position="5",
        hour=START,
    )
    assert steps_of(story.cases[case_id]) == [
        DueStep(kind=StepKind.REVIEW, due=START + _HOUR, name="review")
    ]


def test_cause_of_a_step_follows_from_case_name_and_due_time() -> None:
    story = a_story()
    decision = decide_deadline(story.current, now=AT_RISK, policy=story.policy)
    (event,) = decision.events
    wanted = deadline_id(story.current.case_id, "at_risk:x:acme:100:0", AT_RISK.isoformat())
    assert event.cause_id == wanted
    assert event.cause_digest == digest_of(wanted.encode())
    assert event.actor == c.POLICY


def test_of_two_steps_due_at_once_the_first_by_name_comes_first() -> None:
    story = a_story()
    story.hear(a_mention("101"))
    step = next_step(story.current)
    assert step is not None
    assert step.name == "at_risk:x:acme:100:0"


def test_step_fires_at_its_instant_and_not_before() -> None:
    case = a_story().current
    before = decide_deadline(case, now=AT_RISK - timedelta(microseconds=1), policy=Policy())
    assert before.events == ()
    assert before.case == case
    assert len(decide_deadline(case, now=AT_RISK, policy=Policy()).events) == 1
