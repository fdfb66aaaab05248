"""What happened to cases: ``cases.events.v1``, the log of record and the public contract.

Promises: ids and facts only, no text or name of a customer; numbered per case without a gap; what
is made again gets the same ``event_id``. A case's whole state can be rebuilt from its events alone.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter

from schemas.base import UtcDatetime, Wire
from schemas.claims import (
    CaseAtRisk,
    CaseBreached,
    CaseClaimed,
    CaseEscalated,
    CaseReleased,
    CaseReminded,
    CaseSnoozed,
    CaseStepMoved,
    CaseWoken,
    FrozenStep,
)
from schemas.commands import Actor, Disposition
from schemas.effects import (
    AlertPosted,
    CardPosted,
    EffectFailed,
    ReplyDelivered,
    ReplyDropped,
    ReplyRequested,
    ReplyUnsettled,
)
from schemas.mentions import ConversationRef
from schemas.stamped import Stamped
from schemas.targets import TargetKind, Terms
from schemas.triage import Priority, Sentiment, Urgency

__all__ = [
    "LOG",
    "UNKNOWN",
    "AlertPosted",
    "AuthorErased",
    "CardPosted",
    "CaseAnswered",
    "CaseAtRisk",
    "CaseBreached",
    "CaseClaimed",
    "CaseEscalated",
    "CaseEvent",
    "CaseKind",
    "CaseOpened",
    "CaseReleased",
    "CaseReminded",
    "CaseReopened",
    "CaseResolved",
    "CaseSnapshotted",
    "CaseSnoozed",
    "CaseStepMoved",
    "CaseWoken",
    "CommandRefused",
    "DeadlineMoved",
    "EffectFailed",
    "EpochStarted",
    "FrozenStep",
    "LogRecord",
    "MentionNoted",
    "ObligationAdded",
    "ObligationChanged",
    "ObligationsAnswered",
    "ObligationsClosed",
    "OperationsNoted",
    "Refusal",
    "ReplyDelivered",
    "ReplyDropped",
    "ReplyRequested",
    "ReplyUnsettled",
    "ResolutionTargeted",
    "TargetKind",
    "Terms",
    "TriageCorrected",
    "UnknownEvent",
]


class CaseKind(enum.StrEnum):
    """What a case is about."""

    CARE = "care"
    """Queries of one author in one thread with one brand account."""
    OPERATIONS = "operations"
    """Something that nobody could read or that broke; for the people who run careline."""


class Refusal(enum.StrEnum):
    """Why a command was refused."""

    NO_SUCH_CASE = "no_such_case"
    ALREADY_CLAIMED = "already_claimed"
    NOT_CLAIMED = "not_claimed"
    ALREADY_RESOLVED = "already_resolved"
    REPLY_IN_FLIGHT = "reply_in_flight"
    NO_REPLY_IN_FLIGHT = "no_reply_in_flight"
    NOTHING_COVERED = "nothing_covered"
    TOO_LATE = "too_late"
    ALREADY_SETTLED = "already_settled"
    SAME_KEY_OTHER_BODY = "same_key_other_body"
    UNKNOWN_MENTION = "unknown_mention"
    NOT_IN_FUTURE = "not_in_future"
    EMPTY_REPLY = "empty_reply"
    STALE_CLAIM = "stale_claim"
    """The claim under which it was asked has ended: somebody else has held the case since."""
    SNOOZED_TOO_OFTEN = "snoozed_too_often"


class CaseOpened(Stamped):
    """A case begins; somebody will be told."""

    type: Literal["case.opened"] = "case.opened"
    kind: CaseKind = CaseKind.CARE
    conversation: ConversationRef
    account: str
    author_id: str
    line: str
    episode: int
    queue: str
    review_at: UtcDatetime | None = None
    """Operations cases: when somebody is told again."""
    subject: str = ""
    """Operations cases: topic and reason; never customers' words."""


class ObligationAdded(Stamped):
    """A query expects an answer until ``due_at``."""

    type: Literal["obligation.added"] = "obligation.added"
    mention_id: str
    revision: str
    order: tuple[str, str]
    priority: Priority
    sentiment: Sentiment
    urgency: Urgency
    heard_at: UtcDatetime
    created_at: UtcDatetime
    at_risk_at: UtcDatetime
    due_at: UtcDatetime
    because: str
    """How the deadline was found, in words."""
    terms: Terms | None = None


class ObligationChanged(Stamped):
    """The author edited a query; ``reopened`` if it had been answered or closed."""

    type: Literal["obligation.changed"] = "obligation.changed"
    mention_id: str
    revision: str
    priority: Priority
    sentiment: Sentiment
    urgency: Urgency
    at_risk_at: UtcDatetime
    due_at: UtcDatetime
    because: str
    reopened: bool
    terms: Terms | None = None


class DeadlineMoved(Stamped):
    """The time of a target stood still, or runs on: a snooze, a wake, or the author's turn."""

    type: Literal["deadline.moved"] = "deadline.moved"
    mention_id: str = ""
    """The query whose answer is due; empty for the resolution of the case."""
    at_risk_at: UtcDatetime
    due_at: UtcDatetime
    because: str
    terms: Terms


class ResolutionTargeted(Stamped):
    """The whole case is to be answered or closed until ``due_at``."""

    type: Literal["resolution.targeted"] = "resolution.targeted"
    priority: Priority
    heard_at: UtcDatetime
    at_risk_at: UtcDatetime
    due_at: UtcDatetime
    because: str
    terms: Terms


class MentionNoted(Stamped):
    """The author wrote something that expects no answer."""

    type: Literal["mention.noted"] = "mention.noted"
    mention_id: str
    revision: str
    order: tuple[str, str]


class ObligationsAnswered(Stamped):
    """Queries were answered: by our reply (``effect_id``) or an own post (``native_id``)."""

    type: Literal["obligations.answered"] = "obligations.answered"
    covers: tuple[str, ...]
    effect_id: str = ""
    native_id: str = ""
    up_to: tuple[str, str] | None = None
    """Own posts: later arrivals that were written no later than this are answered too."""


class ObligationsClosed(Stamped):
    """Queries were closed with a reason and an actor."""

    type: Literal["obligations.closed"] = "obligations.closed"
    covers: tuple[str, ...]
    disposition: Disposition


class TriageCorrected(Stamped):
    """A person said what a mention really is."""

    type: Literal["triage.corrected"] = "triage.corrected"
    mention_id: str
    query: bool
    sentiment: Sentiment | None = None
    urgency: Urgency | None = None


class CaseAnswered(Stamped):
    """Every query is answered; with no further word the case resolves at ``follow_up_at``."""

    type: Literal["case.answered"] = "case.answered"
    waiting_for_author: bool
    follow_up_at: UtcDatetime


class CaseResolved(Stamped):
    """The case is closed with a reason and an actor."""

    type: Literal["case.resolved"] = "case.resolved"
    disposition: Disposition


class CaseReopened(Stamped):
    """The author wrote again within the reopen window, or a correction opened a query."""

    type: Literal["case.reopened"] = "case.reopened"
    reason: Literal["author_wrote", "corrected", "edited", "unreadable_again"] = "author_wrote"
    review_at: UtcDatetime | None = None
    """Operations cases: when somebody is told again."""


class OperationsNoted(Stamped):
    """One more thing that nobody could read, counted in an operations case."""

    type: Literal["operations.noted"] = "operations.noted"
    position: str
    count: int


class CaseSnapshotted(Stamped):
    """The whole state of a case before this event: every 30 days, and once it is closed.

    A reader may begin a case here, as with `CaseOpened`; what the log forgets is in it.
    """

    type: Literal["case.snapshotted"] = "case.snapshotted"
    state: dict[str, JsonValue]
    """The case as the ledger holds it: where its card stands, what of its effects is known."""


class CommandRefused(Wire):
    """A command changed nothing, and why. It has no version: it is no part of the history."""

    type: Literal["command.refused"] = "command.refused"
    event_id: str
    case_id: str
    cause_id: str
    cause_digest: str
    at: UtcDatetime
    actor: Actor
    """Who asked."""
    command: str
    reason: Refusal
    holder: Actor | None = None
    since: UtcDatetime | None = None


class EpochStarted(Wire):
    """A recovery began: its offset is the new epoch; a lower one is void behind it."""

    type: Literal["epoch.started"] = "epoch.started"
    event_id: str
    shard: int
    token: str
    at: UtcDatetime


class AuthorErased(Wire):
    """The words and names of an author, heard up to ``at``, are gone from a shard for good.

    It has no version: it belongs to no case. What is heard again from a topic stays bare.
    """

    type: Literal["author.erased"] = "author.erased"
    event_id: str
    case_id: str
    """Names the shard (`schemas.identity.erasure_id`), no case."""
    cause_id: str
    cause_digest: str
    author_hash: str
    at: UtcDatetime
    actor: Actor


CaseEvent = (
    CaseOpened
    | ObligationAdded
    | ObligationChanged
    | DeadlineMoved
    | ResolutionTargeted
    | MentionNoted
    | ObligationsAnswered
    | ObligationsClosed
    | TriageCorrected
    | CaseClaimed
    | CaseReminded
    | CaseReleased
    | CaseSnoozed
    | CaseWoken
    | CaseAtRisk
    | CaseBreached
    | CaseEscalated
    | CaseStepMoved
    | ReplyRequested
    | ReplyDelivered
    | ReplyDropped
    | ReplyUnsettled
    | CardPosted
    | AlertPosted
    | EffectFailed
    | CaseAnswered
    | CaseResolved
    | CaseReopened
    | OperationsNoted
    | CaseSnapshotted
)
"""An event of a case's history; they carry a version."""


class UnknownEvent(Stamped):
    """An event of a kind that only a newer version knows: its place in the history is kept."""

    type: str


LogRecord = Annotated[
    CaseEvent | CommandRefused | AuthorErased | EpochStarted, Field(discriminator="type")
]
LOG: TypeAdapter[LogRecord] = TypeAdapter(LogRecord)
"""Reads the body of a record of ``cases.events.v1``."""
UNKNOWN: TypeAdapter[UnknownEvent] = TypeAdapter(UnknownEvent)
"""Reads what every event of a case has, whatever its kind."""
