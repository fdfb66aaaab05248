"""conversations.*, users.*, auth.test and apps.connections.open of the stand-in Slack.

Promise: pages are newest first with a cursor; metadata is there only if `include_all_metadata` asks
for it; a message that lands late is not seen before.
"""

from __future__ import annotations

import base64
import binascii
import time

from careline.sandbox.common.wire import Json, truthy
from careline.sandbox.slack.calls import Call, RefusedError
from careline.sandbox.slack.model import BOT, BOT_USER, TEAM

PAGE = 100
PAGE_MAX = 999


async def auth_test(call: Call) -> Json:
    """auth.test."""
    return {
        "url": f"{call.slack.url}/",
        "team": "Sandbox",
        "team_id": TEAM,
        "user": "careline",
        "user_id": BOT_USER,
        "bot_id": BOT,
        "is_enterprise_install": False,
    }


async def connections_open(call: Call) -> Json:
    """apps.connections.open: where to open the next socket."""
    address = call.slack.url.replace("http", "ws", 1)
    return {"url": f"{address}/socket?ticket={call.slack.sockets.ticket()}"}


async def conversations_list(call: Call) -> Json:
    """conversations.list, by kind, with a cursor."""
    kinds = set((call.text("types") or "public_channel").split(","))
    hide_archived = truthy(call.args.get("exclude_archived"))
    found = [
        channel
        for channel in call.workspace.channels.values()
        if channel.im_user is None
        and ("private_channel" if channel.is_private else "public_channel") in kinds
        and not (hide_archived and channel.is_archived)
        and (channel.bot_is_member or not channel.is_private)
    ]
    start, size = _offset(call), call.number_of("limit", PAGE, 1000)
    return {
        "channels": [channel.to_json() for channel in found[start : start + size]],
        "response_metadata": {"next_cursor": _cursor(start + size, len(found))},
    }


async def conversations_info(call: Call) -> Json:
    """conversations.info."""
    channel = call.workspace.find_channel(call.text("channel"))
    if channel is None or (channel.is_private and not channel.bot_is_member):
        raise RefusedError("channel_not_found")
    return {"channel": channel.to_json()}


async def conversations_open(call: Call) -> Json:
    """conversations.open: the app's direct conversation with one user."""
    user = call.workspace.users.get(call.text("users"))
    if user is None:
        raise RefusedError("user_not_found")
    return {"channel": call.workspace.im(user).to_json()}


async def conversations_join(call: Call) -> Json:
    """conversations.join: public channels only."""
    channel = call.workspace.find_channel(call.text("channel"))
    if channel is None or channel.is_private:
        raise RefusedError("channel_not_found")
    if channel.is_archived:
        raise RefusedError("is_archived")
    channel.bot_is_member = True
    return {"channel": channel.to_json()}


async def history(call: Call) -> Json:
    """conversations.history: top-level messages, newest first."""
    channel = call.channel()
    size = call.number_of("limit", PAGE, PAGE_MAX)
    latest, inclusive = call.text("latest") or None, truthy(call.args.get("inclusive"))
    if call.text("cursor"):
        latest, inclusive = _decode(call.text("cursor")), False
    with_metadata, now = truthy(call.args.get("include_all_metadata")), time.time()
    found: list[Json] = []
    more = False
    for message in channel.between(call.text("oldest") or None, latest, inclusive=inclusive):
        if not message.listed(now):
            continue
        if len(found) == size:
            more = True
            break
        found.append(message.to_json(metadata=with_metadata))
    body: Json = {"messages": found, "has_more": more, "pin_count": 0}
    if more:
        body["response_metadata"] = {"next_cursor": _encode(found[-1]["ts"])}
    return body


async def replies(call: Call) -> Json:
    """conversations.replies: the parent, then its thread, oldest first."""
    channel = call.channel()
    parent = channel.by_ts.get(call.text("ts"))
    if parent is None or parent.deleted:
        raise RefusedError("thread_not_found")
    size, start = call.number_of("limit", PAGE, PAGE_MAX), _offset(call)
    with_metadata, now = truthy(call.args.get("include_all_metadata")), time.time()
    oldest, latest = call.text("oldest"), call.text("latest")
    thread = [
        message
        for message in [parent, *parent.replies]
        if message.listed(now)
        and (message is parent or not oldest or message.ts > oldest)
        and (message is parent or not latest or message.ts < latest)
    ]
    shown = [message.to_json(metadata=with_metadata) for message in thread[start : start + size]]
    more = start + size < len(thread)
    body: Json = {"messages": shown, "has_more": more}
    if more:
        body["response_metadata"] = {"next_cursor": _cursor(start + size, len(thread))}
    return body


async def users_info(call: Call) -> Json:
    """users.info."""
    return {"user": call.user().to_json()}


async def users_list(call: Call) -> Json:
    """users.list with a cursor."""
    everyone = list(call.workspace.users.values())
    start, size = _offset(call), call.number_of("limit", PAGE, 1000)
    return {
        "members": [user.to_json() for user in everyone[start : start + size]],
        "response_metadata": {"next_cursor": _cursor(start + size, len(everyone))},
    }


async def users_by_email(call: Call) -> Json:
    """users.lookupByEmail."""
    for user in call.workspace.users.values():
        if user.email and user.email == call.text("email"):
            return {"user": user.to_json()}
    raise RefusedError("users_not_found")


def _offset(call: Call) -> int:
    text = call.text("cursor")
    if not text:
        return 0
    decoded = _decode(text)
    if not decoded.isdigit():
        raise RefusedError("invalid_cursor")
    return int(decoded)


def _cursor(end: int, total: int) -> str:
    return _encode(str(end)) if end < total else ""


def _encode(value: str) -> str:
    return base64.urlsafe_b64encode(f"next:{value}".encode()).decode("ascii")


def _decode(cursor: str) -> str:
    try:
        text = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise RefusedError("invalid_cursor") from error
    if not text.startswith("next:"):
        raise RefusedError("invalid_cursor")
    return text.removeprefix("next:")
