"""Pauses: what a snooze or the author's turn takes off the clock, if the policy says so."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careline.domain.calendars import Calendar, Span
from careline.domain.case import Case, CaseStatus, Obligation
from careline.domain.codec import dump_case, load_case
from careline.domain.evolve import evolve
from careline.domain.invariants import audit_case
from careline.domain.policy import Pauses, Policy, Rule, Vips
from careline.domain.steps import next_due, pending_steps
from schemas import commands as c
from schemas import events as e
from schemas.mentions import Visibility
from schemas.targets import TargetKind
from schemas.triage import Priority, Urgency
from tests.support.stories import (
    BEN,
    START,
    Story,
    a_mention,
    a_triage,
    an_edit,
    an_own_post,
    types,
)

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
MOVED = "deadline.moved"
OFFICE = Calendar(
    name="office", spans=tuple(Span(weekday, 9 * HOUR, 17 * HOUR) for weekday in range(5))
)
SNOOZED = Policy(pauses=Pauses(snoozed=True))


def a_story(policy: Policy = SNOOZED, *, after: timedelta = HOUR) -> Story:
    """Return a query of START, due four hours later, at a time after it."""
    story = Story(policy)
    story.hear(a_mention())
    story.now = START + after
    return story


def snooze(story: Story, until: datetime) -> list[str]:
    return types(story.command(c.SnoozeCase, until=until).events)


def the_query(story: Story) -> Obligation:
    (found,) = story.current.open_obligations
    return found


def hear_again(story: Story, native_id: str = "101", *, query: bool = True) -> list[str]:
    mention = a_mention(native_id, created_at=story.now, heard_at=story.now)
    return types(story.hear(mention, a_triage(query=query)).events)


def answer(story: Story, *, waiting: bool = False) -> None:
    story.command(c.ReplyToCase, text="so sorry", covers=story.open_ids(), expects_answer=waiting)
    assert story.current.reply is not None
    story.outcome(story.current.reply.effect_id, native_id="900")
    assert not story.current.open_obligations


def is_sound(case: Case) -> bool:
    return audit_case(case, next_due(case)) == () and load_case(dump_case(case)) == case


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


# The resolution of a case.

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


# What a query waits for.


def test_thanks_does_not_restart_the_clock() -> None:
    story = a_story(Policy())
    before = story.current.obligations
    assert hear_again(story, query=False) == ["mention.noted"]
    assert story.current.obligations == before
    answer(story)
    story.now += HOUR
    assert hear_again(story, "102", query=False) == ["mention.noted"]
    assert not story.current.open_obligations


def test_once_the_brand_has_answered_a_query_waits_for_the_next_response() -> None:
    story = a_story(Policy(next_response={Priority.P3: 2 * HOUR}))
    answer(story)
    story.now = START + 5 * HOUR
    hear_again(story)
    found = the_query(story)
    assert found.because == "next response 2 h for P3, 24x7, due 16:00 UTC"
    assert found.due_at == START + 7 * HOUR


def test_what_was_closed_without_a_word_still_waits_for_the_first_response() -> None:
    story = a_story(Policy(next_response={Priority.P3: 2 * HOUR}))
    story.command(c.ResolveCase, covers=story.open_ids(), disposition=c.Disposition.SPAM)
    story.now = START + 5 * HOUR
    hear_again(story)
    assert the_query(story).because.startswith("first response 4 h")


def test_an_own_post_is_an_answer_too() -> None:
    story = a_story(Policy(next_response={Priority.P3: 2 * HOUR}))
    mention = a_mention()
    story.brand_posts(an_own_post(mention), to=mention)
    story.now = START + 5 * HOUR
    hear_again(story)
    assert the_query(story).because.startswith("next response 2 h")


def test_an_edit_that_makes_it_no_other_query_keeps_its_deadline_under_another_policy() -> None:
    story = a_story(Policy())
    before = the_query(story)
    story.policy = Policy(first_response=dict.fromkeys(Priority, MINUTE))
    story.hear(an_edit(a_mention()))
    after = the_query(story)
    assert after.revision != before.revision
    assert (after.due_at, after.because) == (before.due_at, before.because)


DIRECT_GERMAN_VIP = Rule(
    name="German VIP in private",
    accounts=frozenset({"acme"}),
    queues=frozenset({"acme:direct"}),
    languages=frozenset({"de"}),
    vip=True,
    targets={TargetKind.FIRST_RESPONSE: {Priority.P1: MINUTE, Priority.P3: HOUR}},
)


def test_a_rule_sees_account_queue_language_and_author_also_when_a_person_corrects() -> None:
    story = Story(Policy(rules=(DIRECT_GERMAN_VIP,), vips=Vips(authors=frozenset({"7"}))))
    story.hear(a_mention(visibility=Visibility.DIRECT), a_triage(language="de"))
    said = "for {} by rule German VIP in private, 24x7"
    assert the_query(story).because.startswith("first response 1 h " + said.format("P3"))
    correct = {"mention_id": story.open_ids()[0], "query": True}
    story.command(c.CorrectTriage, urgency=Urgency.CRITICAL, **correct)
    assert the_query(story).because.startswith("first response 1 min " + said.format("P1"))


@pytest.mark.parametrize(
    ("facts", "language"),
    [
        ({"author": "8", "visibility": Visibility.DIRECT}, "de"),
        ({"visibility": Visibility.PUBLIC}, "de"),
        ({"visibility": Visibility.DIRECT}, "en"),
        ({"visibility": Visibility.DIRECT, "account": "other"}, "de"),
    ],
)
def test_a_rule_leaves_all_others_alone(facts: dict[str, object], language: str) -> None:
    story = Story(Policy(rules=(DIRECT_GERMAN_VIP,), vips=Vips(authors=frozenset({"7"}))))
    story.hear(a_mention(**facts), a_triage(language=language))
    assert the_query(story).because.startswith("first response 4 h for P3, 24x7")


def test_a_case_from_before_there_were_rules_is_corrected_too() -> None:
    story = a_story(Policy())
    story.policy = Policy(rules=(DIRECT_GERMAN_VIP,))
    story.command(c.CorrectTriage, mention_id=story.open_ids()[0], query=True, urgency=Urgency.HIGH)
    assert the_query(story).because.startswith("first response 1 h for P2, 24x7, 1 h used")


def test_a_correction_says_how_much_time_was_used() -> None:
    story = a_story(SNOOZED)
    story.command(
        c.CorrectTriage,
        mention_id=story.open_ids()[0],
        query=True,
        urgency=Urgency.CRITICAL,
        actor=BEN,
    )
    found = the_query(story)
    assert found.because == "first response 15 min for P1, 24x7, 1 h used, due 09:15 UTC"
    assert found.terms is None


# Any number of snoozes and wakes.

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
