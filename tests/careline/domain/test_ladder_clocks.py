"""The ladder in time: the clocks of its steps, quiet hours, and a snooze that pauses it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from careline.domain.case import CaseStatus
from careline.domain.ladder import POLL_GRACE, end_of_quiet, put_off, start, taken_up
from careline.domain.policy import Pauses, Policy
from schemas import commands as c
from schemas import events as e
from tests.support.ladders import (
    EVENING,
    HOUR,
    TUESDAY_NINE,
    a_breach,
    a_policy,
    a_step,
    ladder_of,
    told,
)
from tests.support.stories import BEN, START, types

# -- clocks and quiet hours -----------------------------------------------------------------------


def test_delay_runs_on_the_clock_of_its_step() -> None:
    story = a_breach(a_policy(a_step("first", clock="work", after=timedelta(hours=6))))
    assert story.now.hour == 13
    assert ladder_of(story).next_step_at == TUESDAY_NINE + 2 * HOUR


def test_repeated_alarm_runs_on_the_clock_of_the_last_step() -> None:
    step = a_step("only", clock="work", after=timedelta(0))
    story = a_breach(a_policy(step, repeat_every=timedelta(hours=6)))
    story.next_step()
    assert ladder_of(story).next_step_at == TUESDAY_NINE + 2 * HOUR


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


# -- a snooze under a policy that pauses ----------------------------------------------------------


def paused_policy() -> Policy:
    return a_policy(a_step("first"), a_step("second"), pauses=Pauses(snoozed=True))


def test_ladder_runs_on_during_a_snooze() -> None:
    story = a_breach()
    story.next_step()
    due = ladder_of(story).next_step_at
    story.command(c.SnoozeCase, until=story.now + 5 * HOUR)
    assert ladder_of(story).next_step_at == due
    story.next_step()
    assert told(story) == ["backup", "manager"]
    assert story.current.status is CaseStatus.SNOOZED


def test_ladder_stands_still_during_a_snooze_if_the_policy_says_so() -> None:
    story = a_breach(paused_policy())
    story.pass_time(minutes=10)
    until = story.now + 2 * HOUR
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
    story.command(c.SnoozeCase, until=story.now + 2 * HOUR)
    story.pass_time(minutes=45)
    story.command(c.ClaimCase)
    assert types(story.events)[-2:] == ["case.woken", "case.claimed"]
    assert ladder_of(story).next_step_at == story.now + timedelta(minutes=20)


def test_second_snooze_puts_the_ladder_off_from_where_it_stood() -> None:
    story = a_breach(paused_policy())
    story.pass_time(minutes=10)
    story.command(c.SnoozeCase, until=story.now + 2 * HOUR)
    story.pass_time(hours=1)
    story.command(c.SnoozeCase, until=story.now + 3 * HOUR)
    assert ladder_of(story).next_step_at == story.now + 3 * HOUR + timedelta(minutes=20)


def test_step_that_is_overdue_when_its_case_is_snoozed_is_told_at_its_end() -> None:
    story = a_breach(paused_policy())
    story.pass_time(hours=1)
    until = story.now + 2 * HOUR
    story.command(c.SnoozeCase, until=until)
    assert ladder_of(story).next_step_at == until


def test_escalation_by_hand_takes_a_ladder_up_that_stands_still() -> None:
    story = a_breach(paused_policy())
    story.command(c.SnoozeCase, until=story.now + 5 * HOUR)
    story.command(c.EscalateCase)
    due = story.now + timedelta(minutes=30)
    assert ladder_of(story).next_step_at == due
    story.command(c.ClaimCase)
    assert ladder_of(story).next_step_at == due


def test_nothing_is_put_off_or_taken_up_where_nothing_stands_still() -> None:
    policy = paused_policy()
    ladder = start(START, policy)
    later = START + HOUR
    assert put_off(None, now=START, until=later, policy=policy) is None
    assert put_off(ladder, now=START, until=later, policy=Policy()) is None
    assert taken_up(None, now=START) is None
    assert taken_up(ladder, now=START) is None
    over = replace(ladder, put_off_until=START)
    assert taken_up(over, now=START) is None
