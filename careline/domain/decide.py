"""The business rule of careline in one place: what follows from what was heard, asked or fell due.

Promises: pure, synchronous, `now` is an argument. The same case, cause and time give the same
decision, with the same event ids; `now` never runs behind the case's last event.
"""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from careline.domain.case import Case
from careline.domain.decide_commands import decide_command, escalate
from careline.domain.decide_mentions import decide_brand_post, decide_delete, decide_mention
from careline.domain.draft import Cause, Decision, Draft
from careline.domain.ladder import start
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
            known = draft.current.obligation(step.mention_id)
            draft.add(
                e.CaseAtRisk,
                mention_id=step.mention_id,
                due_at=known.due_at if known else step.due,
            )
        case StepKind.BREACH:
            ladder = draft.current.ladder or start(draft.now, policy)
            draft.add(
                e.CaseBreached,
                mention_id=step.mention_id,
                due_at=step.due,
                next_step=ladder.next_step,
                next_step_at=ladder.next_step_at,
            )
        case StepKind.LADDER:
            escalate(draft, policy)
        case StepKind.LEASE:
            draft.add(e.CaseReleased, reason="lease_expired")
        case StepKind.REPLY:
            reply = draft.current.reply
            effect = reply.effect_id if reply else step.name
            draft.add(e.ReplyUnsettled, effect_id=effect, reason="nobody reported an outcome")
        case StepKind.WAKE:
            draft.wake("time", policy)
        case StepKind.FOLLOW_UP:
            draft.add(e.CaseResolved, disposition=Disposition.ANSWERED)
        case StepKind.REVIEW:
            review(draft, policy)
        case _:
            assert_never(step.kind)
