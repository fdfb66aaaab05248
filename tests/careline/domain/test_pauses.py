"""Pauses: what a snooze or the author's turn takes off the clock, if the policy says so."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careline.domain.calendars import Calendar, Span
from careline.domain.policy import Pauses, Policy
from careline.domain.steps import next_due, pending_steps
from schemas import commands as c
from schemas.triage import Priority, Urgency
from tests.support.pauses import (
    HOUR,
    MINUTE,
    MOVED,
    OFFICE,
    a_story,
    hear_again,
    is_sound,
    snooze,
    the_query,
)
from tests.support.stories import (
    START,
    types,
)


def test_by_default_a_snooze_takes_nothing_off() -> None:
    story = a_story(Policy())
    assert snooze(story, START + 3 * HOUR) == ["case.snoozed"]
    assert the_query(story).due_at == START + 4 * HOUR


def test_a_snooze_moves_the_deadline_by_what_it_hides_and_the_wake_is_the_next_step() -> None:
    story = a_story()
    assert snooze(story, START + 3 * HOUR) == ["case.snoozed", MOVED]
    found = the_query(story)
    assert found.due_at == START + 6 * HOUR
    assert found.at_risk_at == START + 5 * HOUR
    assert found.because == (
        "first response 4 h for P3, 24x7, 1 h used, paused until 12:00 UTC, due 15:00 UTC"
    )
    assert next_due(story.current) == START + 3 * HOUR
    assert {step.due for step in pending_steps(story.current)} > {found.due_at, found.at_risk_at}
    assert is_sound(story.current)


def test_a_pause_that_ends_as_planned_moves_nothing_again() -> None:
    story = a_story()
    snooze(story, START + 3 * HOUR)
    assert types(story.next_step().events) == ["case.woken"]
    assert types(story.next_step().events) == ["case.at_risk"]
    assert story.now == START + 5 * HOUR
    assert types(story.next_step().events)[0] == "case.breached"
    assert story.now == START + 6 * HOUR


def test_an_early_word_of_the_author_lets_the_time_run_on() -> None:
    story = a_story()
    snooze(story, START + 3 * HOUR)
    story.now = START + 2 * HOUR
    assert hear_again(story, query=False) == ["mention.noted", "case.woken", MOVED]
    found = the_query(story)
    assert found.due_at == START + 5 * HOUR
    assert found.at_risk_at == START + 4 * HOUR
    assert found.because == "first response 4 h for P3, 24x7, 1 h used, due 14:00 UTC"
    assert is_sound(story.current)


def test_a_second_query_wakes_the_first_and_has_its_own_time() -> None:
    story = a_story()
    snooze(story, START + 3 * HOUR)
    story.now = START + 2 * HOUR
    assert hear_again(story) == ["case.woken", MOVED, "obligation.added"]
    assert [found.due_at for found in story.current.open_obligations] == [
        START + 5 * HOUR,
        START + 6 * HOUR,
    ]


def test_who_claims_a_snoozed_case_lets_the_time_run_on() -> None:
    story = a_story()
    snooze(story, START + 3 * HOUR)
    story.now = START + 2 * HOUR
    assert types(story.command(c.ClaimCase).events) == ["case.woken", MOVED, "case.claimed"]
    assert the_query(story).due_at == START + 5 * HOUR


def test_another_snooze_counts_from_the_first_one() -> None:
    story = a_story()
    snooze(story, START + 3 * HOUR)
    story.now = START + 2 * HOUR
    assert snooze(story, START + 5 * HOUR) == ["case.snoozed", MOVED]
    assert the_query(story).due_at == START + 8 * HOUR
    assert snooze(story, START + 150 * MINUTE) == ["case.snoozed", MOVED]
    found = the_query(story)
    assert found.due_at == START + 5 * HOUR + 30 * MINUTE
    assert found.at_risk_at == START + 4 * HOUR + 30 * MINUTE
    assert found.terms is not None
    assert found.terms.used == HOUR


def test_several_snoozes_add_up() -> None:
    story = a_story()
    snooze(story, START + 2 * HOUR)
    story.next_step()
    story.now = START + 150 * MINUTE
    snooze(story, START + 5 * HOUR)
    found = the_query(story)
    assert found.terms is not None
    assert found.terms.used == 90 * MINUTE
    assert found.due_at == START + 5 * HOUR + 150 * MINUTE


def test_a_warning_that_is_past_stays() -> None:
    story = a_story(after=3 * HOUR)
    snooze(story, START + 5 * HOUR)
    assert the_query(story).at_risk_at == START + 3 * HOUR
    assert the_query(story).due_at == START + 6 * HOUR


@pytest.mark.parametrize("after", [4 * HOUR, 5 * HOUR])
def test_a_deadline_that_is_past_is_not_moved(after: timedelta) -> None:
    story = a_story(after=after)
    assert snooze(story, START + 10 * HOUR) == ["case.snoozed"]
    assert the_query(story).due_at == START + 4 * HOUR


def test_a_snooze_over_night_takes_nothing_off_office_hours() -> None:
    policy = Policy(
        pauses=Pauses(snoozed=True),
        first_response=dict.fromkeys(Priority, 10 * HOUR),
        calendars={"office": OFFICE},
        clocks=dict.fromkeys(Priority, "office"),
    )
    story = a_story(policy, after=9 * HOUR)
    assert snooze(story, START + 24 * HOUR) == ["case.snoozed"]
    story.now = START + 10 * HOUR
    assert hear_again(story, query=False) == ["mention.noted", "case.woken"]
    assert the_query(story).due_at == START + 26 * HOUR
    assert snooze(story, START + 25 * HOUR) == ["case.snoozed", MOVED]
    assert the_query(story).due_at == START + 27 * HOUR


def test_a_reply_in_flight_outlives_a_pause() -> None:
    """A moved deadline is no change of the query that the reply covers."""
    story = a_story()
    story.command(c.ReplyToCase, text="so sorry", covers=story.open_ids())
    snooze(story, START + 3 * HOUR)
    assert story.current.reply is not None
    assert all(type(found).__name__ != "Cancel" for found in story.effects)


def test_another_priority_during_a_pause_keeps_both_the_pause_and_the_time_used() -> None:
    story = a_story()
    snooze(story, START + 3 * HOUR)
    story.command(c.CorrectTriage, mention_id=story.open_ids()[0], query=True, urgency=Urgency.NONE)
    found = the_query(story)
    assert found.because == "first response 24 h for P4, 24x7, 1 h used, due 2026-11-03 11:00 UTC"
    assert found.due_at == START + 26 * HOUR
    story.now = START + 2 * HOUR
    story.command(c.ClaimCase)
    assert the_query(story).due_at == START + 25 * HOUR


BERLIN = Calendar(
    name="Berlin",
    zone="Europe/Berlin",
    spans=tuple(Span(weekday, 9 * HOUR, 17 * HOUR) for weekday in range(5)),
)
actions = st.sampled_from(["snooze", "thanks", "claim", "nothing"])
moves = st.lists(st.tuples(st.integers(1, 700), actions, st.integers(1, 1400)), max_size=10)


@pytest.mark.parametrize("clock", ["", "Berlin"])
@settings(max_examples=60, deadline=None)
@given(moves=moves)
def test_a_deadline_moves_by_the_working_time_that_was_hidden_and_by_nothing_else(
    clock: str, moves: list[tuple[int, str, int]]
) -> None:
    policy = Policy(
        first_response=dict.fromkeys(Priority, 20 * HOUR),
        pauses=Pauses(snoozed=True),
        calendars={"Berlin": BERLIN},
        clocks=dict.fromkeys(Priority, clock),
        snoozes_at_most=99,
    )
    calendar = policy.calendar(clock)
    story = a_story(policy, after=timedelta(0))
    hidden = timedelta(0)
    pause: tuple[datetime, datetime] | None = None
    for number, (minutes, action, length) in enumerate(moves):
        story.now += MINUTE * minutes
        while (due := next_due(story.current)) is not None and due <= story.now:
            story.fire()
        if pause is not None and (action != "nothing" or pause[1] <= story.now):
            hidden += calendar.worked(pause[0], min(pause[1], story.now))
            pause = None
        if the_query(story).breached:
            break
        if action == "snooze":
            pause = (story.now, story.now + MINUTE * length)
            snooze(story, pause[1])
        elif action == "thanks":
            hear_again(story, str(200 + number), query=False)
        elif action == "claim":
            story.command(c.ClaimCase)
        assert is_sound(story.current)
    if pause is not None:
        hidden += calendar.worked(*pause)
    assert the_query(story).due_at == calendar.add(START, 20 * HOUR + hidden)
