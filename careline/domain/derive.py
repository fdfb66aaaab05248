"""Which effects an event has: what must be told, sent, edited or no longer sent.

Promises: pure, and a function of the event and the case after it alone, so that a commit and a
recovery from the log derive the same intents. Editing a card is idempotent, hence a refresh and no
effect.
"""

from __future__ import annotations

from dataclasses import replace

from careline.domain.case import Case, ReplyState
from careline.domain.effects import (
    NOTIFY,
    SLACK,
    Cancel,
    Done,
    Effect,
    Intent,
    Refresh,
    alert_effect,
    card_effect,
    is_second_path,
    network_executor,
    notify_effect,
    teller_of,
)
from schemas import events as e
from schemas.mentions import Visibility

_SILENT = (e.AlertPosted, e.EffectFailed, e.CaseSnapshotted)


def effects_of(case: Case, event: e.CaseEvent) -> tuple[Effect, ...]:
    """Return the effects of an event; ``case`` is the case after it."""
    return (*_outward(case, event), *_refresh(case, event))


def _outward(  # noqa: C901, PLR0911, PLR0912 - one row a kind
    case: Case, event: e.CaseEvent
) -> tuple[Effect, ...]:
    match event:
        case e.CaseOpened():
            return (_slack(case, event, card_effect(case.case_id), "card"),)
        case e.CaseAtRisk():
            about = event.mention_id or event.target.value
            return (_alert(case, event, "at_risk", "holder", about=about),)
        case e.CaseReminded():
            return (_alert(case, event, "reminder", "holder"),)
        case e.CaseEscalated():
            return _step(case, event)
        case e.CaseReopened():
            return (_alert(case, event, "reopened", ""),)
        case e.ReplyRequested():
            return (_reply(case, event),)
        case e.CardPosted() | e.AlertPosted() | e.EffectFailed():
            return (Done(effect_id=event.effect_id, executor=teller_of(event.effect_id)),)
        case e.CaseClaimed():
            return _stale(case, event)
        case e.ReplyDelivered() | e.ReplyDropped() | e.ReplyUnsettled():
            return (Done(effect_id=event.effect_id, executor=network_executor(case)),)
        case e.ObligationsAnswered() if event.native_id:
            return _pointless(case, event.covers, "answered meanwhile")
        case e.ObligationsClosed():
            return _pointless(case, event.covers, f"closed meanwhile: {event.disposition}")
        case e.ObligationChanged():
            return _pointless(case, (event.mention_id,), "the customer changed the text")
        case _:
            return ()


def _slack(case: Case, event: e.CaseEvent, effect_id: str, kind: str) -> Intent:
    return Intent(
        effect_id=effect_id,
        executor=SLACK,
        kind=kind,
        case_id=case.case_id,
        event_id=event.event_id,
    )


def _alert(case: Case, event: e.CaseEvent, subject: str, notify: str, *, about: str = "") -> Intent:
    return Intent(
        effect_id=alert_effect(event.event_id),
        executor=SLACK,
        kind="alert",
        case_id=case.case_id,
        event_id=event.event_id,
        subject=subject,
        notify=notify,
        about=about,
    )


def _step(case: Case, event: e.CaseEscalated) -> tuple[Effect, ...]:
    """Tell a step in the thread of the card, and on the second path if it names that."""
    told = _alert(case, event, "step", event.notify)
    if not is_second_path(event.notify):
        return (told,)
    return told, replace(told, effect_id=notify_effect(event.event_id), executor=NOTIFY)


def _reply(case: Case, event: e.ReplyRequested) -> Intent:
    direct = case.visibility is Visibility.DIRECT
    return Intent(
        effect_id=event.effect_id,
        executor=network_executor(case),
        kind="direct_message" if direct else "reply",
        case_id=case.case_id,
        event_id=event.event_id,
        not_after=event.not_after,
        subject=event.in_reply_to,
        fence=event.fence,
    )


def _stale(case: Case, event: e.CaseClaimed) -> tuple[Effect, ...]:
    """Cancel the reply in flight of somebody who let the case go, now that another holds it."""
    reply = case.reply
    if reply is None or reply.state is not ReplyState.REQUESTED or reply.fence == event.fence:
        return ()
    reason = f"{event.actor.name or event.actor.id} holds the case now"
    return (Cancel(effect_id=reply.effect_id, executor=network_executor(case), reason=reason),)


def _pointless(case: Case, settled: tuple[str, ...], reason: str) -> tuple[Effect, ...]:
    """Cancel the reply in flight if what it covers was settled or changed by somebody else."""
    if case.reply is None or not set(settled) & set(case.reply.covers):
        return ()
    return (Cancel(effect_id=case.reply.effect_id, executor=network_executor(case), reason=reason),)


def _refresh(case: Case, event: e.CaseEvent) -> tuple[Effect, ...]:
    if case.card is None or isinstance(event, _SILENT):
        return ()
    if isinstance(event, e.CardPosted) and event.shown_version == event.version - 1:
        return ()
    return (Refresh(case_id=case.case_id, version=case.version),)
