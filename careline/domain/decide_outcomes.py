"""What follows from the outcome of an effect: a card stands, a reply was delivered or dropped.

Promises: an outcome is taken over once; a second report of the same effect changes nothing. What
was not sent leaves its queries open, with their deadlines.
"""

from __future__ import annotations

from careline.domain.decide_mentions import delivered
from careline.domain.draft import Decision, Draft
from careline.domain.policy import Policy
from schemas import events as e
from schemas.commands import Disposition, Outcome, RecordOutcome


def record_outcome(command: RecordOutcome, draft: Draft, policy: Policy) -> Decision:
    """Take over what became of an effect of the case."""
    kind = command.effect_id.partition(":")[0]
    if kind == "reply":
        return _reply(command, draft, policy)
    if command.outcome is not Outcome.DONE:
        draft.add(
            e.EffectFailed,
            effect_id=command.effect_id,
            reason=f"{command.outcome}: {command.reason}" if command.reason else command.outcome,
        )
        return draft.decision()
    if kind == "card":
        if draft.current.card is not None:
            return draft.refuse(command.type, e.Refusal.ALREADY_SETTLED)
        draft.add(
            e.CardPosted,
            effect_id=command.effect_id,
            channel=command.channel,
            ts=command.native_id,
            shown_version=command.shown_version,
        )
    else:
        draft.add(
            e.AlertPosted,
            effect_id=command.effect_id,
            channel=command.channel,
            ts=command.native_id,
        )
    return draft.decision()


def _reply(command: RecordOutcome, draft: Draft, policy: Policy) -> Decision:
    reply = draft.current.reply
    if reply is None or reply.effect_id != command.effect_id:
        return draft.refuse(command.type, e.Refusal.ALREADY_SETTLED)
    match command.outcome:
        case Outcome.DONE:
            delivered(draft, reply, command.native_id, policy)
        case Outcome.UNSETTLED:
            unsettled(draft, reply.effect_id, command.reason, policy)
        case _:
            dropped(draft, reply.effect_id, command.reason or str(command.outcome), policy)
    return draft.decision()


def unsettled(draft: Draft, effect_id: str, reason: str, policy: Policy) -> None:
    """Take over that nobody can tell whether a reply was sent; the lease runs again."""
    draft.add(e.ReplyUnsettled, effect_id=effect_id, reason=reason, **draft.renewed(policy))


def dropped(draft: Draft, effect_id: str, reason: str, policy: Policy) -> None:
    """Take over that a reply was not sent: its queries stay open, its holder has the time again."""
    draft.add(e.ReplyDropped, effect_id=effect_id, reason=reason, **draft.renewed(policy))
    draft.settle(policy, disposition=why_settled(draft))


def why_settled(draft: Draft) -> Disposition:
    """Return how a case ends whose last queries were settled while a reply was in flight."""
    closed = [found for found in draft.current.obligations if found.disposition is not None]
    answered = [found for found in draft.current.obligations if found.disposition is None]
    if answered or not closed:
        return Disposition.ANSWERED
    return closed[-1].disposition or Disposition.ANSWERED
