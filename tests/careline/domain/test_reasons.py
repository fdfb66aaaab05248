"""The deadlines that still count: which presses, what it is for, and why it is when it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from careline.domain.case import Case, ObligationStatus
from careline.domain.effects import Intent
from careline.domain.policy import Policy
from careline.domain.reasons import derivation, kind_of, name_of, named, pressing, running
from schemas import commands as c
from schemas.targets import TargetKind
from schemas.triage import Priority
from tests.support.stories import ANA, START, Story, a_mention

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
POLICY = Policy(resolution={Priority.P3: 8 * HOUR})


def a_case(policy: Policy = POLICY) -> Case:
    story = Story(policy)
    story.hear(a_mention("100"))
    story.hear(a_mention("101", heard_at=START + MINUTE))
    return story.current


def test_every_open_query_and_the_whole_case_have_a_deadline_that_counts() -> None:
    case = a_case()
    assert [name_of(known) for known in running(case)] == [
        "x:acme:100",
        "x:acme:101",
        "resolution",
    ]
    assert [kind_of(known) for known in running(case)] == [
        TargetKind.FIRST_RESPONSE,
        TargetKind.FIRST_RESPONSE,
        TargetKind.RESOLUTION,
    ]
    assert [name_of(known) for known in running(a_case(Policy()))] == ["x:acme:100", "x:acme:101"]


def test_what_is_settled_counts_no_more_and_with_the_last_query_the_case_neither() -> None:
    case = a_case()
    first, second = case.obligations
    done = replace(first, status=ObligationStatus.ANSWERED)
    assert len(running(replace(case, obligations=(done, second)))) == 2
    nothing = replace(case, obligations=(done,))
    assert running(nothing) == ()
    assert pressing(nothing) is None
    assert named(nothing, "resolution") is None


def test_the_first_one_missed_presses_before_the_first_one_due() -> None:
    case = a_case()
    first, second = case.obligations
    assert pressing(case) == first
    late = replace(second, breached=True)
    assert pressing(replace(case, obligations=(first, late))) == late
    assert case.resolution is not None
    soon = replace(case.resolution, due_at=first.due_at - MINUTE)
    assert pressing(replace(case, resolution=soon)) == soon
    both = replace(case, obligations=(replace(first, breached=True), late))
    assert pressing(both) == both.obligations[0]


def test_a_deadline_is_found_by_the_name_that_a_warning_has_for_it() -> None:
    case = a_case()
    for known in running(case):
        assert named(case, name_of(known)) == known
    assert named(case, "") is None


def test_a_warning_names_the_deadline_that_is_near() -> None:
    story = Story(Policy(resolution={Priority.P3: HOUR}))
    story.hear(a_mention("100"))
    named_by: list[str] = []
    for _ in range(8):
        effects = story.next_step().effects
        named_by += [
            found.about
            for found in effects
            if isinstance(found, Intent) and found.subject == "at_risk"
        ]
    assert named_by == ["resolution", "x:acme:100"]


def test_other_alerts_are_about_no_one_deadline() -> None:
    story = Story()
    story.hear(a_mention("100"))
    decision = story.command(c.EscalateCase, actor=ANA)
    assert [found.about for found in decision.effects if isinstance(found, Intent)] == [""]


def test_a_reason_leaves_the_time_to_whoever_shows_it() -> None:
    first = a_case().obligations[0]
    assert first.because == "first response 4 h for P3, 24x7, due 13:00 UTC"
    assert derivation(first) == "first response 4 h for P3, 24x7"
    odd = replace(first, because="resolution 1 h by rule x, due y, 24x7, due 2026-11-03 10:00 UTC")
    assert derivation(odd) == "resolution 1 h by rule x, due y, 24x7"
    still = replace(first, because="resolution 1 h for P3, 24x7, stands still until")
    assert derivation(still) == "resolution 1 h for P3, 24x7, stands still until"
