"""Whom a message would ping."""

from __future__ import annotations

from typing import Any

import pytest

from careline.sandbox.slack.pings import count
from tests.careline.sandbox.conftest import Control

STAFF = {"U0ANA"}
HOSTILE = "<!channel> <!here|x> <!everyone> <!subteam^S1> <@U0ANA> <@U0EVE> <http://evil|bank>"


def md(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


@pytest.mark.parametrize(
    "body",
    [
        {"text": HOSTILE},
        {"blocks": [{"type": "section", "text": md(HOSTILE)}]},
        {"blocks": [{"type": "section", "fields": [md("ok"), md(HOSTILE)]}]},
        {"blocks": [{"type": "context", "elements": [md(HOSTILE)]}]},
        {"blocks": [{"type": "markdown", "text": HOSTILE}]},
        {"attachments": [{"text": HOSTILE}]},
        {"attachments": [{"blocks": [{"type": "section", "text": md(HOSTILE)}]}]},
    ],
)
def test_markup_pings_wherever_slack_reads_it(body: dict[str, Any]) -> None:
    found = count(body, STAFF)
    assert (found["broadcast"], found["staff"], found["stranger"]) == (4, 1, 1)
    assert found["links"] == ["http://evil"]


@pytest.mark.parametrize(
    "body",
    [
        {"text": "&lt;!channel&gt; @channel"},
        {"blocks": [{"type": "section", "text": plain(HOSTILE)}]},
        {"blocks": [{"type": "header", "text": plain(HOSTILE)}]},
        {"blocks": [{"type": "context", "elements": [plain(HOSTILE)]}]},
        {"blocks": [{"type": "actions", "elements": [{"type": "button", "text": plain(HOSTILE)}]}]},
        {
            "blocks": [
                {
                    "type": "rich_text",
                    "elements": [
                        {
                            "type": "rich_text_section",
                            "elements": [{"type": "text", "text": HOSTILE}],
                        }
                    ],
                }
            ]
        },
    ],
)
def test_plain_and_escaped_text_never_pings(body: dict[str, Any]) -> None:
    assert count(body, STAFF)["targets"] == []


def test_rich_text_elements_ping() -> None:
    quote = {
        "type": "rich_text_quote",
        "elements": [
            {"type": "broadcast", "range": "here"},
            {"type": "user", "user_id": "U0EVE"},
        ],
    }
    found = count({"blocks": [{"type": "rich_text", "elements": [quote]}]}, STAFF)
    assert (found["broadcast"], found["stranger"]) == (1, 1)


@pytest.mark.parametrize("loose", [{"link_names": True}, {"parse": "full"}])
def test_loose_parsing_makes_bare_names_ping(loose: dict[str, Any]) -> None:
    assert count({"text": "hey @channel", **loose}, STAFF)["broadcast"] == 1


async def test_the_summary_adds_the_pings_up(slack: Any, channel: str, control: Control) -> None:
    await slack.chat_postMessage(channel=channel, text="<!channel> &lt;!here&gt;")
    assert (await control.get("summary"))["slack"]["pings"]["broadcast"] == 1
