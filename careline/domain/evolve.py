"""How an event changes a case: the only way that a case changes.

Promises: pure and total over the events; replaying a case's events gives the same state, byte for
byte. It refuses nothing and decides nothing: every time that matters stands in the event.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from careline.domain.case import (
    Card,
    Case,
    CaseStatus,
    Claim,
    Ladder,
    ObligationStatus,
    Order,
    ReplyInFlight,
    ReplyState,
    changed,
    is_same,
)
from careline.domain.codec import case_of
from careline.domain.evolve_targets import (
    at_risk,
    deadline_moved,
    missed,
    obligation_added,
    obligation_changed,
    resolution_targeted,
    with_obligations,
)
from schemas import events as e
from schemas.commands import Actor
from schemas.identity import MentionId


def evolve(case: Case | None, event: e.CaseEvent | e.UnknownEvent) -> Case:
    """Return the case after an event; a case begins with `CaseOpened` or `CaseSnapshotted`.

    Raises:
        ValueError: the event is not the case's first, and there is no case.
    """
    if isinstance(event, e.CaseOpened):
        return _opened(event)
    if case is None and isinstance(event, e.CaseSnapshotted):
        case = case_of(event.state)
    if case is None:
        msg = f"{event.type} cannot begin case {event.case_id}"
        raise ValueError(msg)
    after = _CHANGES[type(event)](case, event)
    return changed(
        after, version=event.version, last_event_id=event.event_id, last_event_at=event.at
    )


def _snapshotted(case: Case, event: e.CaseSnapshotted) -> Case:
    return changed(case, snapshotted_at=event.at)


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


def _still_due(case: Case) -> Case:
    """Stop the ladder when nothing is open any more."""
    if case.ladder is not None and not case.open_obligations:
        return changed(case, ladder=None)
    return case


def _noted(case: Case, event: e.MentionNoted) -> Case:
    if event.mention_id in case.noted:
        return case
    return changed(case, noted=(*case.noted, event.mention_id))


def _later(one: Order | None, other: Order | None) -> Order | None:
    return max((found for found in (one, other) if found is not None), default=None)


def _answered(case: Case, event: e.ObligationsAnswered) -> Case:
    answered = with_obligations(
        case, event.covers, status=ObligationStatus.ANSWERED, settled_at=event.at, disposition=None
    )
    own_posts = case.own_posts
    if event.native_id and event.native_id not in own_posts:
        own_posts = (*own_posts, event.native_id)
    up_to = _later(case.answered_up_to, event.up_to)
    return _still_due(changed(answered, answered_up_to=up_to, own_posts=own_posts))


def _closed(case: Case, event: e.ObligationsClosed) -> Case:
    return _still_due(
        with_obligations(
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
    return with_obligations(case, (MentionId(event.mention_id),), **changes) if changes else case


def _claimed(case: Case, event: e.CaseClaimed) -> Case:
    claim = Claim(
        holder=event.actor,
        fence=event.fence,
        since=event.at,
        lease_until=event.lease_until,
        remind_at=event.remind_at,
    )
    reply = case.reply
    if reply is not None and _goes_on(case, reply, event.actor):
        reply = replace(reply, fence=event.fence)
    return changed(
        case,
        status=CaseStatus.CLAIMED,
        claim=claim,
        claims=event.fence,
        snoozed_until=None,
        reply=reply,
    )


def _goes_on(case: Case, reply: ReplyInFlight, claimant: Actor) -> bool:
    """Whether a reply in flight stays its claimant's: who holds the case, or who wrote it."""
    held = case.claim is not None and is_same(case.claim.holder, claimant)
    return held or is_same(reply.actor, claimant)


def _reminded(case: Case, event: e.CaseReminded) -> Case:
    if case.claim is None:
        return case
    return changed(case, claim=replace(case.claim, lease_until=event.lease_until, remind_at=None))


def _renewed(
    case: Case, event: e.CaseWoken | e.ReplyDelivered | e.ReplyDropped | e.ReplyUnsettled
) -> Claim | None:
    """Return the claim with the lease that an event gives it anew, if it gives one."""
    if case.claim is None or event.lease_until is None:
        return case.claim
    return replace(case.claim, lease_until=event.lease_until, remind_at=event.remind_at)


def _released(case: Case, _: e.CaseReleased) -> Case:
    free = changed(case, claim=None)
    return changed(free, status=in_front(free)) if case.status is CaseStatus.CLAIMED else free


def _snoozed(case: Case, event: e.CaseSnoozed) -> Case:
    once_more = tuple(
        replace(found, snoozes=found.snoozes + 1) if found.is_open else found
        for found in case.obligations
    )
    ladder = case.ladder
    if ladder is not None and event.next_step_at is not None:
        ladder = replace(ladder, next_step_at=event.next_step_at, put_off_until=event.until)
    return changed(
        case,
        status=CaseStatus.SNOOZED,
        snoozed_until=event.until,
        obligations=once_more,
        ladder=ladder,
    )


def _woken(case: Case, event: e.CaseWoken) -> Case:
    ladder = case.ladder
    if ladder is not None:
        at = event.next_step_at or ladder.next_step_at
        ladder = replace(ladder, next_step_at=at, put_off_until=None)
    awake = changed(case, snoozed_until=None, claim=_renewed(case, event), ladder=ladder)
    return changed(awake, status=in_front(awake))


def _breached(case: Case, event: e.CaseBreached) -> Case:
    return changed(missed(case, event), ladder=_ladder(case, event, exhausted=case.is_exhausted))


def _ladder(case: Case, event: e.CaseBreached | e.CaseEscalated, *, exhausted: bool) -> Ladder:
    """Return the ladder after an event; its steps are those of the event that started it."""
    known = case.ladder or Ladder(
        next_step=event.next_step, next_step_at=event.next_step_at, run=event.version
    )
    return replace(
        known,
        next_step=event.next_step,
        next_step_at=event.next_step_at,
        exhausted=exhausted,
        steps=event.steps or known.steps,
        repeat_every=event.repeat_every or known.repeat_every,
    )


def _escalated(case: Case, event: e.CaseEscalated) -> Case:
    if case.kind is e.CaseKind.OPERATIONS:
        return changed(case, review_at=event.next_step_at)
    ladder = _ladder(case, event, exhausted=event.exhausted)
    return changed(case, ladder=replace(ladder, put_off_until=None))


def _step_moved(case: Case, event: e.CaseStepMoved) -> Case:
    if case.ladder is None:
        return case
    return changed(case, ladder=replace(case.ladder, next_step_at=event.next_step_at))


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
            fence=event.fence,
        ),
    )


def _reply_delivered(case: Case, event: e.ReplyDelivered) -> Case:
    delivered = (*case.delivered, event.native_id) if event.native_id else case.delivered
    return changed(case, reply=None, delivered=delivered, claim=_renewed(case, event))


def _reply_dropped(case: Case, event: e.ReplyDropped) -> Case:
    return changed(case, reply=None, claim=_renewed(case, event))


def _reply_unsettled(case: Case, event: e.ReplyUnsettled) -> Case:
    if case.reply is None:
        return case
    in_doubt = replace(case.reply, state=ReplyState.UNSETTLED)
    return changed(case, reply=in_doubt, claim=_renewed(case, event))


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
        resolution=None,
        snoozed_until=None,
        follow_up_at=None,
        review_at=None,
    )


def _reopened(case: Case, event: e.CaseReopened) -> Case:
    open_again = changed(
        case,
        disposition=None,
        resolved_at=None,
        resolved_by=None,
        follow_up_at=None,
        review_at=event.review_at,
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
        e.ObligationAdded: obligation_added,
        e.ObligationChanged: obligation_changed,
        e.DeadlineMoved: deadline_moved,
        e.ResolutionTargeted: resolution_targeted,
        e.MentionNoted: _noted,
        e.ObligationsAnswered: _answered,
        e.ObligationsClosed: _closed,
        e.TriageCorrected: _corrected,
        e.CaseClaimed: _claimed,
        e.CaseReminded: _reminded,
        e.CaseReleased: _released,
        e.CaseSnoozed: _snoozed,
        e.CaseWoken: _woken,
        e.CaseAtRisk: at_risk,
        e.CaseBreached: _breached,
        e.CaseEscalated: _escalated,
        e.CaseStepMoved: _step_moved,
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
        e.CaseSnapshotted: _snapshotted,
        e.UnknownEvent: _unchanged,
    },
)
