"""Settings: from the environment and files of secrets, named when wrong, masked when shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from careline.runtime.errors import ConfigurationError
from careline.settings import (
    effective,
    load_settings,
    masked_url,
    speed_of,
    unknown_variables,
    wants_colour,
)


def test_nested_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELINE_KAFKA__BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("CARELINE_X__ACCOUNTS__ACME__ACCESS_TOKEN", "one")
    monkeypatch.setenv("CARELINE_X__ACCOUNTS__ACME__ACCESS_TOKEN_SECRET", "two")
    settings = load_settings()
    assert settings.kafka.bootstrap_servers == "kafka:9092"
    assert settings.x.accounts["acme"].access_token.get_secret_value() == "one"


def test_accounts_may_be_given_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CARELINE_X__ACCOUNTS", '{"Acme": {"access_token": "a", "access_token_secret": "b"}}'
    )
    assert set(load_settings().x.accounts) == {"acme"}


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELINE_SLACK__BOT_TOKEN", "")
    assert load_settings().slack.bot_token is None


def test_secrets_may_stand_in_files_and_the_environment_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "CARELINE_SLACK__BOT_TOKEN").write_text("xoxb-file\n", encoding="utf-8")
    (tmp_path / "CARELINE_SLACK__APP_TOKEN").write_text("xapp-file\n", encoding="utf-8")
    (tmp_path / "unrelated").write_text("x", encoding="utf-8")
    monkeypatch.setenv("CARELINE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("CARELINE_SLACK__APP_TOKEN", "xapp-environment")
    slack = load_settings().slack
    assert slack.bot_token is not None
    assert slack.app_token is not None
    assert slack.bot_token.get_secret_value() == "xoxb-file"
    assert slack.app_token.get_secret_value() == "xapp-environment"


def test_a_secrets_folder_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARELINE_SECRETS_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigurationError, match="CARELINE_SECRETS_DIR"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CARELINE_KAFKA__PARTITIONS", "0"),
        ("CARELINE_REDIS__URL", "http://somewhere"),
        ("CARELINE_KAFKA__BOOTSTRAP", "typo:9092"),
        ("CARELINE_REPLAY__SPEED", "fast"),
        ("CARELINE_X__SINCE", "yesterday"),
    ],
)
def test_a_wrong_variable_is_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load_settings()


def test_a_misspelt_variable_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELINE_KAFKAA__PARTITIONS", "3")
    monkeypatch.setenv("CARELINE_KAFKA__PARTITIONS", "3")
    assert unknown_variables() == ("CARELINE_KAFKAA__PARTITIONS",)


def test_secrets_are_masked_when_settings_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELINE_SLACK__BOT_TOKEN", "xoxb-secret")
    monkeypatch.setenv("CARELINE_REDIS__URL", "rediss://user:hunter2@redis:6379/0")
    monkeypatch.setenv("CARELINE_X__ACCOUNTS__A__ACCESS_TOKEN", "token-secret")
    monkeypatch.setenv("CARELINE_X__ACCOUNTS__A__ACCESS_TOKEN_SECRET", "token-secret")
    settings = load_settings()
    shown = effective(settings)
    assert shown["CARELINE_SLACK__BOT_TOKEN"] == "***"
    assert shown["CARELINE_SLACK__APP_TOKEN"] == "not set"
    assert shown["CARELINE_REDIS__URL"] == "rediss://user:***@redis:6379/0"
    for secret in ("xoxb-secret", "hunter2", "token-secret"):
        assert secret not in str(shown)
        assert secret not in repr(settings)


def test_a_url_without_a_password_is_shown_whole() -> None:
    assert masked_url("redis://127.0.0.1:6379/0") == "redis://127.0.0.1:6379/0"


@pytest.mark.parametrize(("text", "speed"), [("1", 1.0), ("60", 60.0), ("max", None)])
def test_speeds_are_read(text: str, speed: float | None) -> None:
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "inf", "nan", "quick", ""])
def test_what_is_no_speed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="speed"):
        speed_of(text)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_declined(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_colour()
    monkeypatch.setenv(name, value)
    assert not wants_colour()
