"""The service levels of careline.yaml: targets, calendars, rules and the ladder, as written.

Promise: what is written here becomes one `Policy`, or an error that says what is wrong where; a
file of an older careline still says the same. Holidays are looked up here, once, and handed to the
domain as dates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Final, Self
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)

from careline.domain.calendars import AROUND_THE_CLOCK, WHOLE_WEEK, Calendar, Span
from careline.domain.policy import (
    DEFAULT_LADDER,
    FIRST_RESPONSE,
    LadderStep,
    Pauses,
    Policy,
    Rule,
    Vips,
)
from careline.holiday_dates import check_country, holiday_dates
from schemas.targets import TargetKind
from schemas.triage import Priority

_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$")
_SPAN: Final = re.compile(r"^(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})$")
_WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = timedelta(days=1)
_HOUR_MINUTES: Final = 60
_OFFICE_PRIORITIES: Final = (Priority.P3, Priority.P4)
"""Those for which one calendar for all counts: the first two run around the clock (design 8)."""


def read_duration(value: object) -> object:
    """Read `90s`, `15m`, `1.5h` or `2d`; anything else is left to be refused."""
    if not isinstance(value, str):
        return value
    found = _DURATION.match(value)
    if found is None:
        message = f"{value!r} is no duration: write 90s, 15m, 4h or 2d"
        raise ValueError(message)
    return timedelta(seconds=float(found.group(1)) * _UNITS[found.group(2)])


def write_duration(value: timedelta) -> str:
    """Write a duration in the largest unit that fits."""
    seconds = value.total_seconds()
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def read_times(value: str) -> tuple[timedelta, timedelta]:
    """Read `09:00-12:30`; what ends no later than it begins ends on the next day."""
    found = _SPAN.match(value.strip())
    if found is None:
        raise ValueError(f"{value!r} is no span: write 09:00-17:30, or 22:00-06:00 over midnight")
    hours = [int(part) for part in found.groups()]
    opens = timedelta(hours=hours[0], minutes=hours[1])
    closes = timedelta(hours=hours[2], minutes=hours[3])
    if max(hours[1], hours[3]) >= _HOUR_MINUTES or opens >= _DAY or closes > _DAY:
        raise ValueError(f"{value!r}: there is no such time of day")
    if opens == closes:
        raise ValueError(f"{value!r} is empty: for a whole day write 00:00-24:00")
    return opens, closes if closes > opens else closes + _DAY


def read_weekdays(value: str) -> tuple[int, ...]:
    """Read `mon`, `mon-fri`, `sat, sun` or `daily` as numbers, 0 for Monday."""
    days: list[int] = []
    for part in value.lower().split(","):
        first, _, last = part.strip().partition("-")
        if first == "daily" and not last:
            days += range(len(_WEEKDAYS))
            continue
        if first not in _WEEKDAYS or (last and last not in _WEEKDAYS):
            raise ValueError(f"{value!r} is no weekday: write mon, mon-fri or daily")
        begin, end = _WEEKDAYS.index(first), _WEEKDAYS.index(last or first)
        days += [day % len(_WEEKDAYS) for day in range(begin, end + 1 + 7 * (end < begin))]
    return tuple(days)


def _as_many(value: object) -> object:
    """Read one thing as a list of one; a number is an id."""
    found = value if isinstance(value, list | tuple) else [value]
    # YAML takes Norway and Norwegian (`no`) for a refusal.
    named = ("no" if each is False else each for each in found)
    return tuple(str(each) if type(each) is int else each for each in named)


def _for_all(value: object) -> object:
    """Read one duration as that of every priority."""
    return dict.fromkeys(Priority, value) if isinstance(value, str | timedelta) else value


def _for_office(value: object) -> object:
    """Read one calendar as that of the priorities that wait for the office."""
    return dict.fromkeys(_OFFICE_PRIORITIES, value) if isinstance(value, str) else value


def _unless_always(value: object) -> object:
    """Read `24x7` as no hours at all: open around the clock."""
    return None if value == AROUND_THE_CLOCK else value


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("a target of no time at all is always missed")
    return value


Duration = Annotated[
    timedelta, BeforeValidator(read_duration), PlainSerializer(write_duration, return_type=str)
]
Target = Annotated[Duration, AfterValidator(_positive)]
Targets = Annotated[Mapping[Priority, Target], BeforeValidator(_for_all)]
Clocks = Annotated[Mapping[Priority, str], BeforeValidator(_for_office)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_many)]
Priorities = Annotated[tuple[Priority, ...], BeforeValidator(_as_many)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Hours(_Part):
    """A calendar: when people work."""

    zone: str = "UTC"
    """An IANA time zone, such as Europe/Berlin."""
    hours: Annotated[Mapping[str, Names] | None, BeforeValidator(_unless_always)] = None
    """By weekday, such as `mon-fri: [09:00-12:30, 13:30-18:00]`; without it, around the clock."""
    holidays: Names = ()
    """Countries or their parts by ISO code, such as DE or DE-BE: closed from midnight to midnight.
    """
    closed: tuple[date, ...] = ()
    """Further days on which nobody works."""
    open: tuple[date, ...] = ()
    """Days that are worked although they are holidays."""

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            message = f"there is no time zone {self.zone!r}: write a name such as Europe/Berlin"
            raise ValueError(message) from None
        for code in self.holidays:
            check_country(code)
        if not self._spans():
            raise ValueError("hours: it is never open")
        return self

    def _spans(self) -> tuple[Span, ...]:
        if self.hours is None:
            return WHOLE_WEEK
        return tuple(
            Span(weekday, *read_times(times))
            for days, spans in self.hours.items()
            for weekday in read_weekdays(days)
            for text in spans
            for times in text.split(",")
        )

    def calendar(self, name: str) -> Calendar:
        """Return the calendar with all its dates."""
        known = frozenset(day for code in self.holidays for day in holiday_dates(code))
        return Calendar(
            name=name,
            zone=self.zone,
            spans=self._spans(),
            holidays=(known | frozenset(self.closed)) - frozenset(self.open),
        )


class TargetRule(_Part):
    """Targets for some queries. What it asks for must all be so; what it leaves out may be any."""

    name: str
    priority: Priorities = ()
    account: Names = ()
    queue: Names = ()
    """Account and visibility, such as acme:direct."""
    language: Names = ()
    """As triage says: de, en, …"""
    vip: bool | None = None
    first_response: Targets = Field(default_factory=dict)
    next_response: Targets = Field(default_factory=dict)
    resolution: Targets = Field(default_factory=dict)
    calendar: str | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        stated = (self.first_response, self.next_response, self.resolution)
        if not any(stated) and self.calendar is None:
            raise ValueError(f"rule {self.name!r} states neither a target nor a calendar")
        return self

    def rule(self) -> Rule:
        """Return the rule that the policy asks."""
        targets = {
            TargetKind.FIRST_RESPONSE: self.first_response,
            TargetKind.NEXT_RESPONSE: self.next_response,
            TargetKind.RESOLUTION: self.resolution,
        }
        return Rule(
            name=self.name,
            priorities=frozenset(self.priority),
            accounts=frozenset(each.lower() for each in self.account),
            queues=frozenset(each.lower() for each in self.queue),
            languages=frozenset(each.lower() for each in self.language),
            vip=self.vip,
            targets={kind: dict(found) for kind, found in targets.items() if found},
            calendar=None if self.calendar is None else _clock(self.calendar),
        )


class VipList(_Part):
    """Whose queries count as a VIP's."""

    authors: Names = ()
    """Ids of the network, or handles."""
    followers: int | None = Field(default=None, ge=1)
    """Everybody with at least so many followers."""


class PauseRules(_Part):
    """When a target's time stands still; without a word, never."""

    snoozed: bool = False
    waiting: bool = False


class Step(_Part):
    """One step of the escalation ladder."""

    name: str
    notify: str
    after: Duration
    clock: str = ""
    """The calendar on which `after` runs; without it, around the clock."""
    quiet: str = ""
    """The calendar outside of which the step waits for the next opening."""


class ServiceLevels(_Part):
    """How soon an answer is due, and who is told when there is none."""

    targets: Targets = Field(default_factory=lambda: dict(FIRST_RESPONSE))
    """First response, by priority."""
    next_response: Targets = Field(default_factory=dict)
    resolution: Targets = Field(default_factory=dict)
    calendars: Mapping[str, Hours] = Field(default_factory=dict)
    calendar: Clocks = Field(default_factory=dict)
    """By priority; a name alone is for P3 and P4: the first two run around the clock."""
    rules: tuple[TargetRule, ...] = ()
    vips: VipList = VipList()
    pauses: PauseRules = PauseRules()
    at_risk_share: float = Field(default=0.75, gt=0, lt=1)
    ladder: tuple[Step, ...] = Field(
        default=tuple(
            Step(name=step.name, notify=step.notify, after=step.after) for step in DEFAULT_LADDER
        ),
        min_length=1,
    )
    repeat_every: Target = timedelta(hours=1)
    lease: Target = timedelta(minutes=30)
    reminder_share: float = Field(default=0.75, gt=0, lt=1)
    reply_valid_for: Target = timedelta(hours=1)
    follow_up: Duration = timedelta(hours=72)
    reopen_window: Duration = timedelta(hours=72)
    operations_review: Target = timedelta(hours=1)
    snooze_at_most: Duration = timedelta(hours=24)
    snoozes_at_most: int = Field(default=3, ge=0)

    def policy(self, partitions: int) -> Policy:
        """Return the policy that the domain decides by."""
        return Policy(
            first_response={**FIRST_RESPONSE, **self.targets},
            next_response=dict(self.next_response),
            resolution=dict(self.resolution),
            calendars={name: each.calendar(name) for name, each in self.calendars.items()},
            clocks={priority: _clock(name) for priority, name in self.calendar.items()},
            rules=tuple(each.rule() for each in self.rules),
            vips=Vips(
                authors=frozenset(each.lstrip("@").lower() for each in self.vips.authors),
                followers=self.vips.followers,
            ),
            pauses=Pauses(snoozed=self.pauses.snoozed, waiting=self.pauses.waiting),
            at_risk_share=self.at_risk_share,
            ladder=tuple(
                LadderStep(
                    name=step.name,
                    notify=step.notify,
                    after=step.after,
                    clock=_clock(step.clock),
                    quiet=_clock(step.quiet),
                )
                for step in self.ladder
            ),
            repeat_every=self.repeat_every,
            lease=self.lease,
            reminder_share=self.reminder_share,
            reply_valid_for=self.reply_valid_for,
            follow_up=self.follow_up,
            reopen_window=self.reopen_window,
            operations_review=self.operations_review,
            snooze_at_most=self.snooze_at_most,
            snoozes_at_most=self.snoozes_at_most,
            partitions=partitions,
        )

    def problems(self) -> Iterator[str]:
        """Yield the names of calendars and rules that hang in the air or stand there twice."""
        if AROUND_THE_CLOCK in self.calendars:
            yield f"service_levels.calendars: {AROUND_THE_CLOCK} is always open already"
        named: dict[str, Any] = {
            **{f"calendar.{priority}": name for priority, name in self.calendar.items()},
            **{f"rules.{each.name}.calendar": each.calendar for each in self.rules},
            **{f"ladder.{step.name}.clock": step.clock for step in self.ladder},
            **{f"ladder.{step.name}.quiet": step.quiet for step in self.ladder},
        }
        for place, name in named.items():
            if name and name != AROUND_THE_CLOCK and name not in self.calendars:
                yield f"service_levels.{place}: no calendar is called {name!r}"
        names = [each.name for each in self.rules]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                yield f"service_levels.rules: {name!r} stands there twice"


def _clock(name: str) -> str:
    """Return a calendar's name as the policy has it: around the clock needs none."""
    return "" if name == AROUND_THE_CLOCK else name
