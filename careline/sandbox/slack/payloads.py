"""The payloads by which Slack tells an app what a person did.

Promise: they have the shape that Bolt and slack_sdk read from the real Slack; a control is found
only if it is on the message or view that the person looked at.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from careline.sandbox.slack.model import APP, TEAM, Message, User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from careline.sandbox.common.wire import Json
    from careline.sandbox.slack.calls import SlackServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """One use of a control on a message or in a view."""

    user: str
    action_id: str
    channel: str = ""
    ts: str = ""
    view: str = ""
    block_id: str = ""
    value: str | None = None
    wait_view_s: float = 0.0


def controls(blocks: list[Json], act: Press) -> Iterator[tuple[Json, Json]]:
    """Find the control by its action id, as a person finds it by its label."""
    for block in blocks:
        inside = [*(block.get("elements") or []), block.get("accessory"), block.get("element")]
        for element in inside:
            if not isinstance(element, dict) or element.get("action_id") != act.action_id:
                continue
            if act.block_id in {"", block.get("block_id")}:
                yield block, element


def action(block: Json, element: Json, act: Press) -> Json:
    """Spell the use of a control as the app hears it."""
    action: Json = {
        "type": element["type"],
        "action_id": element["action_id"],
        "block_id": block.get("block_id", ""),
        "action_ts": f"{time.time():.6f}",
    }
    if element["type"] == "button":
        action |= {"text": element["text"], "value": element.get("value")}
        if element.get("style"):
            action["style"] = element["style"]
    elif "options" in element:
        options = element["options"]
        chosen = next((o for o in options if o.get("value") == act.value), options[0])
        action["selected_option"] = chosen
    elif element["type"] == "users_select":
        action["selected_user"] = act.value
    else:
        action["value"] = act.value
    return action


def base(user: User, kind: str, trigger: str) -> Json:
    """Spell what every interactive payload says: who, of which team, with which trigger."""
    return {
        "type": kind,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": TEAM},
        "api_app_id": APP,
        "token": "sandbox",
        "trigger_id": trigger,
        "team": {"id": TEAM, "domain": "sandbox"},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def about_message(slack: SlackServer, payload: Json, message: Message, user: User) -> None:
    """Add the message that the user acted on, and where to answer."""
    channel = slack.workspace.channels[message.channel]
    key = slack.workspace.response_url(user.id, channel.id, message.ts)
    payload["container"] = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.ephemeral_for is not None,
    }
    payload["channel"] = {"id": channel.id, "name": channel.name}
    payload["message"] = message.to_json(metadata=True)
    payload["response_url"] = f"{slack.url}/response/{key}"
