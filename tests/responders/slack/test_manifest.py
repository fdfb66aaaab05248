"""The app asks for what the documentation gives a reason for, and for nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

from responders.slack.listeners.commands import COMMAND

ROOT = Path(__file__).parents[3]
MANIFEST = json.loads((ROOT / "deploy/slack/manifest.json").read_text(encoding="utf-8"))
DOCUMENT = (ROOT / "docs/slack.md").read_text(encoding="utf-8")


def test_every_scope_has_its_reason_and_every_reason_its_scope() -> None:
    table = DOCUMENT.partition("## Scopes")[2].partition("\n## ")[0]
    explained = set(re.findall(r"^\| `([a-z_.:]+)` \|", table, re.MULTILINE))
    assert set(MANIFEST["oauth_config"]["scopes"]["bot"]) == explained


def test_it_speaks_socket_mode_and_listens_to_no_events() -> None:
    settings = MANIFEST["settings"]
    assert settings["socket_mode_enabled"]
    assert settings["interactivity"]["is_enabled"]
    assert "event_subscriptions" not in settings


def test_the_command_is_the_one_that_is_listened_to() -> None:
    assert [one["command"] for one in MANIFEST["features"]["slash_commands"]] == [COMMAND]
