"""What falls due next in a case: the one entry that stands in the due-set.

Promises: while a query is open there is always a next step with a time: a warning, the breach, or
the ladder, which repeats its last step until somebody answers. A claim, a snooze or a reply in
flight never takes that step away.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from careline.domain.case import Case, CaseStatus, Claim, ReplyState
from schemas.events import CaseKind
from schemas.targets import TargetKind

NEVER: Final = datetime.max.replace(tzinfo=UTC)
OUTCOME_GRACE = timedelta(hours=1)
"""How long after the end of its validity a reply without an outcome is given up as unsettled."""

IN_DOUBT: Final = timedelta(days=3)
"""How long after the end of its validity somebody may still say what became of a reply in doubt, if
no query waits for it any more and nobody holds the case."""


class StepKind(enum.StrEnum):
    """What is to be done when a step falls due."""

    AT_RISK = "at_risk"
    BREACH = "breach"
    LADDER = "ladder"
    REMINDER = "reminder"
    LEASE = "lease"
    REPLY = "reply"
    WAKE = "wake"
    FOLLOW_UP = "follow_up"
    REVIEW = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueStep:
    """One step with its time. Both are its cause id: a later step of one name is due later."""

    kind: StepKind
    due: datetime
    name: str
    mention_id: str = ""
    fence: int = 0
    """Of the claim that a reminder is about."""
    then: datetime = NEVER
    """What a warning or a reminder announces: the deadline, the end of the lease."""
    target: TargetKind = TargetKind.FIRST_RESPONSE
    """Of a warning or a breach: whether it is of a query or of the whole case."""


def _obligation_steps(case: Case) -> Iterator[DueStep]:
    for found in case.open_obligations:
        key = f"{found.mention_id}:{found.revision}"
        if not found.breached:
            yield DueStep(
                kind=StepKind.BREACH,
                due=found.due_at,
                name=f"breach:{key}",
                mention_id=found.mention_id,
            )
            if not found.warned:
                yield DueStep(
                    kind=StepKind.AT_RISK,
                    due=found.at_risk_at,
                    name=f"at_risk:{key}",
                    mention_id=found.mention_id,
                    then=found.due_at,
                )


def _resolution_steps(case: Case) -> Iterator[DueStep]:
    """Yield the steps of the case's own deadline; it is met while nothing is open."""
    found = case.resolution
    if found is None or found.breached or not case.open_obligations:
        return
    target = TargetKind.RESOLUTION
    yield DueStep(kind=StepKind.BREACH, due=found.due_at, name="breach:resolution", target=target)
    if not found.warned:
        yield DueStep(
            kind=StepKind.AT_RISK,
            due=found.at_risk_at,
            name="at_risk:resolution",
            then=found.due_at,
            target=target,
        )


def _holder_steps(case: Case) -> Iterator[DueStep]:
    snoozed = case.status is CaseStatus.SNOOZED
    if snoozed and case.snoozed_until is not None:
        yield DueStep(kind=StepKind.WAKE, due=case.snoozed_until, name="wake")
    sending = case.reply is not None and case.reply.state is ReplyState.REQUESTED
    if case.reply is not None and sending:
        yield DueStep(
            kind=StepKind.REPLY,
            due=case.reply.not_after + OUTCOME_GRACE,
            name=case.reply.effect_id,
        )
    if case.claim is not None and not sending and not snoozed:
        yield from _lease_steps(case.claim)


def _doubt_steps(case: Case) -> Iterator[DueStep]:
    """Yield the end of a case that nothing but a reply in doubt keeps open."""
    reply = case.reply
    if reply is None or reply.state is not ReplyState.UNSETTLED:
        return
    if case.claim is None and not case.open_obligations and case.follow_up_at is None:
        yield DueStep(
            kind=StepKind.FOLLOW_UP,
            due=reply.not_after + IN_DOUBT,
            name=f"in_doubt:{reply.effect_id}",
        )


def _lease_steps(claim: Claim) -> Iterator[DueStep]:
    if claim.remind_at is not None:
        yield DueStep(
            kind=StepKind.REMINDER,
            due=claim.remind_at,
            name=f"reminder:{claim.fence}",
            fence=claim.fence,
            then=claim.lease_until,
        )
    yield DueStep(kind=StepKind.LEASE, due=claim.lease_until, name=f"lease:{claim.fence}")


def pending_steps(case: Case) -> Iterator[DueStep]:
    """Yield every step of a case that is still to come, in no order."""
    if not case.is_live:
        return
    yield from _obligation_steps(case)
    yield from _resolution_steps(case)
    if case.ladder is not None:
        yield DueStep(
            kind=StepKind.LADDER,
            due=case.ladder.next_step_at,
            name=f"ladder:{case.ladder.run}:{case.ladder.next_step}",
        )
    yield from _holder_steps(case)
    yield from _doubt_steps(case)
    if case.follow_up_at is not None:
        yield DueStep(kind=StepKind.FOLLOW_UP, due=case.follow_up_at, name="follow_up")
    if case.kind is CaseKind.OPERATIONS and case.review_at is not None:
        yield DueStep(kind=StepKind.REVIEW, due=case.review_at, name="review")


def next_step(case: Case) -> DueStep | None:
    """Return the earliest step still to come, or None when nothing can fall due."""
    return min(pending_steps(case), key=lambda step: (step.due, step.name), default=None)


def next_due(case: Case) -> datetime | None:
    """Return when the earliest step falls due: the case's one entry in the due-set."""
    step = next_step(case)
    return step.due if step else None
