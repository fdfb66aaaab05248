"""What follows from a command: one change of the case, or one refusal that says why.

Promises: the first claim wins and the loser learns who holds the case; at most one reply is in
flight; a command covers what its sender's card showed and nothing else; nothing happens after its
time (design sections 2, 3 and 6).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from careline.domain.case import (
    Case,
    CaseStatus,
    Claim,
    ObligationStatus,
    ReplyState,
    is_same,
)
from careline.domain.decide_mentions import delivered, text_digest
from careline.domain.decide_outcomes import dropped, record_outcome
from careline.domain.draft import Cause, Decision, Draft
from careline.domain.effects import reply_effect
from careline.domain.ladder import climb, put_off
from careline.domain.operations import note_unreadable
from careline.domain.pauses import pausing, resuming
from careline.domain.policy import Policy
from careline.domain.targeting import facts_again, run_on, target_again
from schemas import commands as c
from schemas import events as e
from schemas.identity import event_id
from schemas.triage import Triage

_HOLDERS_ONLY = (c.ActorKind.AGENT, c.ActorKind.BOT)


def decide_command(
    command: c.Command, *, case: Case | None, cause: Cause, now: datetime, policy: Policy
) -> Decision:
    """Decide on a command; it ends in events or in one `CommandRefused`."""
    draft = Draft(case, case_id=command.case_id, cause=cause, now=now, actor=command.actor)
    if isinstance(command, c.ReportUnreadable):
        return note_unreadable(command, draft, policy)
    if case is None:
        return draft.refuse(command.type, e.Refusal.NO_SUCH_CASE)
    if isinstance(command, c.RecordOutcome):
        return record_outcome(command, draft, policy)
    if command.not_after is not None and draft.now > command.not_after:
        return draft.refuse(command.type, e.Refusal.TOO_LATE)
    reason = _RULES[type(command)](command, draft, policy)
    if reason is not None:
        return draft.refuse(command.type, reason, claim=case.claim)
    return draft.decision()


def _held_by_other(case: Case, actor: c.Actor) -> Claim | None:
    """Return the claim of somebody else; operators may act on any case."""
    claim = case.claim
    if claim is None or actor.kind not in _HOLDERS_ONLY:
        return None
    return None if is_same(claim.holder, actor) else claim


def _claim(command: c.ClaimCase, draft: Draft, policy: Policy) -> e.Refusal | None:
    case = draft.current
    if not case.is_live:
        return e.Refusal.ALREADY_RESOLVED
    if _held_by_other(case, command.actor):
        return e.Refusal.ALREADY_CLAIMED
    draft.wake("agent_acted", policy)
    _take(draft, policy)
    return None


def _take(draft: Draft, policy: Policy) -> None:
    """Claim the case for who asks, under the next fence."""
    draft.add(e.CaseClaimed, fence=draft.current.claims + 1, **draft.lease(policy))


def _release(command: c.ReleaseCase, draft: Draft, _: Policy) -> e.Refusal | None:
    case = draft.current
    if case.claim is None:
        return e.Refusal.NOT_CLAIMED
    if _held_by_other(case, command.actor):
        return e.Refusal.ALREADY_CLAIMED
    draft.add(e.CaseReleased, reason="released")
    return None


def _reply(command: c.ReplyToCase, draft: Draft, policy: Policy) -> e.Refusal | None:
    case = draft.current
    refusal = _reply_refused(command, case)
    if refusal is not None:
        return refusal
    covers = tuple(
        found.mention_id for found in case.open_obligations if found.mention_id in command.covers
    )
    target = max(
        (found for found in case.obligations if not covers or found.mention_id in covers),
        key=lambda found: found.order,
    )
    roused = draft.rouse("agent_acted", policy)
    if case.claim is None:
        _take(draft, policy)
    effect = reply_effect(event_id(draft.cause.id, draft.case_id, len(draft.events)))
    limit = draft.now + policy.reply_valid_for
    draft.add(
        e.ReplyRequested,
        effect_id=effect,
        covers=covers,
        in_reply_to=target.mention_id.split(":", 2)[2],
        text_sha256=text_digest(command.text),
        not_after=min(limit, command.not_after) if command.not_after else limit,
        expects_answer=command.expects_answer,
        fence=draft.current.claims,
    )
    if roused:
        # Behind the request: whoever hears the command again knows its event by a low index.
        draft.move(resuming(draft.current, now=draft.now, policy=policy))
    return None


def _reply_refused(  # noqa: PLR0911 - one row a reason
    command: c.ReplyToCase, case: Case
) -> e.Refusal | None:
    if not case.is_live:
        return e.Refusal.ALREADY_RESOLVED
    if _held_by_other(case, command.actor):
        return e.Refusal.ALREADY_CLAIMED
    if command.fence is not None and command.fence < case.claims:
        return e.Refusal.STALE_CLAIM
    if case.reply is not None:
        return e.Refusal.REPLY_IN_FLIGHT
    if not command.text.strip():
        return e.Refusal.EMPTY_REPLY
    open_ids = {found.mention_id for found in case.open_obligations}
    if not case.obligations or (open_ids and not open_ids & set(command.covers)):
        return e.Refusal.NOTHING_COVERED
    if command.covers and not open_ids & set(command.covers):
        return e.Refusal.NOTHING_COVERED
    return None


def _snooze(command: c.SnoozeCase, draft: Draft, policy: Policy) -> e.Refusal | None:
    case = draft.current
    if not case.is_live:
        return e.Refusal.ALREADY_RESOLVED
    if _held_by_other(case, command.actor):
        return e.Refusal.ALREADY_CLAIMED
    if command.until <= draft.now:
        return e.Refusal.NOT_IN_FUTURE
    if any(found.snoozes >= policy.snoozes_at_most for found in case.open_obligations):
        return e.Refusal.SNOOZED_TOO_OFTEN
    until = min(command.until, draft.now + policy.snooze_at_most)
    next_step_at = put_off(case.ladder, now=draft.now, until=until, policy=policy)
    draft.add(e.CaseSnoozed, until=until, next_step_at=next_step_at)
    draft.move(pausing(draft.current, now=draft.now, policy=policy))
    return None


def _escalate(_: c.EscalateCase, draft: Draft, policy: Policy) -> e.Refusal | None:
    if not draft.current.is_live:
        return e.Refusal.ALREADY_RESOLVED
    if draft.current.kind is e.CaseKind.CARE and not draft.current.open_obligations:
        return e.Refusal.NOTHING_COVERED
    escalate(draft, policy)
    return None


def escalate(draft: Draft, policy: Policy) -> None:
    """Tell the next step of the ladder, and set the time of the one after it."""
    known = draft.current.ladder
    told = climb(known, now=draft.now, policy=policy)
    started = draft.current.kind is e.CaseKind.CARE and (known is None or not known.steps)
    draft.add(
        e.CaseEscalated,
        step=told.index,
        step_name=told.step.name,
        notify=told.step.notify,
        next_step=told.then.next_step,
        next_step_at=told.then.next_step_at,
        exhausted=told.then.exhausted,
        steps=told.then.steps if started else (),
        repeat_every=told.then.repeat_every if started else None,
    )


def _resolve(command: c.ResolveCase, draft: Draft, policy: Policy) -> e.Refusal | None:
    case = draft.current
    if not case.is_live:
        return e.Refusal.ALREADY_RESOLVED
    if _held_by_other(case, command.actor):
        return e.Refusal.ALREADY_CLAIMED
    if case.reply is not None and case.reply.state is ReplyState.REQUESTED:
        return e.Refusal.REPLY_IN_FLIGHT
    covers = tuple(
        found.mention_id for found in case.open_obligations if found.mention_id in command.covers
    )
    if case.open_obligations and not covers:
        return e.Refusal.NOTHING_COVERED
    if covers:
        draft.add(e.ObligationsClosed, covers=covers, disposition=command.disposition)
    if not draft.current.open_obligations:
        if draft.current.reply is not None:
            draft.add(
                e.ReplyDropped,
                effect_id=draft.current.reply.effect_id,
                reason="the case was resolved before anybody settled it",
            )
        draft.add(e.CaseResolved, disposition=command.disposition)
    else:
        draft.wake("agent_acted", policy)
    return None


def _correct(command: c.CorrectTriage, draft: Draft, policy: Policy) -> e.Refusal | None:
    known = draft.current.obligation(command.mention_id)
    if known is None:
        return e.Refusal.UNKNOWN_MENTION
    draft.add(
        e.TriageCorrected,
        mention_id=command.mention_id,
        query=command.query,
        sentiment=command.sentiment,
        urgency=command.urgency,
    )
    if not command.query:
        if known.is_open:
            draft.add(
                e.ObligationsClosed,
                covers=(known.mention_id,),
                disposition=c.Disposition.NOT_A_QUERY,
            )
            draft.settle(policy, disposition=c.Disposition.NOT_A_QUERY)
        return None
    if known.status is ObligationStatus.ANSWERED:
        return None  # it was a query, and it has its answer: nothing is open again
    urgency = command.urgency or known.urgency
    priority = Triage(query=True, urgency=urgency, model="person").priority
    facts = facts_again(draft.current, known, priority, policy)
    since = None if known.is_open else draft.now
    if not known.is_open and draft.current.status in (
        CaseStatus.ANSWERED,
        CaseStatus.WAITING,
        CaseStatus.RESOLVED,
    ):
        draft.add(e.CaseReopened, reason="corrected")
    if not known.is_open or priority != known.priority:
        target = target_again(draft, known, facts, since=since, policy=policy)
        draft.add(
            e.ObligationChanged,
            mention_id=known.mention_id,
            revision=known.revision,
            priority=priority,
            sentiment=command.sentiment or known.sentiment,
            urgency=urgency,
            at_risk_at=target.at_risk_at,
            due_at=target.due_at,
            because=target.because,
            reopened=not known.is_open,
            terms=target.terms,
        )
    if since is not None:
        run_on(draft, facts, since=since, policy=policy)
    return None


def _settle(command: c.SettleReply, draft: Draft, policy: Policy) -> e.Refusal | None:
    reply = draft.current.reply
    if reply is None or reply.effect_id != command.effect_id:
        return e.Refusal.NO_REPLY_IN_FLIGHT
    if reply.state is not ReplyState.UNSETTLED:
        return e.Refusal.REPLY_IN_FLIGHT
    if command.sent:
        delivered(draft, reply, "", policy)
    else:
        dropped(draft, reply.effect_id, "not sent, says a person", policy)
    return None


_Rule = Callable[[Any, Draft, Policy], e.Refusal | None]
_RULES = cast(
    "dict[type[Any], _Rule]",
    {
        c.ClaimCase: _claim,
        c.ReleaseCase: _release,
        c.ReplyToCase: _reply,
        c.SnoozeCase: _snooze,
        c.EscalateCase: _escalate,
        c.ResolveCase: _resolve,
        c.CorrectTriage: _correct,
        c.SettleReply: _settle,
    },
)
