"""The routes of the stand-in Slack: Web API, sockets, response URLs and the page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aiohttp import web

from careline.sandbox.common.gate import gate
from careline.sandbox.common.wire import Json, read_json, reply
from careline.sandbox.slack import lookups, messages, pages, views
from careline.sandbox.slack.calls import Call, Method, RefusedError, SlackServer, dispatcher, refuse

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

METHODS = {
    "auth.test": Method(lookups.auth_test, tier=4),
    "apps.connections.open": Method(lookups.connections_open, tier=1, app_token=True),
    "chat.postMessage": Method(messages.post_message, per_channel=True),
    "chat.update": Method(messages.update, tier=3),
    "chat.delete": Method(messages.delete, tier=3),
    "chat.postEphemeral": Method(messages.post_ephemeral, tier=4),
    "chat.getPermalink": Method(messages.permalink, tier=4),
    "reactions.add": Method(messages.add_reaction, tier=3),
    "conversations.list": Method(lookups.conversations_list, tier=2),
    "conversations.info": Method(lookups.conversations_info, tier=3),
    "conversations.open": Method(lookups.conversations_open, tier=3),
    "conversations.join": Method(lookups.conversations_join, tier=3),
    "conversations.history": Method(lookups.history, tier=3),
    "conversations.replies": Method(lookups.replies, tier=3),
    "users.info": Method(lookups.users_info, tier=4),
    "users.list": Method(lookups.users_list, tier=2),
    "users.lookupByEmail": Method(lookups.users_by_email, tier=3),
    "views.open": Method(views.open_view, tier=4),
    "views.push": Method(views.push_view, tier=4),
    "views.update": Method(views.update_view, tier=4),
    "views.publish": Method(views.publish_view, tier=4),
}


def build(slack: SlackServer) -> web.Application:
    """Build the HTTP application of the stand-in Slack."""
    app = web.Application(client_max_size=4 * 1024 * 1024)
    faults = gate("slack", slack.faults, slack.history, slack.background, refuse=refuse)
    api = web.Application(middlewares=[faults], client_max_size=4 * 1024 * 1024)
    api.router.add_route("*", "/{method}", dispatcher(slack, METHODS))
    app.add_subapp("/api/", api)
    app.router.add_get("/socket", slack.sockets.serve)
    app.router.add_post("/response/{key}", _responder(slack))
    pages.add_routes(app, slack)
    return app


def _responder(slack: SlackServer) -> Handler:
    """Build the handler of response URLs: at most five uses within half an hour."""

    async def handle(request: web.Request) -> web.Response:
        permission = slack.workspace.response_urls.get(request.match_info["key"])
        if permission is None or time.monotonic() > permission.expires:
            return reply({"ok": False, "error": "expired_url"}, status=404)
        if permission.uses_left == 0:
            return reply({"ok": False, "error": "used_url"}, status=404)
        permission.uses_left -= 1
        body = await read_json(request)
        call = Call(slack, {**body, "channel": permission.channel}, slack.requests)
        try:
            _respond(call, body, permission.user, permission.ts)
        except RefusedError as refusal:
            return reply(refusal.body)
        return reply({"ok": True})

    return handle


def _respond(call: Call, body: Json, user: str, ts: str | None) -> None:
    """Replace, remove, or add a message where the user acted."""
    workspace = call.workspace
    channel = workspace.channels[call.text("channel")]
    notes = (note for note in workspace.ephemerals if note.ts == ts)
    original = channel.by_ts.get(ts or "") or next(notes, None)
    if body.get("delete_original") and original is not None:
        original.deleted = True
        workspace.touch(original)
        return
    message = messages.compose(call, channel, body)
    if body.get("replace_original") and original is not None:
        original.text, original.blocks = message.text, message.blocks
        original.edited = message.ts
        workspace.touch(original)
        return
    if body.get("response_type") == "in_channel":
        channel.add(message)
        workspace.touch(message)
        return
    message.ephemeral_for = user
    messages.show_ephemeral(call, channel, message)
