"""Working time: when a calendar is open, and what an amount of open time comes to on the clock.

Promises: an instant is open if the wall clock of the zone stands in one of the calendar's spans and
the local date is no holiday, nothing else; so an hour that a change of the clocks takes out counts
nothing, and one that comes twice counts twice. `add` and `worked` are exact to the microsecond and
undo each other. Pure: the holidays are given as dates, the zone's rules are data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

AROUND_THE_CLOCK: Final = "24x7"
"""The name of the calendar that is always open; an empty name means the same."""

_DAY: Final = timedelta(days=1)
_NONE: Final = timedelta(0)
_RESOLUTION: Final = timedelta(seconds=1)
_WEEK: Final = 7
_DAYS_KEPT: Final = 4096
"""How many days a calendar remembers: eleven years, about a megabyte."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Open from one time of a weekday to another; past 24 h it runs on into the next day."""

    weekday: int
    """0 is Monday, as in `datetime`."""
    opens: timedelta
    closes: timedelta

    def __post_init__(self) -> None:
        """Refuse what is no span: nothing could ever be counted in it."""
        if not 0 <= self.weekday < _WEEK:
            raise ValueError(f"weekday {self.weekday} is not 0 (Monday) to 6 (Sunday)")
        if not _NONE <= self.opens < _DAY or not self.opens < self.closes <= self.opens + _DAY:
            raise ValueError(f"{self.opens} to {self.closes} is no span of a day")


WHOLE_WEEK: Final = tuple(Span(weekday, _NONE, _DAY) for weekday in range(_WEEK))

Times = tuple[tuple[timedelta, timedelta], ...]
"""Open times of one local day, in order, apart from each other."""
Stretches = tuple[tuple[datetime, datetime], ...]
"""Open times of one UTC day, in order."""


def _joined(times: Iterable[tuple[timedelta, timedelta]]) -> Times:
    """Sort times and join those that touch or overlap: nothing is counted twice."""
    found: list[tuple[timedelta, timedelta]] = []
    for opens, closes in sorted(times):
        if found and opens <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], closes))
        else:
            found.append((opens, closes))
    return tuple(found)


def _times_of(spans: tuple[Span, ...], weekday: int) -> Times:
    """Return the open times of a weekday: its own spans, and what runs over from the day before."""
    own = [(span.opens, min(span.closes, _DAY)) for span in spans if span.weekday == weekday]
    over = [
        (_NONE, span.closes - _DAY)
        for span in spans
        if span.weekday == (weekday - 1) % _WEEK and span.closes > _DAY
    ]
    return _joined(own + over)


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """When somebody works: spans of the week in a time zone, without holidays.

    A holiday is closed from local midnight to midnight. All instants given and returned are aware;
    those returned are UTC.
    """

    name: str
    zone: str = "UTC"
    """An IANA name such as ``Europe/Berlin``."""
    spans: tuple[Span, ...] = WHOLE_WEEK
    holidays: frozenset[date] = frozenset()
    _week: tuple[Times, ...] = field(init=False, repr=False, compare=False)
    _zone: tzinfo = field(init=False, repr=False, compare=False)
    _always: bool = field(init=False, repr=False, compare=False)
    _days: dict[int, Stretches] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Work out the week once. Raises ``ValueError`` for a week that is never open."""
        if not self.spans:
            raise ValueError(f"calendar {self.name!r} is never open")
        week = tuple(_times_of(self.spans, weekday) for weekday in range(_WEEK))
        whole = all(times == ((_NONE, _DAY),) for times in week)
        object.__setattr__(self, "_week", week)
        object.__setattr__(self, "_zone", UTC if self.zone == "UTC" else ZoneInfo(self.zone))
        object.__setattr__(self, "_always", whole and not self.holidays)

    @property
    def always(self) -> bool:
        """Whether the calendar is open around the clock on every day."""
        return self._always

    def local(self, at: datetime) -> datetime:
        """Return an instant as the wall clock of the calendar's zone shows it."""
        return at.astimezone(self._zone)

    def is_open(self, at: datetime) -> bool:
        """Return whether the calendar is open at an instant; it is not at the end of a span."""
        at = at.astimezone(UTC)
        return any(opens <= at < closes for opens, closes in self._day(at.toordinal()))

    def next_open(self, at: datetime) -> datetime:
        """Return the first instant from ``at`` on at which the calendar is open."""
        at = at.astimezone(UTC)
        return at if self._always else next(self._open_from(at))[0]

    def add(self, start: datetime, working: timedelta) -> datetime:
        """Return the first instant at which that much working time has passed since ``start``.

        No time at all has passed at ``start`` itself, open or not; a negative amount counts as
        none.
        """
        start = start.astimezone(UTC)
        if working <= _NONE:
            return start
        if self._always:
            return start + working
        stretches = self._open_from(start)
        opens, closes = next(stretches)
        while working > closes - opens:
            working -= closes - opens
            opens, closes = next(stretches)
        return opens + working

    def worked(self, start: datetime, end: datetime) -> timedelta:
        """Return how much working time lies between two instants; none if they are reversed."""
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        if self._always:
            return max(end - start, _NONE)
        total = _NONE
        stretches = self._open_from(start)
        opens, closes = next(stretches)
        while opens < end:
            total += min(closes, end) - opens
            opens, closes = next(stretches)
        return total

    def _open_from(self, start: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Yield what is open from an instant on, without an end: some day is always worked."""
        ordinal = start.toordinal()
        while True:
            for opens, closes in self._day(ordinal):
                if closes > start:
                    yield max(opens, start), closes
            ordinal += 1

    def _day(self, ordinal: int) -> Stretches:
        """Return the open stretches of a UTC day by its ordinal, worked out once."""
        found = self._days.get(ordinal)
        if found is None:
            if len(self._days) >= _DAYS_KEPT:
                self._days.clear()
            found = self._days[ordinal] = tuple(self._stretches(ordinal))
        return found

    def _stretches(self, ordinal: int) -> Iterator[tuple[datetime, datetime]]:
        """Yield the open stretches of a UTC day, piece by piece of constant offset."""
        for begin, end, offset in self._pieces(ordinal):
            local_begin, local_end = begin + offset, end + offset
            midnight = local_begin.replace(hour=0, minute=0, second=0, microsecond=0)
            while midnight < local_end:
                if midnight.date() not in self.holidays:
                    for opens, closes in self._week[midnight.weekday()]:
                        since = max(midnight + opens, local_begin)
                        until = min(midnight + closes, local_end)
                        if since < until:
                            yield since - offset, until - offset
                midnight += _DAY

    def _pieces(self, ordinal: int) -> Iterator[tuple[datetime, datetime, timedelta]]:
        """Yield a UTC day in pieces in which the zone keeps its offset: one, or two."""
        begin = datetime.fromordinal(ordinal).replace(tzinfo=UTC)
        end = begin + _DAY
        before, after = self._offset(begin), self._offset(end - _RESOLUTION)
        if before == after:
            yield begin, end, before
            return
        # The zone's rules name no instants, so the change is searched for: 17 steps to the second.
        unchanged, changed = begin, end - _RESOLUTION
        while changed - unchanged > _RESOLUTION:
            middle = (unchanged + (changed - unchanged) / 2).replace(microsecond=0)
            if self._offset(middle) == before:
                unchanged = middle
            else:
                changed = middle
        yield begin, changed, before
        yield changed, end, after

    def _offset(self, at: datetime) -> timedelta:
        return at.astimezone(self._zone).utcoffset() or _NONE


ALWAYS: Final = Calendar(name=AROUND_THE_CLOCK)
"""Around the clock, on every day."""
