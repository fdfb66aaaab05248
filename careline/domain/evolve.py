"""How an event changes a case: the only way that a case changes.

Promises: pure and total over the events; replaying a case's events gives the same state, byte for
byte. It refuses nothing and decides nothing: every time that matters stands in the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from careline.domain.case import (
    Card,
    Case,
    CaseStatus,
    Claim,
    Ladder,
    Obligation,
    ObligationStatus,
    Order,
    ReplyInFlight,
    ReplyState,
    changed,
)
from schemas import events as e
from schemas.identity import MentionId


def evolve(case: Case | None, event: e.CaseEvent) -> Case:
    """Return the case after an event; a case begins with `CaseOpened`.

    Raises:
        ValueError: the event is not the case's first, and there is no case.
    """
    if isinstance(event, e.CaseOpened):
        return _opened(event)
    if case is None:
        msg = f"{event.type} cannot begin case {event.case_id}"
        raise ValueError(msg)
    after = _CHANGES[type(event)](case, event)
    return changed(
        after, version=event.version, last_event_id=event.event_id, last_event_at=event.at
    )


def _opened(event: e.CaseOpened) -> Case:
    return Case(
        case_id=event.case_id,
        kind=event.kind,
        network=event.conversation.network,
        account=event.account,
        root=event.conversation.root,
        visibility=event.conversation.visibility,
        author_id=event.author_id,
        line=event.line,
        episode=event.episode,
        queue=event.queue,
        opened_at=event.at,
        version=event.version,
        last_event_id=event.event_id,
        last_event_at=event.at,
        review_at=event.review_at,
        subject=event.subject,
    )


def in_front(case: Case) -> CaseStatus:
    """Return the status of a case that is nobody's turn but ours."""
    if case.claim is not None:
        return CaseStatus.CLAIMED
    return CaseStatus.OPEN if case.card is not None else CaseStatus.NEW


def _with(case: Case, mention_ids: Iterable[str], **changes: Any) -> Case:
    wanted = set(mention_ids)
    return changed(
        case,
        obligations=tuple(
            replace(found, **changes) if found.mention_id in wanted else found
            for found in case.obligations
        ),
    )


def _still_due(case: Case) -> Case:
    """Stop the ladder when nothing is open any more."""
    if case.ladder is not None and not case.open_obligations:
        return changed(case, ladder=None)
    return case


def _obligation_added(case: Case, event: e.ObligationAdded) -> Case:
    added = Obligation(
        mention_id=event.mention_id,
        revision=event.revision,
        order=event.order,
        priority=event.priority,
        sentiment=event.sentiment,
        urgency=event.urgency,
        heard_at=event.heard_at,
        created_at=event.created_at,
        at_risk_at=event.at_risk_at,
        due_at=event.due_at,
        because=event.because,
    )
    return changed(
        case,
        obligations=(*case.obligations, added),
        # A case that was claimed after its answer is not reopened: what is open ends the follow-up.
        follow_up_at=None,
        noted=tuple(found for found in case.noted if found != event.mention_id),
    )


def _obligation_changed(case: Case, event: e.ObligationChanged) -> Case:
    changes: dict[str, Any] = {
        "revision": event.revision,
        "priority": event.priority,
        "sentiment": event.sentiment,
        "urgency": event.urgency,
        "at_risk_at": event.at_risk_at,
        "due_at": event.due_at,
        "because": event.because,
    }
    if event.reopened:
        changes |= {
            "status": ObligationStatus.OPEN,
            "warned": False,
            "breached": False,
            "disposition": None,
            "settled_at": None,
        }
        case = changed(case, follow_up_at=None)
    return _with(case, (event.mention_id,), **changes)


def _noted(case: Case, event: e.MentionNoted) -> Case:
    if event.mention_id in case.noted:
        return case
    return changed(case, noted=(*case.noted, event.mention_id))


def _later(one: Order | None, other: Order | None) -> Order | None:
    return max((found for found in (one, other) if found is not None), default=None)


def _answered(case: Case, event: e.ObligationsAnswered) -> Case:
    answered = _with(
        case, event.covers, status=ObligationStatus.ANSWERED, settled_at=event.at, disposition=None
    )
    own_posts = case.own_posts
    if event.native_id and event.native_id not in own_posts:
        own_posts = (*own_posts, event.native_id)
    up_to = _later(case.answered_up_to, event.up_to)
    return _still_due(changed(answered, answered_up_to=up_to, own_posts=own_posts))


def _closed(case: Case, event: e.ObligationsClosed) -> Case:
    return _still_due(
        _with(
            case,
            event.covers,
            status=ObligationStatus.CLOSED,
            disposition=event.disposition,
            settled_at=event.at,
        )
    )


def _corrected(case: Case, event: e.TriageCorrected) -> Case:
    changes: dict[str, Any] = {}
    if event.sentiment is not None:
        changes["sentiment"] = event.sentiment
    if event.urgency is not None:
        changes["urgency"] = event.urgency
    return _with(case, (MentionId(event.mention_id),), **changes) if changes else case


def _claimed(case: Case, event: e.CaseClaimed) -> Case:
    claim = Claim(
        holder=event.actor, fence=event.fence, since=event.at, lease_until=event.lease_until
    )
    return changed(
        case, status=CaseStatus.CLAIMED, claim=claim, claims=event.fence, snoozed_until=None
    )


def _released(case: Case, _: e.CaseReleased) -> Case:
    free = changed(case, claim=None)
    return changed(free, status=in_front(free)) if case.status is CaseStatus.CLAIMED else free


def _snoozed(case: Case, event: e.CaseSnoozed) -> Case:
    return changed(case, status=CaseStatus.SNOOZED, snoozed_until=event.until)


def _woken(case: Case, event: e.CaseWoken) -> Case:
    claim = case.claim
    if claim is not None and event.lease_until is not None:
        claim = replace(claim, lease_until=event.lease_until)
    awake = changed(case, snoozed_until=None, claim=claim)
    return changed(awake, status=in_front(awake))


def _at_risk(case: Case, event: e.CaseAtRisk) -> Case:
    return _with(case, (event.mention_id,), warned=True)


def _breached(case: Case, event: e.CaseBreached) -> Case:
    missed = _with(case, (event.mention_id,), warned=True, breached=True)
    exhausted = case.ladder.exhausted if case.ladder else False
    return changed(
        missed,
        ladder=Ladder(
            next_step=event.next_step, next_step_at=event.next_step_at, exhausted=exhausted
        ),
    )


def _escalated(case: Case, event: e.CaseEscalated) -> Case:
    if case.kind is e.CaseKind.OPERATIONS:
        return changed(case, review_at=event.next_step_at)
    return changed(
        case,
        ladder=Ladder(
            next_step=event.next_step, next_step_at=event.next_step_at, exhausted=event.exhausted
        ),
    )


def _reply_requested(case: Case, event: e.ReplyRequested) -> Case:
    return changed(
        case,
        reply=ReplyInFlight(
            effect_id=event.effect_id,
            covers=event.covers,
            text_sha256=event.text_sha256,
            requested_at=event.at,
            not_after=event.not_after,
            expects_answer=event.expects_answer,
            actor=event.actor,
        ),
    )


def _reply_delivered(case: Case, event: e.ReplyDelivered) -> Case:
    delivered = (*case.delivered, event.native_id) if event.native_id else case.delivered
    return changed(case, reply=None, delivered=delivered)


def _reply_dropped(case: Case, _: e.ReplyDropped) -> Case:
    return changed(case, reply=None)


def _reply_unsettled(case: Case, _: e.ReplyUnsettled) -> Case:
    if case.reply is None:
        return case
    return changed(case, reply=replace(case.reply, state=ReplyState.UNSETTLED))


def _card_posted(case: Case, event: e.CardPosted) -> Case:
    card = Card(channel=event.channel, ts=event.ts, shown_version=event.shown_version)
    status = CaseStatus.OPEN if case.status is CaseStatus.NEW else case.status
    return changed(case, card=card, status=status)


def _case_answered(case: Case, event: e.CaseAnswered) -> Case:
    return changed(
        case,
        status=CaseStatus.WAITING if event.waiting_for_author else CaseStatus.ANSWERED,
        follow_up_at=event.follow_up_at,
        claim=None,
        ladder=None,
        snoozed_until=None,
    )


def _resolved(case: Case, event: e.CaseResolved) -> Case:
    return changed(
        case,
        status=CaseStatus.RESOLVED,
        disposition=event.disposition,
        resolved_at=event.at,
        resolved_by=event.actor,
        claim=None,
        ladder=None,
        snoozed_until=None,
        follow_up_at=None,
        review_at=None,
    )


def _reopened(case: Case, _: e.CaseReopened) -> Case:
    open_again = changed(
        case,
        disposition=None,
        resolved_at=None,
        resolved_by=None,
        follow_up_at=None,
    )
    return changed(open_again, status=in_front(open_again))


def _operations_noted(case: Case, event: e.OperationsNoted) -> Case:
    return changed(case, count=event.count)


def _unchanged(case: Case, _: e.CaseEvent) -> Case:
    return case


_Change = Callable[[Case, Any], Case]
_CHANGES: dict[type[Any], _Change] = cast(
    "dict[type[Any], _Change]",
    {
        e.ObligationAdded: _obligation_added,
        e.ObligationChanged: _obligation_changed,
        e.MentionNoted: _noted,
        e.ObligationsAnswered: _answered,
        e.ObligationsClosed: _closed,
        e.TriageCorrected: _corrected,
        e.CaseClaimed: _claimed,
        e.CaseReleased: _released,
        e.CaseSnoozed: _snoozed,
        e.CaseWoken: _woken,
        e.CaseAtRisk: _at_risk,
        e.CaseBreached: _breached,
        e.CaseEscalated: _escalated,
        e.ReplyRequested: _reply_requested,
        e.ReplyDelivered: _reply_delivered,
        e.ReplyDropped: _reply_dropped,
        e.ReplyUnsettled: _reply_unsettled,
        e.CardPosted: _card_posted,
        e.AlertPosted: _unchanged,
        e.EffectFailed: _unchanged,
        e.CaseAnswered: _case_answered,
        e.CaseResolved: _resolved,
        e.CaseReopened: _reopened,
        e.OperationsNoted: _operations_noted,
    },
)
