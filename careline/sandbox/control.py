"""The sandbox's control API: faults, pace, history, and who and what is in Slack.

Promise: it answers from what the servers accepted, never from what an application under test says
about itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from careline.sandbox.common.pace import Pace
from careline.sandbox.common.wire import Json, read_json, reply
from careline.sandbox.slack import pages
from careline.sandbox.summary import KEY, card_summary, x_summary
from careline.sandbox.x import feeding

if TYPE_CHECKING:
    from careline.sandbox.slack.calls import SlackServer
    from careline.sandbox.x.access import XServer

BODY_MAX = 1024 * 1024 * 1024


def build(x: XServer, slack: SlackServer) -> web.Application:
    """Build the HTTP application that speaks `/sandbox/...`."""
    app = web.Application(client_max_size=BODY_MAX)
    control = _Control(x, slack)
    app.router.add_get("/sandbox/health", control.health)
    app.router.add_get("/sandbox/faults", control.faults)
    app.router.add_post("/sandbox/faults", control.add_fault)
    app.router.add_delete("/sandbox/faults", control.clear_faults)
    app.router.add_delete("/sandbox/faults/{id}", control.clear_faults)
    app.router.add_post("/sandbox/pace", control.pace)
    app.router.add_get("/sandbox/history", control.history)
    app.router.add_get("/sandbox/summary", control.summary)
    app.router.add_post("/sandbox/slack/channels", control.channels)
    app.router.add_post("/sandbox/slack/users", control.users)
    app.router.add_post("/sandbox/slack/tokens", control.tokens)
    app.router.add_post("/sandbox/slack/disconnect", control.disconnect)
    pages.add_acts(app, slack, prefix="/sandbox/slack")
    feeding.add_routes(app, x)
    return app


class _Control:
    """Handlers that share both servers' state."""

    def __init__(self, x: XServer, slack: SlackServer) -> None:
        self.x = x
        self.slack = slack

    async def health(self, _request: web.Request) -> web.Response:
        """GET health."""
        return reply({"ok": True, "sockets": self.slack.sockets.count})

    async def faults(self, _request: web.Request) -> web.Response:
        """GET faults: those that are on, with their hits."""
        return reply({"faults": self.x.faults.list()})

    async def add_fault(self, request: web.Request) -> web.Response:
        """POST faults: switch one on."""
        try:
            fault = self.x.faults.add(await read_json(request))
        except (KeyError, TypeError, ValueError) as error:
            return reply({"error": f"{type(error).__name__}: {error}"}, status=400)
        return reply(fault.to_json(), status=201)

    async def clear_faults(self, request: web.Request) -> web.Response:
        """DELETE faults, or one of them."""
        return reply({"cleared": self.x.faults.clear(request.match_info.get("id"))})

    async def pace(self, request: web.Request) -> web.Response:
        """POST pace: `{"x": "real"|"none", "slack": ..., "window_s": 900}`."""
        body = await read_json(request)
        try:
            self.x.pace = Pace(body.get("x", self.x.pace))
            self.slack.pace = Pace(body.get("slack", self.slack.pace))
            self.x.window_s = float(body.get("window_s", self.x.window_s))
        except ValueError as error:
            return reply({"error": str(error)}, status=400)
        return reply({"x": self.x.pace, "slack": self.slack.pace, "window_s": self.x.window_s})

    async def history(self, request: web.Request) -> web.Response:
        """GET history?kind=&since=&limit=, any other parameter is a fact to be equal."""
        where = dict(request.query)
        found = self.x.history.query(
            kind=where.pop("kind", ""),
            since=int(where.pop("since", 0)),
            limit=int(where.pop("limit", 1000)),
            where=where,
        )
        return reply({"records": found, "counts": self.x.history.counts()})

    async def summary(self, request: web.Request) -> web.Response:
        """GET summary?key=&event_type=&detail=1: what a run of 20,000 cards is counted by."""
        query = request.query
        history = self.x.history
        return reply(
            {
                "slack": card_summary(
                    self.slack,
                    key=query.get("key", KEY),
                    event_type=query.get("event_type", ""),
                    detail=query.get("detail") == "1",
                ),
                "x": x_summary(self.x),
                "requests": dict(history.requests),
                "answers": dict(history.answers),
            }
        )

    async def channels(self, request: web.Request) -> web.Response:
        """POST slack/channels: one object or `{"channels": [...]}`; made or changed."""
        body = await read_json(request)
        made: list[Json] = []
        for entry in body.get("channels", [body]):
            channel = self.slack.workspace.channel(
                str(entry["name"]),
                is_private=bool(entry.get("is_private")),
                channel_id=str(entry.get("id") or ""),
            )
            for name in ("is_private", "is_archived", "bot_is_member"):
                if name in entry:
                    setattr(channel, name, bool(entry[name]))
            made.append(channel.to_json())
        return reply({"channels": made})

    async def users(self, request: web.Request) -> web.Response:
        """POST slack/users: one object or `{"users": [...]}`."""
        body = await read_json(request)
        made: list[Json] = []
        for entry in body.get("users", [body]):
            user = self.slack.workspace.user(
                str(entry["name"]),
                real_name=str(entry.get("real_name") or ""),
                user_id=str(entry.get("id") or ""),
            )
            made.append(user.to_json())
        return reply({"users": made})

    async def tokens(self, request: web.Request) -> web.Response:
        """POST slack/tokens: revoke the tokens, restore them, or set others."""
        body = await read_json(request)
        workspace = self.slack.workspace
        workspace.revoked = bool(body.get("revoked", workspace.revoked))
        workspace.bot_token = str(body.get("bot_token", workspace.bot_token))
        workspace.app_token = str(body.get("app_token", workspace.app_token))
        return reply({"revoked": workspace.revoked})

    async def disconnect(self, request: web.Request) -> web.Response:
        """POST slack/disconnect: `{"reason": "refresh_requested"|"warning", "abort": false}`."""
        body = await read_json(request)
        number = await self.slack.sockets.disconnect(
            str(body.get("reason", "refresh_requested")), abort=bool(body.get("abort"))
        )
        return reply({"sockets": number})
