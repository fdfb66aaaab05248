"""views.* of the stand-in Slack: modals and the Home tab.

Promise: a trigger opens one view, once, within three seconds of the act that made it; a view that
was changed meanwhile is not overwritten when the caller names its hash.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from careline.sandbox.slack import blocks as kit
from careline.sandbox.slack.calls import Call, RefusedError
from careline.sandbox.slack.model import View

if TYPE_CHECKING:
    from careline.sandbox.common.wire import Json
    from careline.sandbox.slack.workspace import Trigger, Workspace

STACK_MAX = 3


async def open_view(call: Call) -> Json:
    """views.open."""
    body = _checked(call.args.get("view"))
    trigger = _take_trigger(call)
    call.workspace.close_views(trigger.user)
    return _show(call, trigger, body)


async def push_view(call: Call) -> Json:
    """views.push."""
    body = _checked(call.args.get("view"))
    trigger = _take_trigger(call)
    if len(call.workspace.open_views.get(trigger.user, [])) >= STACK_MAX:
        raise RefusedError("push_limit_reached")
    return _show(call, trigger, body)


async def update_view(call: Call) -> Json:
    """views.update, by view_id or external_id."""
    body = _checked(call.args.get("view"))
    wanted, external = call.text("view_id"), call.text("external_id")
    for view in call.workspace.views.values():
        if view.id == wanted or (external and view.body.get("external_id") == external):
            break
    else:
        raise RefusedError("not_found")
    if call.text("hash") and call.text("hash") != view.hash:
        raise RefusedError("hash_conflict")
    replace_body(call.workspace, view, body)
    facts = {"user": view.user, "view": view.id, "callback_id": body.get("callback_id")}
    call.slack.history.add("slack", "view_update", facts)
    return {"view": view.to_json()}


async def publish_view(call: Call) -> Json:
    """views.publish: a user's Home tab."""
    body = _checked(call.args.get("view"))
    user = call.workspace.users.get(call.text("user_id"))
    if user is None:
        raise RefusedError("user_not_found")
    view = new_view(user.id, body)
    call.workspace.homes[user.id] = view
    call.workspace.touch()
    call.slack.history.add("slack", "view_publish", {"user": user.id, "view": view.id})
    return {"view": view.to_json()}


def new_view(user: str, body: Json, *, previous: View | None = None) -> View:
    """Make a view with fresh ids, its blocks numbered as Slack does."""
    view_id = "V" + secrets.token_hex(5).upper()
    root = previous.root if previous is not None else view_id
    previous_id = previous.id if previous is not None else None
    return View(view_id, user, _numbered(body), _hash(), root, previous_id)


def replace_body(workspace: Workspace, view: View, body: Json) -> None:
    """Show something else in an open view."""
    view.body, view.hash = _numbered(body), _hash()
    workspace.touch()


def push(workspace: Workspace, view: View) -> None:
    """Put a view on top of its user's stack."""
    workspace.views[view.id] = view
    workspace.open_views.setdefault(view.user, []).append(view.id)
    workspace.touch()


def _show(call: Call, trigger: Trigger, body: Json) -> Json:
    view = new_view(trigger.user, body, previous=call.workspace.top_view(trigger.user))
    push(call.workspace, view)
    trigger.view = view.id
    facts = {"user": view.user, "view": view.id, "callback_id": body.get("callback_id")}
    call.slack.history.add("slack", "view_open", facts)
    return {"view": view.to_json()}


def _take_trigger(call: Call) -> Trigger:
    trigger = call.workspace.triggers.get(call.text("trigger_id"))
    if trigger is None:
        raise RefusedError("invalid_trigger_id")
    if trigger.used:
        raise RefusedError("exchanged_trigger_id")
    if time.monotonic() > trigger.expires:
        raise RefusedError("expired_trigger_id")
    trigger.used = True
    return trigger


def _checked(view: object) -> Json:
    faults = kit.view_faults(view)
    if faults or not isinstance(view, dict):
        raise RefusedError("invalid_arguments", response_metadata={"messages": faults})
    return view


def _numbered(body: Json) -> Json:
    blocks = [
        block if block.get("block_id") else {**block, "block_id": f"v{index}"}
        for index, block in enumerate(body.get("blocks") or [])
    ]
    return {**body, "blocks": blocks}


def _hash() -> str:
    return f"{int(time.time())}.{secrets.token_hex(4)}"
