"""What the page in the browser and the scripted agents read from and do in the stand-in Slack.

Promise: nothing here is part of Slack's API; an app under test has no reason to call it. Bodies
must be JSON, so that no foreign page can act through a browser that has this one open.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from careline.sandbox.common.wire import Json, read_json, reply
from careline.sandbox.slack import people
from careline.sandbox.slack.model import BOT_USER, Message
from careline.sandbox.slack.payloads import Press

if TYPE_CHECKING:
    from careline.sandbox.slack.calls import SlackServer

STATIC = Path(__file__).parent / "page"
PAGE = 50
CHANGES_MAX = 2000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
TYPES = {"page.js": "text/javascript", "blocks.js": "text/javascript", "page.css": "text/css"}


def add_routes(app: web.Application, slack: SlackServer) -> None:
    """Add the page and the requests it makes."""
    pages = _Pages(slack)
    app.router.add_get("/", pages.index)
    app.router.add_get("/page/{name}", pages.static)
    add_acts(app, slack)


def add_acts(app: web.Application, slack: SlackServer, *, prefix: str = "/ui") -> None:
    """Add reading and acting as a person, under `prefix`."""
    pages = _Pages(slack)
    app.router.add_get(f"{prefix}/workspace", pages.workspace)
    app.router.add_get(f"{prefix}/messages", pages.messages)
    app.router.add_get(f"{prefix}/changes", pages.changes)
    for name in ("press", "submit", "close", "command", "home"):
        app.router.add_post(f"{prefix}/{name}", getattr(pages, name))


class _Pages:
    """Handlers that share one server's state."""

    def __init__(self, slack: SlackServer) -> None:
        self.slack = slack

    async def index(self, _request: web.Request) -> web.Response:
        """GET /: the page."""
        return _file("index.html", "text/html")

    async def static(self, request: web.Request) -> web.Response:
        """GET /page/:name: its script and style."""
        name = request.match_info["name"]
        if name not in TYPES:
            raise web.HTTPNotFound
        return _file(name, TYPES[name])

    async def workspace(self, _request: web.Request) -> web.Response:
        """GET …/workspace: people, channels and the revision to ask changes from."""
        workspace = self.slack.workspace
        channels = [
            {**channel.to_json(), "messages": len(channel.order)}
            for channel in workspace.channels.values()
            if channel.im_user is None or channel.order
        ]
        people_ = [user.to_json() for user in workspace.users.values()]
        return reply(
            {
                "revision": workspace.revision,
                "users": people_,
                "channels": channels,
                "app_user": BOT_USER,
                "connected": self.slack.sockets.count,
            }
        )

    async def messages(self, request: web.Request) -> web.Response:
        """GET …/messages?channel=&before=&user=: the newest of a channel, oldest first."""
        channel = self.slack.workspace.channels.get(request.query.get("channel", ""))
        if channel is None:
            return reply({"error": "channel_not_found"}, status=404)
        limit = min(int(request.query.get("limit", PAGE)), 1000)
        now = time.time()
        before = request.query.get("before") or None
        listed = (m for m in channel.between(None, before) if m.listed(now))
        found = list(itertools.islice(listed, limit + 1))
        user = request.query.get("user", "")
        first = found[-1].ts if len(found) > limit else "0"
        notes = [
            note
            for note in self.slack.workspace.ephemerals[-PAGE:]
            if note.channel == channel.id
            and note.ephemeral_for == user
            and note.ts > first
            and not note.deleted
        ]
        shown = sorted([*found[:limit], *([] if before else notes)], key=lambda m: m.ts)
        body = {"messages": [_shown(m) for m in shown], "more": len(found) > limit}
        return reply(body)

    async def changes(self, request: web.Request) -> web.Response:
        """GET …/changes?since=&user=: what changed after a revision, each message once."""
        workspace = self.slack.workspace
        since = int(request.query.get("since", 0))
        user, channel = request.query.get("user", ""), request.query.get("channel", "")
        until = min(since + CHANGES_MAX, workspace.revision)
        touched = dict.fromkeys(m for m in workspace.changes[since:until] if m is not None)
        now = time.time()
        shown = [
            _shown(message)
            for message in touched
            if message.ephemeral_for in {None, user}
            and message.visible_at <= now
            and channel in {"", message.channel}
        ]
        view, home = workspace.top_view(user), workspace.homes.get(user)
        return reply(
            {
                "revision": until,
                "more": until < workspace.revision,
                "messages": shown,
                "counts": {c.id: len(c.order) for c in workspace.channels.values()},
                "view": view.to_json() if view else None,
                "home": home.to_json() if home else None,
                "connected": self.slack.sockets.count,
            }
        )

    async def press(self, request: web.Request) -> web.Response:
        """POST …/press: use a control."""
        body = await _body(request)
        wait = float(body.pop("wait_view_s", 0))
        try:
            act = Press(**body, wait_view_s=wait)
        except TypeError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return reply((await people.press(self.slack, act)).to_json())

    async def submit(self, request: web.Request) -> web.Response:
        """POST …/submit: send a modal off."""
        body = await _body(request)
        outcome = await people.submit(
            self.slack, user=body["user"], view_id=body["view"], values=body.get("values") or {}
        )
        return reply(outcome.to_json())

    async def close(self, request: web.Request) -> web.Response:
        """POST …/close: close a modal."""
        body = await _body(request)
        outcome = await people.close(self.slack, user=body["user"], view_id=body["view"])
        return reply(outcome.to_json())

    async def command(self, request: web.Request) -> web.Response:
        """POST …/command: type a slash command."""
        body = await _body(request)
        outcome = await people.command(
            self.slack, user=body["user"], channel=body["channel"], line=body["line"]
        )
        return reply(outcome.to_json())

    async def home(self, request: web.Request) -> web.Response:
        """POST …/home: open the Home tab."""
        body = await _body(request)
        return reply((await people.open_home(self.slack, user=body["user"])).to_json())


def _shown(message: Message) -> Json:
    shown = message.to_json(metadata=True)
    shown["channel"] = message.channel
    shown["deleted"] = message.deleted
    shown["accepted_at"] = message.accepted_at
    shown["replies"] = [
        reply_.to_json(metadata=True) for reply_ in message.replies if not reply_.deleted
    ]
    return shown


async def _body(request: web.Request) -> Json:
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType
    return await read_json(request)


def _file(name: str, content_type: str) -> web.Response:
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    body = (STATIC / name).read_bytes()
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)
