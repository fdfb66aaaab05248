"""The checks of the promise: each one sees what it is for, and a sound case passes them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from careline.domain.case import Case, CaseStatus, ObligationStatus, changed
from careline.domain.invariants import audit_case
from careline.domain.steps import next_due
from schemas import commands as c
from tests.support.stories import START, Story, a_mention

_HOUR = timedelta(hours=1)


def a_case() -> Case:
    """Return a case that is claimed, overdue and on the last step of its ladder."""
    story = Story()
    story.hear(a_mention())
    for _ in range(4):
        story.next_step()
    story.command(c.ClaimCase)
    assert story.current.is_exhausted
    return story.current


def obligations(case: Case, **changes: object) -> Case:
    found = tuple(replace(one, **changes) for one in case.obligations)  # type: ignore[arg-type]
    return changed(case, obligations=found)


def a_claim(case: Case, **changes: object) -> Case:
    assert case.claim is not None
    return changed(case, claim=replace(case.claim, **changes))  # type: ignore[arg-type]


BREAKS: dict[str, Callable[[Case], Case]] = {
    "open queries and no next step": lambda case: changed(case, status=CaseStatus.RESOLVED),
    "a target was missed and nobody is told of it": lambda case: changed(case, ladder=None),
    "its ladder is exhausted and the case is closed": lambda case: changed(
        case, status=CaseStatus.RESOLVED
    ),
    "claimed by nobody": lambda case: changed(case, claim=None),
    "held under fence 9, the latest is 1": lambda case: a_claim(case, fence=9),
    "its holder is reminded after the end of the lease": lambda case: a_claim(
        case, remind_at=START + 99 * _HOUR
    ),
    "snoozed without an end": lambda case: changed(
        case, status=CaseStatus.SNOOZED, snoozed_until=None
    ),
    "resolved without a reason or an actor": lambda case: changed(
        case, status=CaseStatus.RESOLVED, disposition=c.Disposition.SPAM
    ),
    "resolved with 1 open queries": lambda case: changed(case, status=CaseStatus.RESOLVED),
    "query x:acme:100 closed without a reason": lambda case: obligations(
        case, status=ObligationStatus.CLOSED
    ),
    "query x:acme:100 settled without a time": lambda case: obligations(
        case, status=ObligationStatus.ANSWERED
    ),
}


@pytest.mark.parametrize("problem", BREAKS)
def test_what_is_broken_is_named(problem: str) -> None:
    case = BREAKS[problem](a_case())
    found = audit_case(case, next_due(case))
    assert any(problem in each for each in found), found


def test_sound_case_passes_every_check() -> None:
    case = a_case()
    assert audit_case(case, next_due(case)) == ()


def test_open_query_without_an_entry_in_the_due_set_is_named() -> None:
    case = a_case()
    found = audit_case(case, None)
    assert f"{case.case_id}: 1 open queries and no deadline" in found
    assert any("due None in the set" in each for each in found)


def test_entry_of_the_due_set_may_differ_by_a_millisecond_and_no_more() -> None:
    case = a_case()
    due = next_due(case)
    assert due is not None
    assert audit_case(case, due + timedelta(milliseconds=1)) == ()
    assert audit_case(case, due - timedelta(milliseconds=1)) == ()
    assert audit_case(case, due + timedelta(microseconds=1001)) != ()
    assert audit_case(case, due - timedelta(microseconds=1001)) != ()


def test_entry_of_a_closed_case_in_the_due_set_is_named() -> None:
    story = Story()
    story.hear(a_mention())
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    assert audit_case(story.current, None) == ()
    assert audit_case(story.current, START) != ()


def test_claim_without_a_reminder_is_sound() -> None:
    case = a_claim(a_case(), remind_at=None)
    assert audit_case(case, next_due(case)) == ()


def test_claim_reminded_at_the_very_end_is_sound() -> None:
    case = a_case()
    assert case.claim is not None
    case = a_claim(case, remind_at=case.claim.lease_until)
    assert audit_case(case, next_due(case)) == ()
