"""`careline policy`: what is wrong is said with its place, a deadline explains itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command import careline

OFFICE = {"zone": "Europe/Berlin", "hours": {"mon-fri": "09:00-17:00"}, "holidays": "DE-BE"}
LEVELS: dict[str, Any] = {
    "targets": {"P2": "2h"},
    "calendars": {"business hours Berlin": OFFICE},
    "calendar": {"P2": "business hours Berlin"},
    "rules": [{"name": "German", "language": "de", "first_response": "1h"}],
}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    return a_file(tmp_path / "careline.yaml")


def a_file(path: Path, **levels: Any) -> Path:
    whole = {
        "brands": [{"name": "Acme", "accounts": [{"handle": "acme"}]}],
        "channels": {"mentions": "care", "direct_messages": "care-dms"},
        "ops_channel": "ops",
        "service_levels": LEVELS | levels,
    }
    path.write_text(yaml.safe_dump(whole), encoding="utf-8")
    return path


def test_a_file_that_is_right_is_said_to_be(policy: Path) -> None:
    ran = careline("policy", "check", cwd=policy.parent)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == "✓ careline.yaml: calendars 1, rules 1, steps of the ladder 2\n"
    ran = careline("policy", "check", str(policy), "--json", cwd=policy.parent)
    assert ran.json == {"file": str(policy), "ok": True, "problems": []}


def test_all_that_is_wrong_is_said_with_its_place(tmp_path: Path) -> None:
    rules = [{"name": "a", "account": "other", "calendar": "gone"}]
    wrong = a_file(tmp_path / "wrong.yaml", rules=rules)
    ran = careline("policy", "check", "wrong.yaml", cwd=tmp_path)
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "✗ service_levels.rules.a: no account is called 'other'",
        "✗ service_levels.rules.a.calendar: no calendar is called 'gone'",
    ]
    ran = careline("policy", "check", str(wrong), "--json", cwd=tmp_path)
    assert ran.code == 1
    assert ran.json["ok"] is False
    assert len(ran.json["problems"]) == 2


def test_what_is_no_file_could_not_be_checked(tmp_path: Path) -> None:
    ran = careline("policy", "check", "none.yaml", cwd=tmp_path)
    assert ran.code == 2
    assert "none.yaml: no such file" in ran.error


def test_a_deadline_is_explained_with_all_that_follows_from_it(policy: Path) -> None:
    ran = careline(
        *("policy", "explain", "--priority", "P2", "--at", "2026-11-27T15:00Z"),
        cwd=policy.parent,
    )
    assert ran.code == 0
    first, _, following = ran.out.partition("\n\n")
    assert [line.split("  ", 1)[0] for line in first.splitlines()] == [
        "because",
        "heard",
        "time by",
        "calendar by",
        "at risk",
        "due",
        "step 1",
        "step 2",
        "then",
    ]
    assert "first response 2 h for P2, business hours Berlin, due 2026-11-30 10:00 CET" in first
    assert "Mon 2026-11-30 10:30:00 CET  manager → manager" in first
    assert "Mon 2026-11-30 11:30:00 CET  again, every 1h without end" in first
    assert following.startswith("because      next response")


def test_a_closed_calendar_says_when_time_begins_to_run(policy: Path) -> None:
    ran = careline(
        *("policy", "explain", "--priority", "P2", "--language", "de", "--direct"),
        *("--at", "2026-12-25T12:00+01:00"),
        cwd=policy.parent,
    )
    assert "runs from    Mon 2026-12-28 09:00:00 CET: it is closed until then" in ran.out
    assert "time by      rule German" in ran.out
    assert "calendar by  priority" in ran.out


def test_an_explanation_is_one_document(policy: Path) -> None:
    ran = careline(
        *("policy", "explain", "--priority", "P2", "--vip", "--account", "acme", "--json"),
        *("--at", "2026-11-27T15:00Z", "--file", str(policy)),
        cwd=policy.parent,
    )
    assert set(ran.json) == {"first_response", "next_response"}
    first = ran.json["first_response"]
    assert first["facts"] == {
        "priority": "P2",
        "account": "acme",
        "queue": "acme:public",
        "language": "",
        "vip": True,
    }
    assert (first["allowed"], first["calendar"]) == ("2h", "business hours Berlin")
    assert first["due_at"] == "2026-11-30 09:00:00+00:00"
    assert [step["notify"] for step in first["ladder"]] == ["backup", "manager"]


def test_without_a_time_it_is_heard_now(policy: Path) -> None:
    ran = careline("policy", "explain", "--priority", "P1", cwd=policy.parent)
    assert ran.code == 0
    assert "first response 15 min for P1, 24x7, due" in ran.out


@pytest.mark.parametrize("text", ["2026-11-27T15:00", "tomorrow"])
def test_an_instant_without_a_zone_is_refused(policy: Path, text: str) -> None:
    ran = careline("policy", "explain", "--at", text, cwd=policy.parent)
    assert ran.code == 2
    assert f"'{text}' is no instant" in ran.error


def test_two_files_that_say_the_same_differ_in_nothing(policy: Path) -> None:
    ran = careline("policy", "diff", policy.name, policy.name, cwd=policy.parent)
    assert (ran.code, ran.out) == (0, "✓ nothing changes\n")


def test_what_changes_is_said_for_those_whom_it_is_about(policy: Path) -> None:
    rules = [{"name": "German", "language": "de", "first_response": "30m"}]
    a_file(policy.parent / "new.yaml", rules=rules, lease="45m", resolution={"P1": "4h"})
    arguments = ("policy", "diff", policy.name, "new.yaml", "--at", "2026-11-25T00:00+01:00")
    ran = careline(*arguments, cwd=policy.parent)
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0] == "✗ lease: 30m → 45m"
    about = "(acme:direct, de; acme:public, de)"
    begin = lines.index(
        f"✗ P2 first response {about}: 1 h, business hours Berlin → 30 min, business hours Berlin"
    )
    assert lines[begin + 2].strip() == (
        "heard Fri 16:30 UTC+01:00: due Mon 2026-12-07 08:30 UTC → Fri 2026-12-04 16:00 UTC"
    )
    assert "✗ P1 resolution (all): none → 4 h, 24x7" in lines
    assert any("due never →" in line for line in lines)
    ran = careline(*arguments, "--json", cwd=policy.parent)
    assert ran.code == 1
    assert ran.json["settings"] == {"lease": ["30m", "45m"]}
    assert {each["kind"] for each in ran.json["targets"]} == {
        "first_response",
        "next_response",
        "resolution",
    }
