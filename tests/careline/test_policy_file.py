"""The service levels as people write them: what they say reaches the policy, or is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from careline.config import CarelineConfig, check_config, examine, load_config, write_config
from careline.domain.calendars import ALWAYS, Span
from careline.domain.policy import LadderStep, Policy, QueryFacts, Vips
from careline.holiday_dates import holiday_dates
from careline.policy_file import read_duration, write_duration
from schemas.targets import TargetKind
from schemas.triage import Priority

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
FIRST, NEXT, RESOLUTION = TargetKind
P1, P2, P3, P4 = Priority
OFFICE = {"zone": "Europe/Berlin", "hours": {"mon-fri": "09:00-17:00"}}
WHOLE = """
brands: [{name: Acme, accounts: [{handle: acme}]}]
channels: {mentions: care, direct_messages: care-dms}
ops_channel: ops
people: {ana: {slack: U1}}
groups: {backup: [ana], manager: [ana]}
service_levels:
  targets: {P1: 10m}
  next_response: 2h
  resolution: {P1: 8h, P2: 2d}
  calendars:
    office:
      zone: Europe/Berlin
      hours:
        mon-fri: [09:00-12:30, 13:30-18:00]
        sat, sun: 10:00-12:00, 13:00-14:00
      holidays: [DE-BE, NO]
      closed: [2026-12-24]
      open: [2026-12-26]
    nights: {hours: {daily: "22:00-06:00"}}
    Tokyo: {zone: Asia/Tokyo, hours: 24x7}
  calendar: office
  rules:
    - {name: VIP, vip: true, first_response: 5m, calendar: 24x7}
    - name: many
      priority: [P2, P3]
      account: ACME
      queue: [acme:direct, ACME:public]
      language: [de, no]
      resolution: {P3: 1d}
      next_response: 30m
      calendar: Tokyo
  vips: {authors: ["@Star", 7], followers: 1000}
  pauses: {snoozed: true}
  at_risk_share: 0.5
  ladder:
    - {name: reminder, notify: holder, after: 0s}
    - {name: backup, notify: backup, after: 30m, clock: office, quiet: nights}
    - {name: outside, notify: bot:pager, after: 1h, clock: 24x7}
  reminder_share: 0.5
  snoozes_at_most: 1
"""


def levels(**stated: Any) -> CarelineConfig:
    return check_config(a_file(**stated), Path("careline.yaml"))


def a_file(**stated: Any) -> dict[str, Any]:
    whole = yaml.safe_load(WHOLE)
    return {**whole, "service_levels": stated}


def problems(**stated: Any) -> list[str]:
    config, found = examine(a_file(**stated))
    assert config is None
    return found


def whole_policy() -> Policy:
    config = check_config(yaml.safe_load(WHOLE), Path("careline.yaml"))
    return config.service_levels.policy(16)


def test_targets_of_all_kinds_reach_the_policy() -> None:
    policy = whole_policy()
    assert policy.first_response[P1] == 10 * MINUTE
    assert policy.first_response[P2] == HOUR
    assert policy.next_response == dict.fromkeys(Priority, 2 * HOUR)
    assert policy.resolution == {P1: 8 * HOUR, P2: 48 * HOUR}
    assert (policy.pauses.snoozed, policy.pauses.waiting) == (True, False)
    assert policy.at_risk_share == 0.5
    assert (policy.reminder_share, policy.snoozes_at_most) == (0.5, 1)


def test_hours_are_read_with_several_spans_a_day_and_over_midnight() -> None:
    policy = whole_policy()
    office = policy.calendar("office")
    assert (office.name, office.zone) == ("office", "Europe/Berlin")
    assert Span(4, 9 * HOUR, 12 * HOUR + 30 * MINUTE) in office.spans
    assert Span(6, 13 * HOUR, 14 * HOUR) in office.spans
    assert len(office.spans) == 5 * 2 + 2 * 2
    assert policy.calendar("nights").spans[6] == Span(6, 22 * HOUR, 30 * HOUR)
    assert policy.calendar("Tokyo").always


def test_holidays_are_those_of_the_country_and_its_part_and_of_the_file() -> None:
    days = whole_policy().calendar("office").holidays
    assert date(2026, 3, 8) in days  # only in Berlin
    assert date(2026, 5, 17) in days  # Norway, which YAML takes for «no»
    assert date(2026, 12, 24) in days
    assert date(2026, 12, 25) in days
    assert date(2026, 12, 26) not in days
    assert date(2026, 11, 18) not in days  # only in Saxony
    assert date(2026, 3, 8) not in holiday_dates("DE")
    assert date(2026, 8, 8) in holiday_dates("DE-Augsburg")
    assert {day.year for day in days} >= set(range(2020, 2041))


def test_a_country_whose_holidays_follow_the_moon_is_read_without_a_word() -> None:
    assert holiday_dates("in")


def test_a_calendar_alone_is_for_the_priorities_that_wait_for_the_office() -> None:
    policy = whole_policy()
    assert policy.clocks == {P3: "office", P4: "office"}
    level = policy.level(FIRST, QueryFacts(P2))
    assert level is not None
    assert level.calendar is ALWAYS
    stated = levels(calendars={"o": OFFICE}, calendar={"P1": "o", "P4": "24x7"})
    assert stated.service_levels.policy(16).clocks == {P1: "o", P4: ""}


def test_rules_reach_the_policy_in_their_order() -> None:
    vip, many = whole_policy().rules
    assert (vip.name, vip.vip, vip.calendar) == ("VIP", True, "")
    assert vip.targets == {FIRST: dict.fromkeys(Priority, 5 * MINUTE)}
    assert many.priorities == {P2, P3}
    assert many.accounts == {"acme"}
    assert many.queues == {"acme:direct", "acme:public"}
    assert many.languages == {"de", "no"}
    assert many.vip is None
    assert many.targets == {
        RESOLUTION: {P3: 24 * HOUR},
        NEXT: dict.fromkeys(Priority, 30 * MINUTE),
    }
    assert many.calendar == "Tokyo"


def test_vips_are_read_with_or_without_the_sign() -> None:
    assert whole_policy().vips == Vips(authors=frozenset({"star", "7"}), followers=1000)


def test_steps_of_the_ladder_may_have_a_clock_and_quiet_hours() -> None:
    assert whole_policy().ladder == (
        LadderStep(name="reminder", notify="holder", after=timedelta(0)),
        LadderStep(
            name="backup", notify="backup", after=30 * MINUTE, clock="office", quiet="nights"
        ),
        LadderStep(name="outside", notify="bot:pager", after=HOUR),
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    config = check_config(yaml.safe_load(WHOLE), Path("careline.yaml"))
    write_config(config, tmp_path / "careline.yaml")
    again = load_config(tmp_path / "careline.yaml")
    assert again == config
    assert again.service_levels.policy(16) == whole_policy()


def test_a_deadline_over_christmas_is_that_of_the_office() -> None:
    policy = whole_policy()
    level = policy.level(FIRST, QueryFacts(P3))
    assert level is not None
    due = level.calendar.add(datetime(2026, 12, 23, 15, tzinfo=UTC), 4 * HOUR)
    # Wednesday 16:00 to 18:00, then Saturday the 26th, which is worked: 10:00 to 12:00.
    assert due == datetime(2026, 12, 26, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        (
            {"calendars": {"a": {"zone": "Europe/Nowhere"}}},
            "service_levels.calendars.a: there is no time zone 'Europe/Nowhere'",
        ),
        (
            {"calendars": {"a": {"zone": "../etc"}}},
            "service_levels.calendars.a: there is no time zone '../etc'",
        ),
        (
            {"calendars": {"a": {"holidays": "ZZ"}}},
            "service_levels.calendars.a: no holidays are known of 'ZZ'",
        ),
        (
            {"calendars": {"a": {"holidays": ["DE-XX"]}}},
            "no holidays are known of 'DE-XX'; parts of DE: Augsburg, BB, BE,",
        ),
        ({"calendars": {"a": {"holidays": ["AD-XX"]}}}, "no holidays are known of 'AD-XX'"),
        ({"calendars": {"a": {"hours": {}}}}, "service_levels.calendars.a: hours: it is never"),
        ({"calendars": {"a": {"hours": {"mon": []}}}}, "hours: it is never open"),
        (
            {"calendars": {"a": {"hours": {"mon-fry": "09:00-17:00"}}}},
            "service_levels.calendars.a: 'mon-fry' is no weekday",
        ),
        ({"calendars": {"a": {"hours": {"daily-fri": "09:00-17:00"}}}}, "is no weekday"),
        ({"calendars": {"a": {"hours": {"mon": "9-5"}}}}, "'9-5' is no span"),
        ({"calendars": {"a": {"hours": {"mon": "09:00-09:00"}}}}, "'09:00-09:00' is empty"),
        ({"calendars": {"a": {"hours": {"mon": "24:00-09:00"}}}}, "there is no such time of day"),
        ({"calendars": {"a": {"hours": {"mon": "09:00-24:01"}}}}, "there is no such time of day"),
        ({"calendars": {"a": {"hours": {"mon": "09:60-10:00"}}}}, "there is no such time of day"),
        ({"calendars": {"a": {"closed": ["xmas"]}}}, "service_levels.calendars.a.closed.0"),
        ({"calendars": {"24x7": {}}}, "service_levels.calendars: 24x7 is always open already"),
        ({"calendar": "gone"}, "service_levels.calendar.P3: no calendar is called 'gone'"),
        ({"calendar": {"P9": "24x7"}}, "service_levels.calendar.P9"),
        ({"targets": {"P1": "0s"}}, "service_levels.targets.P1: a target of no time at all"),
        ({"next_response": "soon"}, "service_levels.next_response.P1: 'soon' is no duration"),
        ({"lease": "0s"}, "service_levels.lease: a target of no time at all"),
        ({"ladder": []}, "service_levels.ladder"),
        (
            {"ladder": [{"name": "a", "notify": "backup", "after": "1h", "clock": "gone"}]},
            "service_levels.ladder.a.clock: no calendar is called 'gone'",
        ),
        (
            {"ladder": [{"name": "a", "notify": "backup", "after": "1h", "quiet": "gone"}]},
            "service_levels.ladder.a.quiet: no calendar is called 'gone'",
        ),
        (
            {"ladder": [{"name": "a", "notify": "nobody", "after": "1h"}]},
            "service_levels.ladder: no group is called 'nobody'",
        ),
        ({"rules": [{"name": "a"}]}, "rule 'a' states neither a target nor a calendar"),
        (
            {"rules": [{"name": "a", "calendar": "gone"}]},
            "service_levels.rules.a.calendar: no calendar is called 'gone'",
        ),
        (
            {"rules": [{"name": "a", "calendar": "24x7"}] * 2},
            "service_levels.rules: 'a' stands there twice",
        ),
        (
            {"rules": [{"name": "a", "account": "other", "calendar": "24x7"}]},
            "service_levels.rules.a: no account is called 'other'",
        ),
        (
            {"rules": [{"name": "a", "queue": "acme:dm", "calendar": "24x7"}]},
            "no queue 'acme:dm'; there are: acme:direct, acme:public",
        ),
        ({"rules": [{"name": "a", "vip": "perhaps", "calendar": "24x7"}]}, "rules.0.vip"),
        ({"vips": {"followers": 0}}, "service_levels.vips.followers"),
        ({"snoozes_at_most": -1}, "service_levels.snoozes_at_most"),
        ({"reminder_share": 1}, "service_levels.reminder_share"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(stated: dict[str, Any], says: str) -> None:
    assert says in problems(**stated)[0]


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert len(problems(targets={"P1": "soon"}, lease="never", ladder=[])) == 3


@pytest.mark.parametrize(
    ("days", "numbers"),
    [
        ("mon", {0}),
        ("Sat, Sun", {5, 6}),
        ("fri-mon", {4, 5, 6, 0}),
        ("daily", set(range(7))),
        ("mon-wed,fri", {0, 1, 2, 4}),
    ],
)
def test_weekdays_are_read_one_by_one_or_from_one_to_another(days: str, numbers: set[int]) -> None:
    config = levels(calendars={"a": {"hours": {days: "09:00-17:00"}}})
    spans = config.service_levels.policy(16).calendar("a").spans
    assert {span.weekday for span in spans} == numbers
    assert len(spans) == len(numbers)


def test_a_whole_day_ends_at_24_hours() -> None:
    config = levels(calendars={"a": {"hours": {"daily": "00:00-24:00"}}})
    assert config.service_levels.policy(16).calendar("a").always


@pytest.mark.parametrize("text", ["90s", "15m", "4h", "2d", "36h", "0.5s"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    found = read_duration(text)
    assert isinstance(found, timedelta)
    assert read_duration(write_duration(found)) == found
