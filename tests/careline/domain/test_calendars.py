"""Calendars against a count of minutes, over changes of the clocks and holidays in many zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careline.domain import calendars
from careline.domain.calendars import ALWAYS, WHOLE_WEEK, Calendar, Span

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

CHANGES = {
    # A zone and the UTC day of a change of its clocks.
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/New_York": (date(2026, 3, 8), date(2026, 11, 1)),
    "America/St_Johns": (date(2026, 3, 8), date(2026, 11, 1)),
    "America/Havana": (date(2026, 3, 8), date(2026, 11, 1)),  # at midnight, both ways
    "Australia/Lord_Howe": (date(2026, 4, 4), date(2026, 10, 3)),  # by half an hour
    "Antarctica/Troll": (date(2026, 3, 29), date(2026, 10, 25)),  # by two hours
    "Africa/Casablanca": (date(2026, 2, 15), date(2026, 3, 22)),  # back for Ramadan
    "Asia/Beirut": (date(2026, 3, 28), date(2026, 10, 24)),  # at midnight
    "Asia/Kathmandu": (date(2026, 3, 29), date(2026, 10, 25)),  # +05:45, no change
    "Pacific/Apia": (date(2011, 12, 30), date(2011, 9, 24)),  # a day that never was
    "America/Caracas": (date(2007, 12, 9), date(2016, 5, 1)),  # by half an hour for ever
    "UTC": (date(2026, 1, 1), date(2026, 12, 31)),
}


def nine_to_five(**changes: object) -> Calendar:
    facts: dict[str, object] = {
        "name": "office",
        "zone": "Europe/Berlin",
        "spans": tuple(Span(day, 9 * HOUR, 17 * HOUR) for day in range(5)),
    }
    return Calendar(**(facts | changes))  # type: ignore[arg-type]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"))


# The oracle: one look at the wall clock for each minute.


def wall_says_open(calendar: Calendar, at: datetime) -> bool:
    local = at.astimezone(ZoneInfo(calendar.zone))
    if local.date() in calendar.holidays:
        return False
    time = local.replace(tzinfo=None) - datetime.combine(local.date(), datetime.min.time())
    today, yesterday = local.weekday(), (local.weekday() + 6) % 7
    return any(
        (span.weekday == today and span.opens <= time < span.closes)
        or (span.weekday == yesterday and time + DAY < span.closes)
        for span in calendar.spans
    )


def open_minutes(calendar: Calendar, start: datetime, end: datetime) -> list[datetime]:
    count = int((end - start) / MINUTE)
    minutes = (start + MINUTE * each for each in range(count))
    return [at for at in minutes if wall_says_open(calendar, at)]


@st.composite
def weeks(draw: st.DrawFn) -> tuple[Span, ...]:
    def a_span(weekday: int, opens: int, length: int) -> Span:
        return Span(weekday, MINUTE * opens, MINUTE * (opens + length))

    spans = st.builds(a_span, st.integers(0, 6), st.integers(0, 1439), st.integers(1, 1440))
    return tuple(draw(st.lists(spans, min_size=1, max_size=8)))


@st.composite
def moments(draw: st.DrawFn) -> tuple[Calendar, datetime]:
    """Draw a calendar and a minute near a change of its zone's clocks."""
    zone = draw(st.sampled_from(sorted(CHANGES)))
    change = draw(st.sampled_from(CHANGES[zone]))
    near = st.integers(-4, 6).map(lambda days: change + timedelta(days=days))
    calendar = Calendar(
        name="drawn",
        zone=zone,
        spans=draw(st.just(WHOLE_WEEK) | weeks()),
        holidays=frozenset(draw(st.lists(near, max_size=3))),
    )
    begin = datetime.combine(change, datetime.min.time(), tzinfo=UTC)
    return calendar, begin + MINUTE * draw(st.integers(-3 * 1440, 1440))


microseconds = st.integers(0, 12 * 24 * 3600 * 10**6).map(lambda n: timedelta(microseconds=n))


@settings(max_examples=60, deadline=None)
@given(moments(), st.integers(0, 6 * 1440))
def test_work_is_what_a_count_of_minutes_finds(
    given_at: tuple[Calendar, datetime], minutes: int
) -> None:
    calendar, start = given_at
    end = start + MINUTE * minutes
    assert calendar.worked(start, end) == MINUTE * len(open_minutes(calendar, start, end))


@settings(max_examples=60, deadline=None)
@given(moments(), st.integers(1, 4000))
def test_added_time_ends_with_the_minute_that_a_count_comes_to(
    given_at: tuple[Calendar, datetime], wanted: int
) -> None:
    calendar, start = given_at
    end = calendar.add(start, MINUTE * wanted)
    days = timedelta(days=min((end - start).days + 1, 9))
    counted = open_minutes(calendar, start, start + days)
    if len(counted) >= wanted:
        assert end == counted[wanted - 1] + MINUTE
    else:
        assert end > start + days


@settings(max_examples=60, deadline=None)
@given(moments(), st.integers(0, 3 * 1440))
def test_open_is_what_the_wall_clock_says(given_at: tuple[Calendar, datetime], after: int) -> None:
    calendar, start = given_at
    at = start + MINUTE * after
    assert calendar.is_open(at) is wall_says_open(calendar, at)
    opens = calendar.next_open(at)
    assert opens == at or not wall_says_open(calendar, opens - MINUTE)
    assert wall_says_open(calendar, opens)
    assert calendar.worked(at, opens) == timedelta(0)


@settings(deadline=None)
@given(moments(), microseconds, microseconds)
def test_adding_and_counting_undo_each_other(
    given_at: tuple[Calendar, datetime], one: timedelta, other: timedelta
) -> None:
    calendar, start = given_at
    end = calendar.add(start, one)
    assert calendar.worked(start, end) == one
    assert calendar.add(end, other) == calendar.add(start, one + other)
    later = start + other
    back = calendar.add(start, calendar.worked(start, later))
    assert back <= later
    assert calendar.worked(back, later) == timedelta(0)


@settings(deadline=None)
@given(moments(), microseconds, microseconds, microseconds)
def test_time_only_runs_forwards(
    given_at: tuple[Calendar, datetime], one: timedelta, other: timedelta, more: timedelta
) -> None:
    calendar, start = given_at
    less, much = sorted((one, other))
    assert start <= calendar.add(start, less) <= calendar.add(start, much)
    assert calendar.add(start, less) <= calendar.add(start + more, less)
    assert calendar.worked(start, start + less) <= calendar.worked(start, start + much) <= much
    middle, end = start + less, start + less + more
    parts = calendar.worked(start, middle) + calendar.worked(middle, end)
    assert parts == calendar.worked(start, end)
    assert calendar.worked(end, start) == timedelta(0) or end == start


# Examples that a person can check.


def test_an_afternoon_goes_on_the_next_morning() -> None:
    assert nine_to_five().add(berlin("2026-11-24 16:30"), 2 * HOUR) == berlin("2026-11-25 10:30")


def test_a_deadline_may_fall_on_the_end_of_the_day_itself() -> None:
    office = nine_to_five()
    evening = berlin("2026-11-24 17:00")
    assert office.add(berlin("2026-11-24 16:30"), HOUR / 2) == evening
    assert not office.is_open(evening)
    assert office.is_open(evening - timedelta(microseconds=1))
    assert office.next_open(evening) == berlin("2026-11-25 09:00")
    assert office.is_open(berlin("2026-11-25 09:00"))


def test_no_time_has_passed_at_the_start_itself_whatever_the_hour() -> None:
    night = berlin("2026-11-24 23:00")
    assert nine_to_five().add(night, timedelta(0)) == night
    assert nine_to_five().add(night, -HOUR) == night


def test_friday_is_followed_by_monday_and_a_holiday_by_the_day_after() -> None:
    office = nine_to_five(holidays=frozenset({date(2026, 11, 30)}))
    assert office.add(berlin("2026-11-27 16:00"), 2 * HOUR) == berlin("2026-12-01 10:00")
    assert office.worked(berlin("2026-11-27 16:00"), berlin("2026-12-01 10:00")) == 2 * HOUR


def test_lunch_is_no_working_time() -> None:
    spans = (Span(1, 9 * HOUR, 12 * HOUR), Span(1, 13 * HOUR, 18 * HOUR))
    office = nine_to_five(spans=spans)
    assert office.add(berlin("2026-11-24 11:30"), HOUR) == berlin("2026-11-24 13:30")
    assert office.next_open(berlin("2026-11-24 12:30")) == berlin("2026-11-24 13:00")


def test_spans_that_overlap_or_touch_count_once() -> None:
    spans = (
        Span(1, 9 * HOUR, 12 * HOUR),
        Span(1, 11 * HOUR, 13 * HOUR),
        Span(1, 13 * HOUR, 14 * HOUR),
    )
    day = berlin("2026-11-24 00:00")
    assert nine_to_five(spans=spans).worked(day, day + DAY) == 5 * HOUR


def test_a_night_shift_runs_over_midnight_and_from_sunday_into_monday() -> None:
    night = nine_to_five(spans=(Span(6, 22 * HOUR, 30 * HOUR),))
    assert night.is_open(berlin("2026-11-29 23:00"))
    assert night.is_open(berlin("2026-11-30 05:59"))
    assert not night.is_open(berlin("2026-11-30 06:00"))
    assert night.worked(berlin("2026-11-29 00:00"), berlin("2026-12-01 00:00")) == 8 * HOUR


def test_a_holiday_ends_the_night_shift_at_midnight() -> None:
    spans = (Span(6, 22 * HOUR, 30 * HOUR),)
    night = nine_to_five(spans=spans, holidays=frozenset({date(2026, 11, 30)}))
    assert night.worked(berlin("2026-11-29 00:00"), berlin("2026-12-01 00:00")) == 2 * HOUR


def test_an_hour_that_comes_twice_counts_twice() -> None:
    night = nine_to_five(spans=(Span(6, HOUR, 4 * HOUR),))
    begin = berlin("2026-10-25 01:00")
    assert night.worked(begin, begin + DAY) == 4 * HOUR
    assert night.add(begin, 2 * HOUR) == utc("2026-10-25T01:00")


def test_an_hour_that_is_taken_out_counts_nothing() -> None:
    night = nine_to_five(spans=(Span(6, HOUR, 4 * HOUR),))
    begin = berlin("2026-03-29 01:00")
    assert night.worked(begin, begin + DAY) == 2 * HOUR
    assert night.add(begin, HOUR + MINUTE) == berlin("2026-03-29 03:01")


def test_a_day_that_the_zone_left_out_has_no_working_time() -> None:
    apia = Calendar(
        name="Apia",
        zone="Pacific/Apia",
        spans=tuple(Span(day, 9 * HOUR, 17 * HOUR) for day in range(7)),
    )
    zone = ZoneInfo("Pacific/Apia")
    thursday = datetime(2011, 12, 29, 16, tzinfo=zone)
    assert apia.add(thursday, 2 * HOUR) == datetime(2011, 12, 31, 10, tzinfo=zone)


def test_around_the_clock_is_plain_addition() -> None:
    start = utc("2026-11-24T03:04:05.678901")
    assert ALWAYS.always
    assert ALWAYS.name == "24x7"
    assert ALWAYS.add(start, 3 * DAY) == start + 3 * DAY
    assert ALWAYS.worked(start, start + 3 * DAY) == 3 * DAY
    assert ALWAYS.next_open(start) == start
    assert ALWAYS.is_open(start)


def test_a_holiday_closes_even_what_is_open_around_the_clock() -> None:
    calendar = Calendar(name="almost", holidays=frozenset({date(2026, 11, 24)}))
    assert not calendar.always
    assert calendar.add(utc("2026-11-23T23:00"), 2 * HOUR) == utc("2026-11-25T01:00")
    assert calendar.worked(utc("2026-11-23T00:00"), utc("2026-11-26T00:00")) == 2 * DAY


def test_what_is_returned_is_utc_whatever_was_given() -> None:
    start = berlin("2026-11-24 10:00")
    for calendar in (ALWAYS, nine_to_five()):
        for found in (
            calendar.add(start, HOUR),
            calendar.add(start, timedelta(0)),
            calendar.next_open(start),
        ):
            assert found.tzinfo is UTC
    assert nine_to_five().local(start).utcoffset() == HOUR


def test_many_days_off_are_passed_over() -> None:
    shut = frozenset(date(2026, 1, 1) + timedelta(days=day) for day in range(365))
    calendar = nine_to_five(holidays=shut)
    assert calendar.next_open(berlin("2026-01-05 10:00")) == berlin("2027-01-01 09:00")
    assert calendar.add(berlin("2026-01-05 10:00"), HOUR) == berlin("2027-01-01 10:00")


def test_a_calendar_does_not_remember_for_ever() -> None:
    calendar = nine_to_five()
    far = calendar.add(berlin("2026-11-24 09:00"), timedelta(hours=8 * 5 * 52 * 20))
    assert far == berlin("2046-10-29 17:00")
    assert len(calendar._days) <= calendars._DAYS_KEPT


def test_calendars_are_values() -> None:
    first, second = nine_to_five(), nine_to_five()
    first.add(berlin("2026-11-24 09:00"), HOUR)
    assert first == second
    assert hash(first) == hash(second)
    assert first != nine_to_five(zone="Europe/London")


@pytest.mark.parametrize(
    ("weekday", "opens", "closes"),
    [
        (7, HOUR, 2 * HOUR),
        (-1, HOUR, 2 * HOUR),
        (0, -HOUR, HOUR),
        (0, DAY, DAY + HOUR),
        (0, HOUR, HOUR),
        (0, 2 * HOUR, HOUR),
        (0, HOUR, DAY + HOUR + MINUTE),
    ],
)
def test_what_is_no_span_is_refused(weekday: int, opens: timedelta, closes: timedelta) -> None:
    with pytest.raises(ValueError, match=r"is not 0|is no span"):
        Span(weekday, opens, closes)


def test_the_longest_span_is_a_day() -> None:
    whole = Calendar(name="whole", spans=tuple(Span(day, HOUR, DAY + HOUR) for day in range(7)))
    assert whole.always


def test_a_week_that_is_never_open_is_refused() -> None:
    with pytest.raises(ValueError, match="'shut' is never open"):
        Calendar(name="shut", spans=())
