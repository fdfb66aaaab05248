"""The business rule of careline in one place: what follows from what was heard, asked or fell due.

Promises: pure, synchronous, `now` is an argument. The same case, cause and time give the same
decision, with the same event ids; `now` never runs behind the case's last event.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from careline.domain.case import Case
from careline.domain.decide_commands import decide_command, escalate
from careline.domain.decide_mentions import (
    decide_brand_post,
    decide_delete,
    decide_mention,
    decide_overlooked,
)
from careline.domain.decide_outcomes import unsettled, why_settled
from careline.domain.draft import Cause, Decision, Draft
from careline.domain.ladder import end_of_quiet, kept, step_of
from careline.domain.operations import review
from careline.domain.policy import Policy
from careline.domain.steps import DueStep, StepKind, next_step
from schemas import events as e
from schemas.commands import POLICY, Disposition
from schemas.identity import deadline_id, digest_of

__all__ = [
    "Cause",
    "Decision",
    "decide_brand_post",
    "decide_command",
    "decide_deadline",
    "decide_delete",
    "decide_mention",
    "decide_overlooked",
]


def decide_deadline(case: Case, *, now: datetime, policy: Policy) -> Decision:
    """Decide on the one step that is due, the earliest; nothing if none is."""
    step = next_step(case)
    at = max(now, case.last_event_at)
    if step is None or step.due > at:
        return Decision(case=case)
    cause_id = deadline_id(case.case_id, step.name, step.due.isoformat())
    cause = Cause(id=cause_id, digest=digest_of(cause_id.encode()))
    draft = Draft(case, case_id=case.case_id, cause=cause, now=at, actor=POLICY)
    _fire(step, draft, policy)
    return draft.decision()


def _fire(step: DueStep, draft: Draft, policy: Policy) -> None:
    match step.kind:
        case StepKind.AT_RISK:
            draft.add(
                e.CaseAtRisk,
                mention_id=step.mention_id,
                due_at=step.then,
                target=step.target,
            )
        case StepKind.BREACH:
            _miss(step, draft, policy)
        case StepKind.LADDER:
            _climb(draft, policy)
        case StepKind.REMINDER:
            # One that comes late leaves the holder the same grace.
            lease_until = draft.now + (step.then - step.due)
            draft.add(e.CaseReminded, fence=step.fence, lease_until=lease_until)
        case StepKind.LEASE:
            draft.add(e.CaseReleased, reason="lease_expired")
        case StepKind.REPLY:
            unsettled(draft, step.name, "nobody reported an outcome", policy)
        case StepKind.WAKE:
            draft.wake("time", policy)
        case StepKind.FOLLOW_UP:
            _follow_up(draft)
        case StepKind.REVIEW:
            review(draft, policy)
        case _:
            assert_never(step.kind)


def _follow_up(draft: Draft) -> None:
    """Close a case of which nobody has said anything more; a reply in doubt is given up."""
    reply = draft.current.reply
    if reply is None:
        draft.add(e.CaseResolved, disposition=Disposition.ANSWERED)
        return
    reason = "nobody said what became of it"
    draft.add(e.ReplyDropped, effect_id=reply.effect_id, reason=reason)
    draft.add(e.CaseResolved, disposition=why_settled(draft))


def _miss(step: DueStep, draft: Draft, policy: Policy) -> None:
    """Say that a target was missed; the first one starts the ladder."""
    ladder = kept(draft.current.ladder, now=draft.now, policy=policy)
    draft.add(
        e.CaseBreached,
        mention_id=step.mention_id,
        due_at=step.due,
        target=step.target,
        next_step=ladder.next_step,
        next_step_at=ladder.next_step_at,
        steps=() if draft.current.ladder else ladder.steps,
        repeat_every=None if draft.current.ladder else ladder.repeat_every,
    )


def _climb(draft: Draft, policy: Policy) -> None:
    """Tell the step that is due, unless it is quiet now: then when that ends."""
    ladder = kept(draft.current.ladder, now=draft.now, policy=policy)
    opens = end_of_quiet(ladder, now=draft.now, policy=policy)
    if opens is None:
        escalate(draft, policy)
        return
    index, step = step_of(ladder)
    draft.add(e.CaseStepMoved, step=index, step_name=step.name, next_step_at=opens)
