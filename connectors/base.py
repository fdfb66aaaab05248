"""The seams of every network: how it is heard and how it is answered.

Delivery: a connector is read at least once. `Connector.read` returns a page and changes nothing;
only after Kafka has acknowledged the whole page does the caller move the cursor, so a page that was
read but not moved past is read again, and its records carry the same event ids. A `ReplySender` is
never called twice for one reply without `find` in between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from schemas.mentions import HeardRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """One thing that is read: a source (`mentions`, `own_posts`, ...) of a brand account."""

    network: str
    account: str
    source: str

    @property
    def key(self) -> str:
        """The name under which its cursor is kept."""
        return f"{self.network}:{self.account}:{self.source}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One record of a page and its place in the source's order."""

    record: HeardRecord
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """One item of a page that cannot be read; it is quarantined, the page goes on."""

    position: str
    """The network's id or the line number; the same each time the item is met."""
    value: bytes
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What one reading brought, oldest first."""

    heard: tuple[Heard, ...] = ()
    garbage: tuple[Garbage, ...] = ()
    cursor_before: str
    """Everything up to here was acknowledged before this page."""
    cursor_after: str
    """Where to read on once all of this page is acknowledged; may be `cursor_before`."""
    more: bool = False
    """There is more to read at once."""
    done: bool = False
    """Nothing will ever come again: a file has ended."""
    gap: str = ""
    """Not empty: messages are missing and cannot be read any more, in words."""

    @property
    def records(self) -> tuple[HeardRecord, ...]:
        """The records alone."""
        return tuple(each.record for each in self.heard)


@dataclass(slots=True)
class ConnectorHealth:
    """How a source does, for `/health`, the metrics and the doctor."""

    state: str = "starting"
    """`starting` | `ok` | `waiting` (rate limit, outage) | `blocked` (access) | `done`."""
    detail: str = ""
    last_read_at: datetime | None = None
    last_heard_at: datetime | None = None
    heard: int = 0
    garbage: int = 0
    failures_in_a_row: int = 0
    cursor: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often a source is read: at least and at most so many seconds apart."""

    busy_s: float
    quiet_s: float
    sweep_s: float = 120.0


class Connector(Protocol):
    """Hears one brand account on one network."""

    @property
    def network(self) -> str:
        """The network's name, the first part of every id."""
        ...

    @property
    def account(self) -> str:
        """The brand account's name in the configuration."""
        ...

    @property
    def sources(self) -> tuple[str, ...]:
        """What there is to read, each with a cursor of its own."""
        ...

    def pace(self, source: str) -> Pace:
        """How often a source may be read."""
        ...

    async def start(self) -> None:
        """Open connections. Raises a `CarelineError` that says what to do."""
        ...

    async def stop(self) -> None:
        """Close them; stopping twice is harmless."""
        ...

    async def first_cursor(self, source: str) -> str:
        """Return the cursor of a first connect: now, or where the configuration says."""
        ...

    async def read(self, source: str, cursor: str, *, sweep: bool) -> Page:
        """Read what came since the cursor; a `sweep` also looks a little behind it again.

        Reading changes nothing, on the network or here, that a second reading would miss.
        Raises the errors of `connectors.errors`; then nothing was read.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyTarget:
    """Where a reply goes."""

    native_id: str
    """The message replied to; for direct messages the conversation is what counts."""
    conversation: str
    direct: bool
    author_id: str = ""


class ReplySender(Protocol):
    """Speaks for one brand account.

    `reply` is called at most once for a reply unless it raised `RateLimited` or `BudgetExhausted`
    (definitely not done) or `find`, called late enough, found nothing. After `OutcomeUnknown` the
    reply may stand on the network; the caller must `find` it before anything else.
    """

    @property
    def executor(self) -> str:
        """Whose effects it carries out, such as `x:acme`."""
        ...

    async def reply(self, target: ReplyTarget, text: str) -> str:
        """Send a reply and return its native id. Raises the errors of `connectors.errors`."""
        ...

    async def find(
        self, target: ReplyTarget, text: str, *, since: datetime, adopted: frozenset[str]
    ) -> str | None:
        """Return the native id of a reply of ours like this one, sent after `since`, if it stands.

        `adopted` are ids that belong to other replies. Reads only.
        """
        ...
