"""Operations cases: what nobody could read ends up in front of a person too.

Promises: one case for each (source, reason, hour), with a count, so that 10,000 unreadable records
are one card and not 10,000; its id follows from these three alone.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from typing import Final

from careline.domain.case import Case
from careline.domain.draft import Decision, Draft
from careline.domain.policy import Policy
from careline.domain.routing import OPERATIONS
from schemas import events as e
from schemas.commands import ReportUnreadable
from schemas.identity import CaseId, LineKey, case_id, line_key, shard_of_case
from schemas.mentions import ConversationRef, Visibility

AUDITOR: Final = "auditor"
"""The source of what the auditor found broken."""
CLOSED_CHANNEL: Final = "closed channel"
"""How the source of messages begins that had to be posted elsewhere; the queue follows."""
NIGHTLY: Final = "nightly balance"
"""How the source of the nightly line begins; its date follows."""
_ACCOUNT = "careline"


class Trouble(enum.StrEnum):
    """What an operations case is about."""

    UNREADABLE = "unreadable"
    """Records that nothing could read."""
    BROKEN = "broken"
    """A promise that the auditor found broken."""
    CLOSED = "closed"
    """A channel that is closed to careline, whose cards stand in operations meanwhile."""
    BALANCE = "balance"
    """No trouble: the nightly line."""


_TROUBLES: Final = {
    f"{AUDITOR}: ": Trouble.BROKEN,
    f"{CLOSED_CHANNEL} ": Trouble.CLOSED,
    f"{NIGHTLY} ": Trouble.BALANCE,
}


def trouble_of(case: Case) -> Trouble:
    """Return what an operations case is about, by its source."""
    found = (kind for begin, kind in _TROUBLES.items() if case.subject.startswith(begin))
    return next(found, Trouble.UNREADABLE)


def _conversation(source: str, reason: str, hour: datetime) -> ConversationRef:
    begin = hour.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return ConversationRef(
        network=OPERATIONS,
        root=f"{source}:{reason}:{begin:%Y-%m-%dT%H}",
        visibility=Visibility.PUBLIC,
    )


def _line(conversation: ConversationRef) -> LineKey:
    return line_key(OPERATIONS, _ACCOUNT, conversation.root, OPERATIONS)


def operations_case(source: str, reason: str, hour: datetime, *, partitions: int) -> CaseId:
    """Return the id of the operations case that counts a reason of a source in an hour."""
    conversation = _conversation(source, reason, hour)
    return case_id(_line(conversation), 1, conversation=conversation.key, partitions=partitions)


def operations_shard(source: str, reason: str, hour: datetime, *, partitions: int) -> int:
    """Return the partition of that case: where its reports must be sent."""
    return shard_of_case(operations_case(source, reason, hour, partitions=partitions)) or 0


def note_unreadable(command: ReportUnreadable, draft: Draft, policy: Policy) -> Decision:
    """Open the operations case of a report, or count it in there."""
    if draft.case is None:
        conversation = _conversation(command.source, command.reason, command.hour)
        draft.add(
            e.CaseOpened,
            kind=e.CaseKind.OPERATIONS,
            conversation=conversation,
            account=_ACCOUNT,
            author_id=OPERATIONS,
            line=_line(conversation),
            episode=1,
            queue=OPERATIONS,
            review_at=draft.now + policy.operations_review,
            subject=f"{command.source}: {command.reason}",
        )
    elif not draft.case.is_live:
        review_at = draft.now + policy.operations_review
        draft.add(e.CaseReopened, reason="unreadable_again", review_at=review_at)
    draft.add(e.OperationsNoted, position=command.position, count=draft.current.count + 1)
    return draft.decision()


def review(draft: Draft, policy: Policy) -> None:
    """Tell the operators again of an operations case that nobody has resolved."""
    draft.add(
        e.CaseEscalated,
        step=0,
        step_name="operations review",
        notify=OPERATIONS,
        next_step=0,
        next_step_at=draft.now + policy.operations_review,
        exhausted=True,
    )
