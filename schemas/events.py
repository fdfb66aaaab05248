"""What happened to cases: ``cases.events.v1``, the log of record and the public contract.

Promises: ids and facts only, no text or name of a customer; numbered per case without a gap; what
is made again gets the same ``event_id``. A case's whole state can be rebuilt from its events alone.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.base import UtcDatetime, Wire
from schemas.commands import Actor, Disposition
from schemas.mentions import ConversationRef
from schemas.triage import Priority, Sentiment, Urgency


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


class _CaseEvent(Wire):
    event_id: str
    case_id: str
    version: int
    cause_id: str
    cause_digest: str
    index: int
    at: UtcDatetime
    actor: Actor


class CaseOpened(_CaseEvent):
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


class ObligationAdded(_CaseEvent):
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


class ObligationChanged(_CaseEvent):
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


class MentionNoted(_CaseEvent):
    """The author wrote something that expects no answer."""

    type: Literal["mention.noted"] = "mention.noted"
    mention_id: str
    revision: str
    order: tuple[str, str]


class ObligationsAnswered(_CaseEvent):
    """Queries were answered: by our reply (``effect_id``) or an own post (``native_id``)."""

    type: Literal["obligations.answered"] = "obligations.answered"
    covers: tuple[str, ...]
    effect_id: str = ""
    native_id: str = ""
    up_to: tuple[str, str] | None = None
    """Own posts: later arrivals that were written no later than this are answered too."""


class ObligationsClosed(_CaseEvent):
    """Queries were closed with a reason and an actor."""

    type: Literal["obligations.closed"] = "obligations.closed"
    covers: tuple[str, ...]
    disposition: Disposition


class TriageCorrected(_CaseEvent):
    """A person said what a mention really is."""

    type: Literal["triage.corrected"] = "triage.corrected"
    mention_id: str
    query: bool
    sentiment: Sentiment | None = None
    urgency: Urgency | None = None


class CaseClaimed(_CaseEvent):
    """An agent or bot holds the case until ``lease_until``; ``fence`` counts claims."""

    type: Literal["case.claimed"] = "case.claimed"
    fence: int
    lease_until: UtcDatetime


class CaseReleased(_CaseEvent):
    """The case is back in its queue."""

    type: Literal["case.released"] = "case.released"
    reason: Literal["released", "lease_expired"]


class CaseSnoozed(_CaseEvent):
    """The case is hidden until a time or until the author writes."""

    type: Literal["case.snoozed"] = "case.snoozed"
    until: UtcDatetime


class CaseWoken(_CaseEvent):
    """A snoozed case is in front of people again."""

    type: Literal["case.woken"] = "case.woken"
    reason: Literal["time", "author_wrote", "agent_acted"]
    lease_until: UtcDatetime | None = None
    """If somebody holds the case: until when, from now."""


class CaseAtRisk(_CaseEvent):
    """The warning share of a target has passed."""

    type: Literal["case.at_risk"] = "case.at_risk"
    mention_id: str
    due_at: UtcDatetime


class CaseBreached(_CaseEvent):
    """A target was missed; the ladder's first step is due at ``next_step_at``."""

    type: Literal["case.breached"] = "case.breached"
    mention_id: str
    due_at: UtcDatetime
    next_step: int
    next_step_at: UtcDatetime


class CaseEscalated(_CaseEvent):
    """A step of the ladder told somebody; the next one is due at ``next_step_at``."""

    type: Literal["case.escalated"] = "case.escalated"
    step: int
    step_name: str
    notify: str
    next_step: int
    next_step_at: UtcDatetime
    exhausted: bool = False
    """The ladder has no further step: the last one repeats until the case is answered."""


class ReplyRequested(_CaseEvent):
    """A reply is to be sent; its text stands in the ledger under ``effect_id``."""

    type: Literal["reply.requested"] = "reply.requested"
    effect_id: str
    covers: tuple[str, ...]
    in_reply_to: str
    text_sha256: str
    not_after: UtcDatetime
    expects_answer: bool


class ReplyDelivered(_CaseEvent):
    """The network has the reply."""

    type: Literal["reply.delivered"] = "reply.delivered"
    effect_id: str
    native_id: str


class ReplyDropped(_CaseEvent):
    """A reply was not sent: refused, late, or what it covers changed. The queries stay open."""

    type: Literal["reply.dropped"] = "reply.dropped"
    effect_id: str
    reason: str


class ReplyUnsettled(_CaseEvent):
    """Nobody can tell whether a reply was sent; a person must settle it."""

    type: Literal["reply.unsettled"] = "reply.unsettled"
    effect_id: str
    reason: str


class CardPosted(_CaseEvent):
    """The case's card stands in a channel."""

    type: Literal["card.posted"] = "card.posted"
    effect_id: str
    channel: str
    ts: str
    shown_version: int


class AlertPosted(_CaseEvent):
    """A warning or escalation was told."""

    type: Literal["alert.posted"] = "alert.posted"
    effect_id: str
    channel: str
    ts: str


class EffectFailed(_CaseEvent):
    """A card or alert was refused or dropped; the case stays live and the ladder goes on."""

    type: Literal["effect.failed"] = "effect.failed"
    effect_id: str
    reason: str


class CaseAnswered(_CaseEvent):
    """Every query is answered; with no further word the case resolves at ``follow_up_at``."""

    type: Literal["case.answered"] = "case.answered"
    waiting_for_author: bool
    follow_up_at: UtcDatetime


class CaseResolved(_CaseEvent):
    """The case is closed with a reason and an actor."""

    type: Literal["case.resolved"] = "case.resolved"
    disposition: Disposition


class CaseReopened(_CaseEvent):
    """The author wrote again within the reopen window, or a correction opened a query."""

    type: Literal["case.reopened"] = "case.reopened"
    reason: Literal["author_wrote", "corrected", "edited", "unreadable_again"] = "author_wrote"


class OperationsNoted(_CaseEvent):
    """One more thing that nobody could read, counted in an operations case."""

    type: Literal["operations.noted"] = "operations.noted"
    position: str
    count: int


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


CaseEvent = (
    CaseOpened
    | ObligationAdded
    | ObligationChanged
    | MentionNoted
    | ObligationsAnswered
    | ObligationsClosed
    | TriageCorrected
    | CaseClaimed
    | CaseReleased
    | CaseSnoozed
    | CaseWoken
    | CaseAtRisk
    | CaseBreached
    | CaseEscalated
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
)
"""An event of a case's history; they carry a version."""

LogRecord = Annotated[CaseEvent | CommandRefused | EpochStarted, Field(discriminator="type")]
LOG: TypeAdapter[LogRecord] = TypeAdapter(LogRecord)
"""Reads the body of a record of ``cases.events.v1``."""
