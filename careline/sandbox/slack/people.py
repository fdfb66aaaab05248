"""What a person does in Slack: press a button, fill a modal in, type a command.

Promise: an act reaches the app once, over one socket, and the person is told whether it was
acknowledged in time; a control that is not (any more) on the message cannot be used.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from careline.sandbox.slack import payloads
from careline.sandbox.slack.forms import missing_inputs, state_of
from careline.sandbox.slack.model import APP, TEAM, Message, View
from careline.sandbox.slack.views import new_view, push, replace_body

if TYPE_CHECKING:
    from careline.sandbox.common.wire import Json
    from careline.sandbox.slack.calls import SlackServer
    from careline.sandbox.slack.payloads import Press
    from careline.sandbox.slack.socket import Ack

PENDING_ERROR = "That didn't work: the app did not answer in time."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the person sees of an act: done, or an error; and the view it opened or left open."""

    ok: bool
    error: str = ""
    after_ms: float = 0.0
    view: Json | None = None
    errors: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """Spell the outcome for the page and for agents."""
        return {
            "ok": self.ok,
            "error": self.error,
            "after_ms": round(self.after_ms, 1),
            "view": self.view,
            "errors": self.errors,
        }


async def press(slack: SlackServer, act: Press) -> Outcome:
    """Use a button, menu or picker, and wait for the acknowledgement."""
    workspace = slack.workspace
    user = workspace.users.get(act.user)
    if user is None:
        return Outcome(ok=False, error="unknown_user")
    message = _message(slack, act)
    view = workspace.views.get(act.view) or _home(slack, act)
    blocks = message.blocks if message is not None else view.body["blocks"] if view else []
    control = next(payloads.controls(blocks, act), None)
    if control is None:
        return Outcome(ok=False, error="no_such_control")
    trigger = workspace.trigger(user.id)
    payload = payloads.base(user, "block_actions", trigger)
    payload["actions"] = [payloads.action(*control, act)]
    payload["state"] = {"values": {}}
    if message is not None:
        payloads.about_message(slack, payload, message, user)
    elif view is not None:
        payload |= {"view": view.to_json(), "container": {"type": "view", "view_id": view.id}}
    ack = await slack.sockets.deliver("interactive", payload)
    facts = {
        "type": "block_actions",
        "user": user.id,
        "user_name": user.name,
        "action_id": act.action_id,
        "value": payload["actions"][0].get("value"),
        "channel": act.channel,
        "ts": act.ts,
    }
    _record(slack, facts, ack)
    if not ack.ok:
        return Outcome(ok=False, error=ack.error, after_ms=ack.after_ms)
    opened = await _opened(slack, trigger, act.wait_view_s) if act.wait_view_s else None
    return Outcome(ok=True, after_ms=ack.after_ms, view=opened)


async def submit(slack: SlackServer, *, user: str, view_id: str, values: Json) -> Outcome:
    """Send a modal off; the app may answer with errors, another view, or close it."""
    workspace = slack.workspace
    view, person = workspace.views.get(view_id), workspace.users.get(user)
    if view is None or person is None or view.user != user:
        return Outcome(ok=False, error="no_such_view")
    view.state = state_of(view.body["blocks"], values)
    missing = missing_inputs(view.body["blocks"], view.state)
    if missing:
        return Outcome(ok=False, error="incomplete", view=view.to_json(), errors=missing)
    payload = payloads.base(person, "view_submission", workspace.trigger(user))
    payload |= {"view": view.to_json(), "response_urls": []}
    ack = await slack.sockets.deliver("interactive", payload)
    facts = {
        "type": "view_submission",
        "user": user,
        "user_name": person.name,
        "callback_id": view.body.get("callback_id"),
        "view": view.id,
    }
    _record(slack, facts, ack)
    if not ack.ok:
        return Outcome(ok=False, error=ack.error, after_ms=ack.after_ms, view=view.to_json())
    errors = _apply_answer(slack, view, ack.payload)
    top = workspace.top_view(user)
    shown = top.to_json() if top else None
    error = "refused" if errors else ""
    return Outcome(ok=not errors, error=error, after_ms=ack.after_ms, view=shown, errors=errors)


async def close(slack: SlackServer, *, user: str, view_id: str) -> Outcome:
    """Close a modal; the app hears of it if it asked to."""
    view = slack.workspace.views.get(view_id)
    person = slack.workspace.users.get(user)
    if view is None or person is None or view.user != user:
        return Outcome(ok=False, error="no_such_view")
    slack.workspace.close_views(user, only_top=True)
    if view.body.get("notify_on_close"):
        payload = payloads.base(person, "view_closed", "")
        payload |= {"view": view.to_json(), "is_cleared": False}
        await slack.sockets.deliver("interactive", payload)
    return Outcome(ok=True)


async def command(slack: SlackServer, *, user: str, channel: str, line: str) -> Outcome:
    """Type a slash command; a text in the acknowledgement is shown to the user."""
    person = slack.workspace.users.get(user)
    where = slack.workspace.find_channel(channel)
    name, _, text = line.strip().partition(" ")
    if person is None or where is None or not name.startswith("/"):
        return Outcome(ok=False, error="bad_command")
    key = slack.workspace.response_url(user, where.id, None)
    payload: Json = {
        "token": "sandbox",
        "team_id": TEAM,
        "team_domain": "sandbox",
        "api_app_id": APP,
        "channel_id": where.id,
        "channel_name": where.name,
        "user_id": person.id,
        "user_name": person.name,
        "command": name,
        "text": text,
        "trigger_id": slack.workspace.trigger(user),
        "response_url": f"{slack.url}/response/{key}",
        "is_enterprise_install": "false",
    }
    ack = await slack.sockets.deliver("slash_commands", payload)
    _record(slack, {"type": "slash_command", "user": user, "command": name}, ack)
    if ack.ok and (ack.payload.get("text") or ack.payload.get("blocks")):
        note = Message(
            channel=where.id,
            ts=slack.workspace.next_ts(),
            user="U0CARELINE",
            text=str(ack.payload.get("text") or ""),
            blocks=ack.payload.get("blocks") or [],
            ephemeral_for=user,
        )
        slack.workspace.ephemerals.append(note)
        slack.workspace.touch(note)
    return Outcome(ok=ack.ok, error=ack.error, after_ms=ack.after_ms)


async def open_home(slack: SlackServer, *, user: str) -> Outcome:
    """Open the app's Home tab: the app is told by an event."""
    event = {"type": "app_home_opened", "user": user, "tab": "home", "channel": ""}
    payload = {
        "type": "event_callback",
        "team_id": TEAM,
        "api_app_id": APP,
        "event": {**event, "event_ts": slack.workspace.next_ts()},
        "event_id": f"Ev{time.time_ns():X}",
        "event_time": int(time.time()),
        "authorizations": [],
    }
    ack = await slack.sockets.deliver("events_api", payload, answerable=False)
    return Outcome(ok=ack.ok, error=ack.error, after_ms=ack.after_ms)


def _apply_answer(slack: SlackServer, view: View, answer: Json) -> Json:
    """Do what the acknowledgement of a submission asks for; give the errors it names."""
    workspace = slack.workspace
    action, body = answer.get("response_action"), answer.get("view")
    if action == "errors":
        return dict(answer.get("errors") or {"": "refused"})
    if action == "update" and isinstance(body, dict):
        replace_body(workspace, view, body)
    elif action == "push" and isinstance(body, dict):
        push(workspace, new_view(view.user, body, previous=view))
    else:
        workspace.close_views(view.user, only_top=action != "clear")
    return {}


async def _opened(slack: SlackServer, trigger: str, seconds: float) -> Json | None:
    """Wait until the app has opened a view with this trigger."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        view_id = slack.workspace.triggers[trigger].view
        view = slack.workspace.views.get(view_id or "")
        if view is not None:
            return view.to_json()
        await asyncio.sleep(0.005)
    return None


def _message(slack: SlackServer, act: Press) -> Message | None:
    channel = slack.workspace.channels.get(act.channel)
    message = channel.by_ts.get(act.ts) if channel is not None else None
    if message is not None:
        return None if message.deleted else message
    notes = (n for n in reversed(slack.workspace.ephemerals) if n.ts == act.ts)
    return next((n for n in notes if n.ephemeral_for == act.user), None)


def _home(slack: SlackServer, act: Press) -> View | None:
    home = slack.workspace.homes.get(act.user)
    return home if home is not None and home.id == act.view else None


def _record(slack: SlackServer, facts: Json, ack: Ack) -> None:
    seen = {
        "acked": ack.ok,
        "ack_ms": round(ack.after_ms, 1),
        "socket": ack.socket,
        "error": ack.error,
    }
    slack.history.add("slack", "interaction", facts | seen)
