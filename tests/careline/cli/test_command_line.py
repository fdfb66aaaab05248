"""The command line: help, exit codes, one line an error, `--json` that is JSON alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from careline.cli import main
from tests.support.command import careline

CONFIG = """
brands:
  - name: Acme
    accounts:
      - handle: acme
channels: {mentions: care, direct_messages: care-dms}
ops_channel: ops
"""
COMMANDS = ("demo", "up", "run", "replay", "erase", "doctor", "version")
VERBS = (
    *("topics list", "topics diff", "topics apply", "topics skip"),
    *("ledger audit", "ledger rebuild"),
    *("case list", "case show", "case claim", "case release", "case reply", "case resolve"),
    *("case escalate", "case snooze", "case correct"),
    *("triage eval", "triage explain", "triage stats", "triage refit"),
    *("triage label export", "triage label import"),
    *("dead-letters list", "dead-letters show", "dead-letters redrive"),
)
NOWHERE = "127.0.0.1:1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a careline.yaml in it."""
    (tmp_path / "careline.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def helped(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Ask for help in this process; return it as one line, however wide the terminal is."""
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--help"])
    assert end.value.code == 0
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = helped(capsys)
    for command in (*COMMANDS, "topics", "ledger", "case", "triage"):
        assert f" {command} " in text


@pytest.mark.parametrize("command", [*COMMANDS, *VERBS])
def test_help_of_a_command_shows_an_example_of_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"Example: careline {command}" in helped(capsys, *command.split())


def test_version_as_json_is_one_document(tmp_path: Path) -> None:
    ran = careline("version", "--json", cwd=tmp_path)
    assert ran.code == 0
    assert {"careline", "python", "platform", "libraries"} == set(ran.json)
    assert ran.err == ""


def test_the_topics_are_listed_without_a_broker(tmp_path: Path) -> None:
    ran = careline("topics", "list", "--json", cwd=tmp_path, KAFKA__PARTITIONS="3")
    assert ran.code == 0
    assert {entry["partitions"] for entry in ran.json} == {3}
    assert "cases.events.v1" in {entry["name"] for entry in ran.json}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"topic": "cases.events.v1"}, "cases.events.v1 cannot be skipped: cases are made from it"),
        ({"topic": "mentions.v9"}, "no topic mentions.v9"),
        ({"partition": "99"}, "there is no partition 99"),
        ({"to": "3"}, "--from 17 --to 3 is no range"),
        ({"reason": " "}, "--reason is to be one line"),
        ({"as": " "}, "--as is empty"),
    ],
    ids=str,
)
def test_a_skip_that_makes_no_sense_is_refused_without_a_broker(
    changed: dict[str, str],
    says: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = {"topic": "mentions.received.v1", "partition": "3", "to": "19"}
    asked |= {"reason": "disk", "as": "ana"} | changed
    monkeypatch.chdir(folder)
    words = ("--to", asked["to"], "--reason", asked["reason"], "--as", asked["as"])
    with pytest.raises(SystemExit) as end:
        main(["topics", "skip", asked["topic"], asked["partition"], "--from", "17", *words])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line


def test_an_unknown_command_says_where_to_look(tmp_path: Path) -> None:
    ran = careline("cases", cwd=tmp_path)
    assert ran.code == 2
    assert "careline --help" in ran.error
    assert ran.out == ""


def test_an_unknown_option_says_where_to_look(tmp_path: Path) -> None:
    ran = careline("topics", "diff", "--jsno", cwd=tmp_path)
    assert ran.code == 2
    assert "careline topics --help" in ran.error


def test_a_scratch_without_verify_is_refused_before_anything_is_rebuilt(tmp_path: Path) -> None:
    ran = careline("ledger", "rebuild", "--scratch", "redis://127.0.0.1:1/0", cwd=tmp_path)
    assert ran.code == 2
    assert "--scratch is for --verify alone" in ran.error


def test_an_unknown_role_names_the_roles(folder: Path) -> None:
    ran = careline("run", "conector", "x", cwd=folder)
    assert ran.code == 2
    assert "unknown role 'conector x'" in ran.error
    assert "connector x, connector replay, responder slack" in ran.error


def test_a_missing_careline_yaml_says_what_to_copy(tmp_path: Path) -> None:
    ran = careline("run", "worker", cwd=tmp_path)
    assert ran.code == 2
    assert "careline.example.yaml" in ran.error


def test_a_wrong_setting_is_named_by_its_variable(folder: Path) -> None:
    ran = careline("run", "worker", cwd=folder, KAFKA__PARTITIONS="many", REDIS__URL="http://x")
    assert ran.code == 2
    assert "CARELINE_KAFKA__PARTITIONS" in ran.error
    assert "CARELINE_REDIS__URL" in ran.error


def test_missing_tokens_are_named(folder: Path) -> None:
    ran = careline("run", "responder", "slack", cwd=folder, SLACK__BOT_TOKEN="xoxb-1")
    assert ran.code == 2
    assert "CARELINE_SLACK__APP_TOKEN is not set" in ran.err.splitlines()[-1]


def test_missing_credentials_of_x_are_named(folder: Path) -> None:
    ran = careline("run", "connector", "x", cwd=folder)
    assert ran.code == 2
    assert "no credentials for @acme" in ran.err.splitlines()[-1]


def test_a_kafka_that_does_not_answer_is_named(tmp_path: Path) -> None:
    ran = careline("topics", "diff", cwd=tmp_path, KAFKA__BOOTSTRAP_SERVERS=NOWHERE)
    assert ran.code == 2
    assert NOWHERE in ran.error
    assert "CARELINE_KAFKA__BOOTSTRAP_SERVERS" in ran.error


def test_a_redis_that_does_not_answer_is_named(tmp_path: Path) -> None:
    ran = careline("case", "list", cwd=tmp_path, REDIS__URL="redis://127.0.0.1:1/0")
    assert ran.code == 2
    assert "CARELINE_REDIS__URL" in ran.error


@pytest.mark.parametrize(
    "arguments",
    [
        ("demo", "--stream", "nowhere.jsonl"),
        ("replay", "nowhere.jsonl"),
    ],
)
def test_an_unreadable_file_is_named(arguments: tuple[str, ...], folder: Path) -> None:
    ran = careline(*arguments, cwd=folder)
    assert ran.code == 2
    assert "nowhere.jsonl: cannot be read" in ran.error


def test_a_file_that_holds_nothing_is_no_stream(tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("\n\n", encoding="utf-8")
    ran = careline("demo", "--stream", "empty.jsonl", cwd=tmp_path)
    assert ran.code == 2
    assert "holds no line" in ran.error


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--kill", "worker:2"), "--kill need a stream"),
        (("--stream", "x.jsonl", "--kill", "kafka:1"), "names nobody"),
        (("--stream", "x.jsonl", "--speed", "fast"), "speed 'fast' is none"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_wrong_options_of_the_demo_are_explained(
    arguments: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    (tmp_path / "x.jsonl").write_text('{"author_id": "a", "text": "b"}\n', encoding="utf-8")
    ran = careline("demo", *arguments, cwd=tmp_path)
    assert ran.code == 2
    assert says in ran.error


def test_settings_are_shown_without_their_secrets(folder: Path) -> None:
    ran = careline(
        *("run", "worker"),
        cwd=folder,
        KAFKA__PARTITIONS="many",
        SLACK__BOT_TOKEN="xoxb-very-secret",
        REDIS__URL="redis://:hunter2@127.0.0.1:1/0",
    )
    assert ran.code == 2
    ran = careline(
        *("run", "connector", "replay"),
        cwd=folder,
        SLACK__BOT_TOKEN="xoxb-very-secret",
        REDIS__URL="redis://:hunter2@127.0.0.1:1/0",
    )
    assert ran.code == 2
    assert "CARELINE_SLACK__BOT_TOKEN=***" in ran.err
    assert "redis://:***@127.0.0.1:1/0" in ran.err
    assert "very-secret" not in ran.err
    assert "hunter2" not in ran.err


def test_doctor_says_of_each_thing_whether_it_is_well(folder: Path) -> None:
    ran = careline(
        *("doctor", "--json"),
        cwd=folder,
        KAFKA__BOOTSTRAP_SERVERS=NOWHERE,
        REDIS__URL="redis://127.0.0.1:1/0",
        KAFKAA__PORT="9",
    )
    assert ran.code == 1
    found = {check["check"]: check["verdict"] for check in ran.json["checks"]}
    assert found == {
        "python": "ok",
        "settings": "warning",
        "careline.yaml": "ok",
        "kafka": "failed",
        "redis": "failed",
        "slack": "failed",
        "x": "failed",
        "triage": "ok",
        "disk": found["disk"],
    }
    assert ran.json["ok"] is False
    failed = [check for check in ran.json["checks"] if check["verdict"] == "failed"]
    assert all(check["hint"] for check in failed)


def test_doctor_says_that_the_model_that_is_chosen_is_not_there(folder: Path) -> None:
    ran = careline("doctor", "--json", cwd=folder, TRIAGE__ARTEFACT="nowhere.npz")
    (found,) = (check for check in ran.json["checks"] if check["check"] == "triage")
    assert found["verdict"] == "failed"
    assert "nowhere.npz" in found["detail"]
    assert "CARELINE_TRIAGE__ARTEFACT" in found["hint"]


def test_doctor_uses_signs_and_words(folder: Path) -> None:
    ran = careline("doctor", cwd=folder, KAFKA__BOOTSTRAP_SERVERS=NOWHERE)
    lines = ran.out.splitlines()
    assert lines[0].startswith("✓ ok")
    assert any(line.startswith("✗ failed") and "→" in line for line in lines)
    assert "\x1b" not in ran.out
