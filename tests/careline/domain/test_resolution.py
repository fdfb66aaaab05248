"""The resolution of a case as a target: what it waits for, and what moves it."""

from __future__ import annotations

from careline.domain.case import CaseStatus
from careline.domain.evolve import evolve
from careline.domain.policy import Pauses, Policy
from careline.domain.steps import pending_steps
from schemas import commands as c
from schemas import events as e
from schemas.targets import TargetKind
from schemas.triage import Priority
from tests.support.pauses import (
    HOUR,
    MOVED,
    SNOOZED,
    a_story,
    answer,
    hear_again,
    is_sound,
    snooze,
    the_query,
)
from tests.support.stories import (
    START,
    Story,
    a_mention,
    types,
)

RESOLUTION = Policy(resolution=dict.fromkeys(Priority, 8 * HOUR))
STANDS = Policy(resolution=dict.fromkeys(Priority, 8 * HOUR), pauses=Pauses(waiting=True))


def test_a_case_has_a_deadline_as_a_whole_beside_that_of_its_query() -> None:
    story = a_story(RESOLUTION)
    assert types(story.events) == ["case.opened", "obligation.added", "resolution.targeted"]
    resolution = story.current.resolution
    assert resolution is not None
    assert resolution.due_at == START + 8 * HOUR
    assert resolution.at_risk_at == START + 6 * HOUR
    assert resolution.because == "resolution 8 h for P3, 24x7, due 17:00 UTC"
    assert is_sound(story.current)


def test_a_resolution_warns_is_missed_and_starts_the_ladder_like_any_target() -> None:
    policy = Policy(
        first_response=dict.fromkeys(Priority, 24 * HOUR),
        resolution=dict.fromkeys(Priority, 8 * HOUR),
    )
    story = a_story(policy)
    (warned,) = story.next_step().events
    assert isinstance(warned, e.CaseAtRisk)
    assert (warned.target, warned.mention_id) == (TargetKind.RESOLUTION, "")
    assert warned.due_at == START + 8 * HOUR
    (missed,) = story.next_step().events
    assert isinstance(missed, e.CaseBreached)
    assert (missed.target, missed.at) == (TargetKind.RESOLUTION, START + 8 * HOUR)
    resolution = story.current.resolution
    assert resolution is not None
    assert resolution.warned
    assert resolution.breached
    assert not the_query(story).breached
    assert types(story.next_step().events) == ["case.escalated"]
    assert is_sound(story.current)


def test_a_second_query_does_not_move_the_resolution() -> None:
    story = a_story(RESOLUTION)
    hear_again(story)
    assert story.current.resolution is not None
    assert story.current.resolution.due_at == START + 8 * HOUR
    assert types(story.events).count("resolution.targeted") == 1


def test_a_resolution_is_met_while_nothing_is_open_and_runs_on_with_the_next_query() -> None:
    story = a_story(RESOLUTION)
    answer(story)
    follow_up = START + HOUR + story.policy.follow_up
    assert {step.due for step in pending_steps(story.current)} == {follow_up}
    story.now = START + 4 * HOUR
    assert hear_again(story) == ["case.reopened", "obligation.added"]
    assert START + 8 * HOUR in {step.due for step in pending_steps(story.current)}


def test_the_authors_turn_is_not_counted_if_the_policy_says_so() -> None:
    story = a_story(STANDS)
    answer(story, waiting=True)
    assert story.current.status is CaseStatus.WAITING
    resolution = story.current.resolution
    assert resolution is not None
    assert resolution.terms.used == HOUR
    assert resolution.terms.runs_from is None
    assert resolution.because == (
        "resolution 8 h for P3, 24x7, 1 h used, stands still until the author writes"
    )
    story.now = START + 30 * HOUR
    assert hear_again(story, "101", query=False) == ["mention.noted"]
    assert hear_again(story, "102") == ["case.reopened", "obligation.added", MOVED]
    resolution = story.current.resolution
    assert resolution is not None
    assert resolution.due_at == START + 37 * HOUR
    assert resolution.at_risk_at == START + 35 * HOUR
    assert resolution.because == ("resolution 8 h for P3, 24x7, 1 h used, due 22:00 UTC")
    assert is_sound(story.current)


def test_a_missed_resolution_does_not_stand_still() -> None:
    story = a_story(STANDS)
    story.now = START + 8 * HOUR
    answer(story)
    assert MOVED not in types(story.events)


def test_what_stands_still_is_not_moved_by_a_snooze_nor_by_its_end() -> None:
    policy = Policy(
        resolution=dict.fromkeys(Priority, 8 * HOUR), pauses=Pauses(snoozed=True, waiting=True)
    )
    story = a_story(policy)
    answer(story, waiting=True)
    assert snooze(story, START + 3 * HOUR) == ["case.snoozed"]
    assert types(story.next_step().events) == ["case.woken"]
    resolution = story.current.resolution
    assert resolution is not None
    assert resolution.terms.runs_from is None


def test_a_snooze_moves_the_resolution_too() -> None:
    policy = Policy(resolution=dict.fromkeys(Priority, 8 * HOUR), pauses=Pauses(snoozed=True))
    story = a_story(policy)
    assert snooze(story, START + 3 * HOUR) == ["case.snoozed", MOVED, MOVED]
    assert story.current.resolution is not None
    assert story.current.resolution.due_at == START + 10 * HOUR


def test_a_case_that_was_resolved_has_a_new_resolution_when_it_opens_again() -> None:
    story = a_story(RESOLUTION)
    story.command(
        c.ResolveCase, covers=story.open_ids(), disposition=c.Disposition.NO_ANSWER_NEEDED
    )
    assert story.current.resolution is None
    story.now = START + 20 * HOUR
    assert hear_again(story) == ["case.reopened", "obligation.added", "resolution.targeted"]
    assert story.current.resolution is not None
    assert story.current.resolution.due_at == START + 28 * HOUR


def test_a_move_of_a_resolution_that_a_case_does_not_have_changes_nothing() -> None:
    story = a_story(RESOLUTION)
    snoozed = Story(SNOOZED)
    snoozed.hear(a_mention())
    resolution = story.current.resolution
    assert resolution is not None
    facts = snoozed.events[-1].model_dump(include=set(e.CaseAtRisk.model_fields)) | {
        "type": MOVED,
        "version": 3,
        "terms": resolution.terms,
        "at_risk_at": START,
        "due_at": START,
        "because": "",
        "mention_id": "",
    }
    after = evolve(snoozed.current, e.DeadlineMoved(**facts))
    assert after.resolution is None
    assert after.obligations == snoozed.current.obligations
