"""What falls due next in a case: the one entry that stands in the due-set.

Promises: while a query is open there is always a next step with a time: a warning, the breach, or
the ladder, which repeats its last step until somebody answers. A claim, a snooze or a reply in
flight never takes that step away.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from careline.domain.case import Case, CaseStatus, ReplyState
from schemas.events import CaseKind

OUTCOME_GRACE = timedelta(hours=1)
"""How long after the end of its validity a reply without an outcome is given up as unsettled."""


class StepKind(enum.StrEnum):
    """What is to be done when a step falls due."""

    AT_RISK = "at_risk"
    BREACH = "breach"
    LADDER = "ladder"
    LEASE = "lease"
    REPLY = "reply"
    WAKE = "wake"
    FOLLOW_UP = "follow_up"
    REVIEW = "review"


@dataclass(frozen=True, slots=True, kw_only=True)
class DueStep:
    """One step with its time; ``name`` is part of its cause id."""

    kind: StepKind
    due: datetime
    name: str
    mention_id: str = ""


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
                )


def _holder_steps(case: Case) -> Iterator[DueStep]:
    snoozed = case.status is CaseStatus.SNOOZED
    if snoozed and case.snoozed_until is not None:
        yield DueStep(kind=StepKind.WAKE, due=case.snoozed_until, name=f"wake:{case.version}")
    sending = case.reply is not None and case.reply.state is ReplyState.REQUESTED
    if case.reply is not None and sending:
        yield DueStep(
            kind=StepKind.REPLY,
            due=case.reply.not_after + OUTCOME_GRACE,
            name=case.reply.effect_id,
        )
    if case.claim is not None and not sending and not snoozed:
        yield DueStep(
            kind=StepKind.LEASE, due=case.claim.lease_until, name=f"lease:{case.claim.fence}"
        )


def pending_steps(case: Case) -> Iterator[DueStep]:
    """Yield every step of a case that is still to come, in no order."""
    if not case.is_live:
        return
    yield from _obligation_steps(case)
    if case.ladder is not None:
        yield DueStep(
            kind=StepKind.LADDER,
            due=case.ladder.next_step_at,
            name=f"ladder:{case.ladder.next_step}:{case.version}",
        )
    yield from _holder_steps(case)
    if case.follow_up_at is not None:
        yield DueStep(kind=StepKind.FOLLOW_UP, due=case.follow_up_at, name="follow_up")
    if case.kind is CaseKind.OPERATIONS and case.review_at is not None:
        yield DueStep(kind=StepKind.REVIEW, due=case.review_at, name=f"review:{case.version}")


def next_step(case: Case) -> DueStep | None:
    """Return the earliest step still to come, or None when nothing can fall due."""
    return min(pending_steps(case), key=lambda step: (step.due, step.name), default=None)


def next_due(case: Case) -> datetime | None:
    """Return when the earliest step falls due: the case's one entry in the due-set."""
    step = next_step(case)
    return step.due if step else None
