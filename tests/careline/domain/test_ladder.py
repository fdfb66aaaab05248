"""The ladder: its steps, what is frozen when it starts, whom it tells, and that it never ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from careline.domain.case import Case, Ladder
from careline.domain.codec import dump_case, load_case
from careline.domain.decide import decide_deadline
from careline.domain.effects import NOTIFY, SLACK, Done, Intent
from careline.domain.evolve import evolve
from careline.domain.ladder import climb, start
from careline.domain.policy import DEFAULT_LADDER, Policy
from careline.domain.steps import next_due, next_step
from schemas import commands as c
from schemas import events as e
from tests.support.ladders import (
    HOUR,
    a_breach,
    a_policy,
    a_step,
    ladder_of,
    told,
)
from tests.support.stories import BEN, START, Story, a_mention, a_triage, an_edit, types

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
    story = a_breach(a_policy(a_step("only", after=timedelta(0)), repeat_every=2 * HOUR))
    story.next_step()
    assert story.current.is_exhausted
    for _ in range(40):
        before = story.now
        story.next_step()
        assert story.now - before == 2 * HOUR
    assert told(story) == ["only"] * 41
    assert story.current.is_live
    assert next_due(story.current) == story.now + 2 * HOUR


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
    story.hear(a_mention("101", heard_at=story.now - 5 * HOUR))
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
    story = a_breach(a_policy(a_step("first"), a_step("second"), repeat_every=HOUR))
    story.policy = a_policy(a_step("other", after=timedelta(days=9)), repeat_every=99 * HOUR)
    times = []
    for _ in range(3):
        story.next_step()
        times.append(story.now)
    assert told(story) == ["first", "second", "second"]
    assert [later - sooner for sooner, later in pairwise(times)] == [
        timedelta(minutes=30),
        HOUR,
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
    old = Ladder(next_step=1, next_step_at=story.now + HOUR)
    story.cases[story.current.case_id] = replace(story.current, ladder=old)
    story.next_step()
    assert told(story) == ["manager"]
    assert [step.name for step in ladder_of(story).steps] == ["backup group", "manager"]
    assert ladder_of(story).repeat_every == HOUR


def test_step_beyond_a_ladder_that_became_shorter_is_its_last() -> None:
    climbed = climb(
        Ladder(next_step=7, next_step_at=START), now=START, policy=a_policy(a_step("only"))
    )
    assert climbed.index == 0
    assert climbed.step.name == "only"
    assert climbed.then.next_step == 0


def test_second_breach_of_a_ladder_without_steps_does_not_restart_it() -> None:
    story = a_breach()
    old = Ladder(next_step=1, next_step_at=story.now + 9 * HOUR, exhausted=False)
    story.cases[story.current.case_id] = replace(story.current, ladder=old)
    story.hear(a_mention("101", heard_at=story.now - 5 * HOUR))
    story.fire()
    story.fire()
    assert ladder_of(story).next_step == 1
    assert ladder_of(story).next_step_at == old.next_step_at


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
    story.hear(an_edit(a_mention(), revision="2", heard_at=story.now - 5 * HOUR))
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
    story.hear(an_edit(a_mention(), heard_at=story.now - 5 * HOUR))
    for _ in range(3):
        story.fire()
    second = story.events[-1]
    assert isinstance(first, e.CaseEscalated)
    assert isinstance(second, e.CaseEscalated)
    assert first.at == second.at
    assert first.cause_id != second.cause_id


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
