"""What people, bots, connectors and responders ask for: records of ``cases.commands.v1``.

Promises: every command has an idempotency key (``command_id``), an author and an end of its
validity, and ends in one event or one ``CommandRefused``. The version its sender saw explains a
refusal; it decides nothing.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.base import Text, UtcDatetime, Wire
from schemas.triage import Sentiment, Urgency


class ActorKind(enum.StrEnum):
    """Who acts."""

    AGENT = "agent"
    BOT = "bot"
    OPERATOR = "operator"
    AUTHOR = "author"
    BRAND = "brand"
    POLICY = "policy"
    EXECUTOR = "executor"


class Actor(Wire):
    """Somebody who acts on a case; ``name`` is a staff name, never a customer's."""

    kind: ActorKind
    id: str
    name: Text = ""


POLICY = Actor(kind=ActorKind.POLICY, id="policy")


class Disposition(enum.StrEnum):
    """Why a case or an obligation was closed."""

    ANSWERED = "answered"
    """Every query was answered and no further word came."""
    NO_ANSWER_NEEDED = "no_answer_needed"
    """A person read it and decided that nothing is to be said."""
    NOT_A_QUERY = "not_a_query"
    """Triage was wrong: it expects no answer."""
    SPAM = "spam"
    """Advertising or abuse."""
    DUPLICATE = "duplicate"
    """Answered in another case."""
    HANDLED_ELSEWHERE = "handled_elsewhere"
    """Answered by another channel, such as the telephone."""
    WITHDRAWN_BY_AUTHOR = "withdrawn_by_author"
    """The author deleted the message."""
    REPAIRED = "repaired"
    """An operations case whose cause was mended."""


class Outcome(enum.StrEnum):
    """What became of one attempt of an effect (design section 6)."""

    DONE = "done"
    REFUSED = "refused"
    """Definitely not done and pointless to repeat: the person is told why."""
    BLOCKED = "blocked"
    """Not done until somebody mends access; the case stays live."""
    DROPPED = "dropped"
    """Never attempted: its time had passed or what it covers had changed."""
    UNSETTLED = "unsettled"
    """Nobody can tell whether it was done; a person must say so."""


class _Command(Wire):
    command_id: str
    case_id: str
    issued_at: UtcDatetime
    not_after: UtcDatetime | None = None
    actor: Actor
    seen_version: int | None = None


class ClaimCase(_Command):
    """Take a case; the first one wins."""

    type: Literal["claim"] = "claim"


class ReleaseCase(_Command):
    """Give a claimed case back to its queue."""

    type: Literal["release"] = "release"


class ReplyToCase(_Command):
    """Send a reply to the author; answers the mentions it covers once it is delivered."""

    type: Literal["reply"] = "reply"
    text: Text
    covers: tuple[str, ...]
    expects_answer: bool = False
    fence: int | None = None
    """The claim that its sender holds; refused once somebody else has held the case since."""


class SnoozeCase(_Command):
    """Hide a case until a time or until the author writes; its deadlines keep running."""

    type: Literal["snooze"] = "snooze"
    until: UtcDatetime


class EscalateCase(_Command):
    """Tell the next person of the ladder now."""

    type: Literal["escalate"] = "escalate"


class ResolveCase(_Command):
    """Close the obligations that the sender's card showed, and the case if nothing else is open."""

    type: Literal["resolve"] = "resolve"
    disposition: Disposition
    covers: tuple[str, ...]


class CorrectTriage(_Command):
    """Say what a mention really is; opens or closes its obligation too."""

    type: Literal["correct_triage"] = "correct_triage"
    mention_id: str
    query: bool
    sentiment: Sentiment | None = None
    urgency: Urgency | None = None


class SettleReply(_Command):
    """A person with the role says whether a reply of unknown outcome was sent."""

    type: Literal["settle_reply"] = "settle_reply"
    effect_id: str
    sent: bool


class RecordOutcome(_Command):
    """An executor reports what became of an effect."""

    type: Literal["record_outcome"] = "record_outcome"
    effect_id: str
    attempt: int
    outcome: Outcome
    reason: str = ""
    channel: str = ""
    """Where a card or alert stands."""
    native_id: str = ""
    """The message's ``ts`` or the network's id of the reply."""
    shown_version: int = 0
    """The case version that a card shows."""


class ReportUnreadable(_Command):
    """Something that nothing could read: a dead letter keeps it, this tells a person."""

    type: Literal["report_unreadable"] = "report_unreadable"
    reason: str
    source: str
    """Topic, or network and account, that it came from."""
    position: str
    """Partition and offset, or the network's id."""
    hour: UtcDatetime


class EraseAuthor(_Command):
    """Forget the words and names of an author, in one shard: sent to each of them."""

    type: Literal["erase_author"] = "erase_author"
    author_hash: str
    """`schemas.identity.author_hash`: the id itself need not travel."""


Command = Annotated[
    ClaimCase
    | ReleaseCase
    | ReplyToCase
    | SnoozeCase
    | EscalateCase
    | ResolveCase
    | CorrectTriage
    | SettleReply
    | RecordOutcome
    | ReportUnreadable
    | EraseAuthor,
    Field(discriminator="type"),
]
COMMAND: TypeAdapter[Command] = TypeAdapter(Command)
"""Reads the body of a record of ``cases.commands.v1``."""
