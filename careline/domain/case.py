"""What a case is: its state as frozen values, and the questions that can be asked of it.

Promises: a case is changed only by `evolve` from events; everything here is pure. While a query is
open the case has a next step with a time (`careline.domain.steps`), whatever its status: a snooze
or a claim hides nothing from the clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from schemas.commands import Actor, Disposition
from schemas.events import CaseKind, FrozenStep
from schemas.mentions import Visibility
from schemas.targets import Terms
from schemas.triage import Priority, Sentiment, Urgency

Order = tuple[str, str]
SCHEMA = 1


class CaseStatus(enum.StrEnum):
    """Where a case stands."""

    NEW = "new"
    """Opened; its card is not in front of anybody yet."""
    OPEN = "open"
    """In front of people, claimed by nobody."""
    CLAIMED = "claimed"
    """Held by an agent or bot under a lease."""
    SNOOZED = "snoozed"
    """Hidden until a time or until the author writes; deadlines run on."""
    WAITING = "waiting"
    """Answered with a question: it is the author's turn."""
    ANSWERED = "answered"
    """Every query is answered; it resolves by itself if no further word comes."""
    RESOLVED = "resolved"
    """Closed with a reason and an actor."""


class ObligationStatus(enum.StrEnum):
    """Where the answer to one query stands."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """One query that expects an answer."""

    mention_id: str
    revision: str
    order: Order
    priority: Priority
    sentiment: Sentiment
    urgency: Urgency
    heard_at: datetime
    created_at: datetime
    at_risk_at: datetime
    due_at: datetime
    because: str
    terms: Terms | None = None
    """How its time is counted; None: a first response around the clock."""
    status: ObligationStatus = ObligationStatus.OPEN
    warned: bool = False
    breached: bool = False
    snoozes: int = 0
    """How often the case was snoozed while this query was open."""
    disposition: Disposition | None = None
    settled_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still expects an answer."""
        return self.status is ObligationStatus.OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """Until when the whole case is to be answered or closed, if the policy says so."""

    priority: Priority
    """That of the query with which it began."""
    heard_at: datetime
    at_risk_at: datetime
    due_at: datetime
    because: str
    terms: Terms
    warned: bool = False
    breached: bool = False


class ReplyState(enum.StrEnum):
    """What is known of a reply in flight."""

    REQUESTED = "requested"
    UNSETTLED = "unsettled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyInFlight:
    """The one reply that may be requested or of unknown outcome at a time."""

    effect_id: str
    covers: tuple[str, ...]
    text_sha256: str
    requested_at: datetime
    not_after: datetime
    expects_answer: bool
    actor: Actor
    state: ReplyState = ReplyState.REQUESTED
    fence: int = 0
    """The claim under which it goes out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who holds the case, until when, under which fencing number."""

    holder: Actor
    fence: int
    since: datetime
    lease_until: datetime
    remind_at: datetime | None = None
    """When the holder is reminded; None once that has happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """Where the case's card stands in Slack."""

    channel: str
    ts: str
    shown_version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The escalation ladder once it has started: its next step, and its steps as they were then."""

    next_step: int
    next_step_at: datetime
    exhausted: bool = False
    steps: tuple[FrozenStep, ...] = ()
    """Empty in ladders that began before steps were kept: those take the policy's."""
    repeat_every: timedelta | None = None
    run: int = 0
    """The case's version at which it started: tells its steps from those of an earlier run."""
    put_off_until: datetime | None = None
    """The end of a snooze during which it stands still, as the policy wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """The state of a case after its last event."""

    case_id: str
    kind: CaseKind
    network: str
    account: str
    root: str
    visibility: Visibility
    author_id: str
    line: str
    episode: int
    queue: str
    opened_at: datetime
    version: int
    last_event_id: str
    last_event_at: datetime
    status: CaseStatus = CaseStatus.NEW
    obligations: tuple[Obligation, ...] = ()
    noted: tuple[str, ...] = ()
    """Mentions that expect no answer."""
    answered_up_to: Order | None = None
    claim: Claim | None = None
    claims: int = 0
    reply: ReplyInFlight | None = None
    delivered: tuple[str, ...] = ()
    """The network's ids of our delivered replies."""
    own_posts: tuple[str, ...] = ()
    """The network's ids of the brand's own posts, typed elsewhere, that answered."""
    card: Card | None = None
    ladder: Ladder | None = None
    resolution: Resolution | None = None
    snoozed_until: datetime | None = None
    follow_up_at: datetime | None = None
    review_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: Actor | None = None
    disposition: Disposition | None = None
    subject: str = ""
    count: int = 0
    snapshotted_at: datetime | None = None
    """When its whole state was last put into the log."""
    schema: int = SCHEMA

    @property
    def open_obligations(self) -> tuple[Obligation, ...]:
        """The queries that still expect an answer, in the order of the case."""
        return tuple(found for found in self.obligations if found.is_open)

    @property
    def is_live(self) -> bool:
        """Whether somebody may still have to do something."""
        return self.status is not CaseStatus.RESOLVED

    @property
    def is_exhausted(self) -> bool:
        """Whether everybody of the ladder was told and nobody has answered: its alarm repeats."""
        return self.ladder is not None and self.ladder.exhausted

    def obligation(self, mention_id: str) -> Obligation | None:
        """Return the obligation of a mention, or None if there is none."""
        for found in self.obligations:
            if found.mention_id == mention_id:
                return found
        return None


def is_same(one: Actor, other: Actor) -> bool:
    """Whether two actors are one: a name may change, kind and id do not."""
    return (one.kind, one.id) == (other.kind, other.id)


_NAMES: Final = tuple(found.name for found in fields(Case))
_VALUES: Final = attrgetter(*_NAMES)


def changed(case: Case, **changes: Any) -> Case:
    """Return the case with these fields changed: `dataclasses.replace` at half of its cost."""
    return Case(**(dict(zip(_NAMES, _VALUES(case), strict=True)) | changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One author in one thread: the current episode, and what own posts already covered."""

    case_id: str | None = None
    episode: int = 0
    answered_up_to: Order | None = None
