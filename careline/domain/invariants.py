"""The promise as checks on one case: what must hold of it at any time.

Promises: each check is pure and names what is broken in words for an operator. A case that passes
is answered, closed with a reason and an actor, or open with a live deadline that stands in the due-
set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from careline.domain.case import Case, CaseStatus, ObligationStatus
from careline.domain.steps import next_due

_MILLISECOND = 0.001
Check = Callable[[Case, datetime | None], Iterator[str]]


def live_case_has_a_deadline(case: Case, due_at: datetime | None) -> Iterator[str]:
    """A case with an open query stands in the due-set."""
    if case.open_obligations and due_at is None:
        yield f"{case.case_id}: {len(case.open_obligations)} open queries and no deadline"


def deadline_is_the_earliest(case: Case, due_at: datetime | None) -> Iterator[str]:
    """The entry in the due-set is the case's earliest step (within 1 ms, the set's resolution)."""
    wanted = next_due(case)
    if wanted is None and due_at is None:
        return
    if wanted is None or due_at is None or abs((wanted - due_at).total_seconds()) > _MILLISECOND:
        yield f"{case.case_id}: due {due_at} in the set, {wanted} by its state"


def closed_case_has_a_reason_and_an_actor(case: Case, _: datetime | None) -> Iterator[str]:
    """A resolved case says why and who, and leaves no query open."""
    if case.status is not CaseStatus.RESOLVED:
        return
    if case.disposition is None or case.resolved_by is None:
        yield f"{case.case_id}: resolved without a reason or an actor"
    if case.open_obligations:
        yield f"{case.case_id}: resolved with {len(case.open_obligations)} open queries"


def closed_query_has_a_reason(case: Case, _: datetime | None) -> Iterator[str]:
    """A closed query says why, and a settled one when."""
    for found in case.obligations:
        if found.status is ObligationStatus.CLOSED and found.disposition is None:
            yield f"{case.case_id}: query {found.mention_id} closed without a reason"
        if not found.is_open and found.settled_at is None:
            yield f"{case.case_id}: query {found.mention_id} settled without a time"


CHECKS: Final[tuple[Check, ...]] = (
    live_case_has_a_deadline,
    deadline_is_the_earliest,
    closed_case_has_a_reason_and_an_actor,
    closed_query_has_a_reason,
)


def audit_case(case: Case, due_at: datetime | None) -> tuple[str, ...]:
    """Return what is broken in a case, in words; ``due_at`` is its entry in the due-set."""
    return tuple(problem for check in CHECKS for problem in check(case, due_at))
