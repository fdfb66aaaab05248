"""The buttons of a card: which fit the state, and what a click carries back.

Promise: a click names the case, the version and the queries that its card showed; the names of
queries are short digests, resolved against the case, so that they fit wherever Slack lets us put
them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from careline.domain.case import Case, CaseStatus, ReplyState
from responders.slack import kit
from schemas.events import CaseKind
from schemas.identity import shard_of_case

CLAIM: Final = "case_claim"
RELEASE: Final = "case_release"
REPLY: Final = "case_reply"
SNOOZE: Final = "case_snooze"
ESCALATE: Final = "case_escalate"
RESOLVE: Final = "case_resolve"
CORRECT: Final = "case_correct"
SENT: Final = "case_reply_sent"
NOT_SENT: Final = "case_reply_not_sent"

_DIGITS: Final = 10
_CONFIRM: Final = kit.confirm(
    "Escalate?", "The next person of the ladder is told now.", "Escalate", "Not yet"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """What a button says of the card it stood on."""

    case_id: str
    version: int
    shown: tuple[str, ...] = ()
    """Short names of the queries that the card showed."""

    def covers(self, case: Case) -> tuple[str, ...]:
        """Return the mention ids of the shown queries that are still open in the case."""
        return tuple(
            found.mention_id
            for found in case.open_obligations
            if short_name(found.mention_id) in self.shown
        )


def short_name(mention_id: str) -> str:
    """Return a name of a mention that is short, and unique within a case."""
    return hashlib.sha256(mention_id.encode()).hexdigest()[:_DIGITS]


def read_press(value: str, block_id: str) -> Pressed | None:
    """Read a button's value and its block's id; None if they are not ours."""
    case_id, _, version = value.partition("|")
    if shard_of_case(case_id) is None or not version.isdecimal():
        return None
    _, _, shown = block_id.partition(":")
    return Pressed(
        case_id=case_id,
        version=int(version),
        shown=tuple(name for name in shown.split(",") if name),
    )


def actions(case: Case, covers: Iterable[str]) -> kit.Piece | None:
    """Return the row of buttons that fit the state of the case, or None if nothing is left."""
    value = f"{case.case_id}|{case.version}"
    elements = [
        kit.button(
            action, label, value, style=style, confirm=_CONFIRM if action == ESCALATE else {}
        )
        for action, label, style in _fitting(case)
    ]
    if not elements:
        return None
    names = ",".join(short_name(mention_id) for mention_id in covers)
    return kit.actions(elements, block_id=f"v{case.version}:{names}")


def _fitting(case: Case) -> Iterator[tuple[str, str, str]]:
    if case.status is CaseStatus.RESOLVED:
        return
    sending = case.reply is not None and case.reply.state is ReplyState.REQUESTED
    unsettled = case.reply is not None and not sending
    settled = case.status in {CaseStatus.WAITING, CaseStatus.ANSWERED}
    if unsettled:
        yield SENT, "It was sent", "primary"
        yield NOT_SENT, "It was not sent", ""
    if case.claim is None and not settled:
        yield CLAIM, "Claim", "" if unsettled else "primary"
    if case.kind is CaseKind.CARE and case.reply is None:
        yield REPLY, "Reply again" if settled else "Reply", "primary" if case.claim else ""
    if not settled:
        yield SNOOZE, "Snooze", ""
        if case.open_obligations or case.kind is CaseKind.OPERATIONS:
            yield ESCALATE, "Escalate", ""
    if not sending:
        yield RESOLVE, "Resolve", ""
    if case.obligations:
        yield CORRECT, "Correct", ""
    if case.claim is not None:
        yield RELEASE, "Release", ""
