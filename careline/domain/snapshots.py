"""The whole state of a case in the log, so that a reader may begin there: the log forgets in time.

Promises: pure; a live case has a snapshot at most 30 days old, a closed one has one of its end; the
cause id follows from case and day, so that two who decide on the same day decide the same. A
snapshot tells nobody anything: it has no effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from careline.domain.case import Case, Obligation, ReplyState
from careline.domain.codec import case_state
from careline.domain.draft import Cause, Decision, Draft
from careline.domain.effects import (
    SLACK,
    Effect,
    Intent,
    Refresh,
    card_effect,
    network_executor,
)
from schemas import events as e
from schemas.commands import POLICY
from schemas.identity import digest_of, snapshot_id
from schemas.mentions import Visibility
from schemas.topics import CASES_EVENTS

EVERY: Final = timedelta(days=30)
AFTER_CLOSE: Final = timedelta(hours=1)
"""A case that was closed by mistake is opened again within the hour, mostly."""
KEPT: Final = CASES_EVENTS.retention + timedelta(days=60)
"""How long a closed case stays in the ledger: until the log has forgotten it for certain.

A broker drops whole segments, so some days late. Were the ledger to forget first, the line's next
case would get the same id, and a rebuild would take its events for those of the old one.
"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_REPLY_PREFIX: Final = "reply:"


def is_due(
    case: Case, *, now: datetime, every: timedelta = EVERY, after_close: timedelta = AFTER_CLOSE
) -> bool:
    """Whether the case is to be put into the log as a whole."""
    last = case.snapshotted_at
    if case.is_live:
        return now - (last or case.opened_at) >= every
    closed = case.resolved_at or case.last_event_at
    return (last is None or last < closed) and now - closed >= after_close


def decide_snapshot(case: Case, *, now: datetime) -> Decision:
    """Decide on the snapshot of a day."""
    at = max(now, case.last_event_at)
    cause_id = snapshot_id(case.case_id, (at - _EPOCH).days)
    cause = Cause(id=cause_id, digest=digest_of(cause_id.encode()))
    draft = Draft(case, case_id=case.case_id, cause=cause, now=at, actor=POLICY)
    draft.add(e.CaseSnapshotted, state=case_state(case))
    return draft.decision()


def is_forgettable(case: Case, *, now: datetime, kept: timedelta = KEPT) -> bool:
    """Whether a closed case is so old that the log has forgotten it too."""
    if case.is_live or case.snapshotted_at is None:
        return False
    return now - case.last_event_at >= kept


def standing_effects(case: Case, event: e.CaseSnapshotted) -> Iterator[Effect]:
    """Yield what still has to happen outside, for a reader that begins a case with its snapshot.

    Alerts are not among them: the ladder of a live case tells again.
    """
    if not case.is_live:
        return
    if case.card is None:
        yield Intent(
            effect_id=card_effect(case.case_id),
            executor=SLACK,
            kind="card",
            case_id=case.case_id,
            event_id=event.event_id,
        )
    else:
        yield Refresh(case_id=case.case_id, version=case.version)
    if case.reply is not None and case.reply.state is ReplyState.REQUESTED:
        direct = case.visibility is Visibility.DIRECT
        yield Intent(
            effect_id=case.reply.effect_id,
            executor=network_executor(case),
            kind="direct_message" if direct else "reply",
            case_id=case.case_id,
            event_id=case.reply.effect_id.removeprefix(_REPLY_PREFIX),
            not_after=case.reply.not_after,
            subject=_replied_to(case, case.reply.covers),
            fence=case.reply.fence,
        )


def _replied_to(case: Case, covers: tuple[str, ...]) -> str:
    """Return the native id that a reply answers: the last query that it covers."""
    covered: list[Obligation] = [
        found for found in case.obligations if not covers or found.mention_id in covers
    ]
    if not covered:
        return ""
    return max(covered, key=lambda found: found.order).mention_id.split(":", 2)[2]
