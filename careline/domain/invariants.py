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
from careline.domain.steps import next_due, next_step

_MILLISECOND = 0.001
Check = Callable[[Case, datetime | None], Iterator[str]]


def live_case_has_a_deadline(case: Case, due_at: datetime | None) -> Iterator[str]:
    """A case with an open query stands in the due-set."""
    if case.open_obligations and due_at is None:
        yield f"{case.case_id}: {len(case.open_obligations)} open queries and no deadline"


def open_query_has_a_next_step(case: Case, _: datetime | None) -> Iterator[str]:
    """While a query is open something falls due, and once it is late somebody is told."""
    if not case.open_obligations:
        return
    if next_step(case) is None:
        yield f"{case.case_id}: {len(case.open_obligations)} open queries and no next step"
    if case.ladder is None and any(found.breached for found in case.open_obligations):
        yield f"{case.case_id}: a target was missed and nobody is told of it"


def exhausted_case_is_live(case: Case, _: datetime | None) -> Iterator[str]:
    """An exhausted ladder parks its case with an alarm that repeats; it closes nothing."""
    if case.is_exhausted and not case.is_live:
        yield f"{case.case_id}: its ladder is exhausted and the case is closed"


def held_case_has_one_holder(case: Case, _: datetime | None) -> Iterator[str]:
    """A claimed case has a holder, under the latest fence, until a time."""
    if case.status is CaseStatus.CLAIMED and case.claim is None:
        yield f"{case.case_id}: claimed by nobody"
    if case.claim is None:
        return
    if case.claim.fence != case.claims:
        yield f"{case.case_id}: held under fence {case.claim.fence}, the latest is {case.claims}"
    if case.claim.remind_at is not None and case.claim.remind_at > case.claim.lease_until:
        yield f"{case.case_id}: its holder is reminded after the end of the lease"


def snoozed_case_wakes(case: Case, _: datetime | None) -> Iterator[str]:
    """A snoozed case says until when."""
    if case.status is CaseStatus.SNOOZED and case.snoozed_until is None:
        yield f"{case.case_id}: snoozed without an end"


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
    open_query_has_a_next_step,
    exhausted_case_is_live,
    held_case_has_one_holder,
    snoozed_case_wakes,
    deadline_is_the_earliest,
    closed_case_has_a_reason_and_an_actor,
    closed_query_has_a_reason,
)


def audit_case(case: Case, due_at: datetime | None) -> tuple[str, ...]:
    """Return what is broken in a case, in words; ``due_at`` is its entry in the due-set."""
    return tuple(problem for check in CHECKS for problem in check(case, due_at))
