"""What every Web API method of the stand-in Slack shares: arguments, tokens, pace, errors.

Promise: arguments are read from the query, a form or a JSON body alike, as Slack does; a refusal is
HTTP 200 with `ok: false`; only a rate limit is a 429.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from careline.sandbox.common.faults import Fault, FaultKind, FaultPlan
from careline.sandbox.common.gate import LANDS_AFTER
from careline.sandbox.common.pace import Buckets, Pace
from careline.sandbox.common.wire import Background, Json, reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp import web

    from careline.sandbox.common.history import History
    from careline.sandbox.slack.model import Channel, Message, User
    from careline.sandbox.slack.socket import Sockets
    from careline.sandbox.slack.workspace import Workspace

NESTED = ("blocks", "attachments", "metadata", "view")
TIERS = {1: 1, 2: 20, 3: 50, 4: 100}
"""Calls a minute."""


class RefusedError(Exception):
    """The method ends with `ok: false` and this error code."""

    def __init__(self, code: str, **extra: object) -> None:
        """Keep the code and what else the answer says."""
        super().__init__(code)
        self.body: Json = {"ok": False, "error": code, **extra}


@dataclass(slots=True)
class SlackServer:
    """What the handlers of the stand-in Slack share."""

    workspace: Workspace
    history: History
    faults: FaultPlan
    background: Background
    sockets: Sockets
    pace: Pace = Pace.NONE
    burst: float = 3.0
    url: str = ""
    buckets: Buckets = field(default_factory=Buckets)
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a Web API method."""

    slack: SlackServer
    args: Json
    number: int
    lands_after: float = 0.0

    @property
    def workspace(self) -> Workspace:
        """The content that the method reads or changes."""
        return self.slack.workspace

    def text(self, name: str) -> str:
        """Give an argument as text, "" if absent."""
        value = self.args.get(name)
        return "" if value is None else str(value)

    def number_of(self, name: str, default: int, most: int) -> int:
        """Give a numeric argument within 1 and `most`."""
        text = self.text(name)
        return max(1, min(most, int(text))) if text.isdigit() else default

    def channel(self, *, writing: bool = False) -> Channel:
        """Find the channel that the call names."""
        channel = self.workspace.find_channel(self.text("channel"))
        if channel is None:
            raise RefusedError("channel_not_found")
        if writing and channel.is_archived:
            raise RefusedError("is_archived")
        if not channel.bot_is_member:
            raise RefusedError("channel_not_found" if channel.is_private else "not_in_channel")
        return channel

    def message(self, channel: Channel, name: str = "ts") -> Message:
        """Find the message that the call names."""
        message = channel.by_ts.get(self.text(name))
        if message is None or message.deleted:
            raise RefusedError("message_not_found")
        return message

    def user(self, name: str = "user") -> User:
        """Find the user that the call names."""
        user = self.workspace.users.get(self.text(name))
        if user is None:
            raise RefusedError("user_not_found")
        return user


@dataclass(frozen=True, slots=True)
class Method:
    """A Web API method: what it does, its tier, and which token it wants."""

    act: Callable[[Call], Awaitable[Json]]
    tier: int = 3
    app_token: bool = False
    per_channel: bool = False


def dispatcher(
    slack: SlackServer, methods: dict[str, Method]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Build the handler of /api/{method}."""

    async def handle(request: web.Request) -> web.Response:
        name = request.match_info["method"]
        method = methods.get(name)
        if method is None:
            return reply({"ok": False, "error": "unknown_method", "req_method": name})
        try:
            args = await _arguments(request)
            _authenticate(request, args, slack.workspace, method)
            wait = _wait(slack, name, method, args)
            if wait > 0:
                return too_many(wait)
            slack.requests += 1
            call = Call(slack, args, slack.requests, request.get(LANDS_AFTER, 0.0))
            return reply({"ok": True, **await method.act(call)})
        except RefusedError as refusal:
            return reply(refusal.body)

    return handle


def refuse(fault: Fault) -> web.Response:
    """Spell an injected refusal as Slack does."""
    if fault.kind is FaultKind.REFUSE:
        return reply({"ok": False, "error": fault.error})
    return too_many(fault.retry_after)


def too_many(wait: float) -> web.Response:
    """Answer 429 with whole seconds to wait."""
    headers = {"Retry-After": str(max(1, math.ceil(wait)))}
    return reply({"ok": False, "error": "ratelimited"}, status=429, headers=headers)


async def _arguments(request: web.Request) -> Json:
    args: Json = dict(request.query)
    if request.method == "POST":
        if request.content_type == "application/json":
            try:
                body = json.loads(await request.read() or b"{}")
            except ValueError as error:
                raise RefusedError("invalid_json") from error
            if not isinstance(body, dict):
                raise RefusedError("json_not_object")
            args |= body
        else:
            args |= {name: str(value) for name, value in (await request.post()).items()}
    for name in NESTED:
        if isinstance(args.get(name), str) and args[name]:
            try:
                args[name] = json.loads(args[name])
            except ValueError as error:
                code = "invalid_blocks_format" if name == "blocks" else "invalid_arguments"
                raise RefusedError(code) from error
    return args


def _authenticate(request: web.Request, args: Json, workspace: Workspace, method: Method) -> None:
    header = request.headers.get("Authorization", "")
    token = header.removeprefix("Bearer ").strip() or str(args.get("token") or "")
    if not token:
        raise RefusedError("not_authed")
    if workspace.revoked:
        raise RefusedError("token_revoked")
    if token not in {workspace.bot_token, workspace.app_token}:
        raise RefusedError("invalid_auth")
    if (token == workspace.app_token) is not method.app_token:
        raise RefusedError("not_allowed_token_type")


def _wait(slack: SlackServer, name: str, method: Method, args: Json) -> float:
    """Give how long the caller has to wait under the real limits."""
    if slack.pace is Pace.NONE:
        return 0.0
    if method.per_channel:
        key = f"{name} {args.get('channel')}"
        return slack.buckets.wait_for(key, per_second=1.0, burst=slack.burst)
    calls = TIERS[method.tier]
    return slack.buckets.wait_for(name, per_second=calls / 60, burst=calls)
