"""The rules of a brand as values: targets, calendars, leases, the reopen window and the ladder.

Promises: the defaults are those of the design (section 8); a policy is plain data, and every time
that follows from it is written into an event, so a later policy never changes the past. Of several
rules that fit a query the most specific one that states a value has its way, the first of equals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

from careline.domain.calendars import ALWAYS, Calendar
from schemas.mentions import AuthorRef
from schemas.targets import TargetKind
from schemas.topics import DEFAULT_PARTITIONS
from schemas.triage import Priority

FIRST_RESPONSE: Final[Mapping[Priority, timedelta]] = MappingProxyType(
    {
        Priority.P1: timedelta(minutes=15),
        Priority.P2: timedelta(hours=1),
        Priority.P3: timedelta(hours=4),
        Priority.P4: timedelta(hours=24),
    }
)
_LEVELS_KEPT: Final = 4096
_NOTHING: Final[Mapping[Priority, timedelta]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """Who is told, and how long after the step before (the first: after the breach)."""

    name: str
    notify: str
    """A group of the configuration, such as ``backup`` or ``manager``."""
    after: timedelta
    clock: str = ""
    """The calendar on which `after` runs; an empty name is around the clock."""
    quiet: str = ""
    """The calendar in which the step may be told: outside of it, it waits for the next opening."""


DEFAULT_LADDER: Final = (
    LadderStep(name="backup group", notify="backup", after=timedelta(0)),
    LadderStep(name="manager", notify="manager", after=timedelta(minutes=30)),
)


class QueryFacts(NamedTuple):
    """What the targets of a query may depend on."""

    priority: Priority
    account: str = ""
    queue: str = ""
    language: str = ""
    vip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Targets for some queries; what is empty fits all of them, and what is not stated is left."""

    name: str
    priorities: frozenset[Priority] = frozenset()
    accounts: frozenset[str] = frozenset()
    """In lower case."""
    queues: frozenset[str] = frozenset()
    """In lower case, such as ``acme:direct``."""
    languages: frozenset[str] = frozenset()
    vip: bool | None = None
    targets: Mapping[TargetKind, Mapping[Priority, timedelta]] = field(default_factory=dict)
    calendar: str | None = None
    """The calendar on which these queries' time runs; an empty name is around the clock."""

    @property
    def weight(self) -> int:
        """How specific the rule is: the number of things that it asks for."""
        asked = (self.priorities, self.accounts, self.queues, self.languages)
        return sum(1 for each in asked if each) + (self.vip is not None)

    def fits(self, facts: QueryFacts) -> bool:
        """Return whether the rule is about a query."""
        return (
            (not self.priorities or facts.priority in self.priorities)
            and (not self.accounts or facts.account.lower() in self.accounts)
            and (not self.queues or facts.queue.lower() in self.queues)
            and (not self.languages or facts.language.lower() in self.languages)
            and (self.vip is None or facts.vip is self.vip)
        )


class Level(NamedTuple):
    """One target of a query: how long, on which clock, and the rules that said so."""

    allowed: timedelta
    calendar: Calendar
    rule: str = ""
    """The rule that stated the time; empty for the policy's own table."""
    calendar_rule: str = ""
    """The rule that stated the calendar; empty for the policy's own table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """When the time of a target stands still; by default never."""

    snoozed: bool = False
    """While the case is snoozed: deadlines move by the time it is hidden."""
    waiting: bool = False
    """While it is the author's turn: only a resolution is still due then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vips:
    """Whose queries count as a VIP's: those named, and those whom many follow."""

    authors: frozenset[str] = frozenset()
    """Ids of the network, or handles in lower case without ``@``."""
    followers: int | None = None

    def include(self, author: AuthorRef) -> bool:
        """Return whether an author is one of them; an unknown number of followers is not many."""
        if author.id in self.authors or author.handle.lstrip("@").lower() in self.authors:
            return True
        known = author.followers
        return self.followers is not None and known is not None and known >= self.followers


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One SLA policy with its ladder."""

    name: str = "default"
    first_response: Mapping[Priority, timedelta] = field(
        default_factory=lambda: dict(FIRST_RESPONSE)
    )
    next_response: Mapping[Priority, timedelta] = field(default_factory=dict)
    """After the brand has answered once; a priority that is missing has its first response."""
    resolution: Mapping[Priority, timedelta] = field(default_factory=dict)
    """Until the whole case is answered or closed; a priority that is missing has no such target."""
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    clocks: Mapping[Priority, str] = field(default_factory=dict)
    """The calendar of each priority; one that is missing runs around the clock."""
    rules: tuple[Rule, ...] = ()
    vips: Vips = Vips()
    pauses: Pauses = Pauses()
    at_risk_share: float = 0.75
    """The share of a target after which the holder is warned."""
    ladder: tuple[LadderStep, ...] = DEFAULT_LADDER
    repeat_every: timedelta = timedelta(hours=1)
    """How often the last step is told again once the ladder is exhausted."""
    lease: timedelta = timedelta(minutes=30)
    reminder_share: float = 0.75
    """The share of a lease after which its holder is reminded; the rest is their grace."""
    reply_valid_for: timedelta = timedelta(hours=1)
    follow_up: timedelta = timedelta(hours=72)
    reopen_window: timedelta = timedelta(hours=72)
    operations_review: timedelta = timedelta(hours=1)
    snooze_at_most: timedelta = timedelta(hours=24)
    snoozes_at_most: int = 3
    """How often a case may be snoozed while the same query is open."""
    partitions: int = DEFAULT_PARTITIONS
    _levels: dict[tuple[TargetKind, QueryFacts], Level | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def calendar(self, name: str) -> Calendar:
        """Return a calendar by name; one that is empty or gone from the file is always open.

        A case outlives the file it was opened under: a deadline too early is noticed, one that
        cannot be found is not.
        """
        return self.calendars.get(name, ALWAYS) if name else ALWAYS

    def level(self, kind: TargetKind, facts: QueryFacts) -> Level | None:
        """Return a target of a query, or None: only a resolution may have none."""
        key = (kind, facts)
        if key not in self._levels:
            if len(self._levels) >= _LEVELS_KEPT:
                self._levels.clear()
            self._levels[key] = self._find(kind, facts)
        return self._levels[key]

    def _find(self, kind: TargetKind, facts: QueryFacts) -> Level | None:
        fitting = [rule for rule in self.rules if rule.fits(facts)]
        # A stable sort: of equally specific rules the first in the file has its way.
        fitting.sort(key=lambda rule: -rule.weight)
        allowed, rule = self._allowed(kind, facts.priority, fitting)
        if allowed is None:
            return None
        clock = next((found for found in fitting if found.calendar is not None), None)
        name = self.clocks.get(facts.priority, "") if clock is None else clock.calendar or ""
        return Level(allowed, self.calendar(name), rule, clock.name if clock else "")

    def _allowed(
        self, kind: TargetKind, priority: Priority, fitting: list[Rule]
    ) -> tuple[timedelta | None, str]:
        """Return how long a target is, and the name of the rule that says so."""
        for rule in fitting:
            stated = rule.targets.get(kind, _NOTHING).get(priority)
            if stated is not None:
                return stated, rule.name
        table = {
            TargetKind.FIRST_RESPONSE: self.first_response,
            TargetKind.NEXT_RESPONSE: self.next_response,
            TargetKind.RESOLUTION: self.resolution,
        }[kind]
        if kind is TargetKind.NEXT_RESPONSE and priority not in table:
            return self._allowed(TargetKind.FIRST_RESPONSE, priority, fitting)
        return table.get(priority), ""
