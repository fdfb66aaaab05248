"""Who is asking, and how often: credentials and quotas of the stand-in X.

Promise: no credentials, or unknown ones, get the real 401 problem; in the real pace profile each
endpoint has its published window per user and per app; every answer carries `x-rate-limit-*`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from careline.sandbox.common.pace import UNPACED_LIMIT, Pace, Quota, Windows
from careline.sandbox.x.model import APP_BEARER, Account
from careline.sandbox.x.shapes import problem

if TYPE_CHECKING:
    from careline.sandbox.common.faults import FaultPlan
    from careline.sandbox.common.history import History
    from careline.sandbox.common.wire import Background
    from careline.sandbox.x.store import XStore

OAUTH_PART = re.compile(r'(\w+)="([^"]*)"')
DAY_S = 86_400.0

Action = Callable[["XServer", web.Request], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Limit:
    """How many calls a quarter of an hour allows, for a user, for the app, and per day."""

    user: int
    app: int | None = None
    daily: int | None = None


@dataclass(slots=True)
class XServer:
    """What the handlers of the stand-in X share."""

    store: XStore
    history: History
    faults: FaultPlan
    background: Background
    pace: Pace = Pace.NONE
    window_s: float = 900.0
    summoned_only: bool = True
    windows: Windows = field(default_factory=Windows)


def me(request: web.Request) -> Account:
    """Give the account the request acts for; the route has made sure that there is one."""
    return request[ACTS_FOR]


ACTS_FOR = web.RequestKey("acts_for", Account)


def endpoint(
    x: XServer, name: str, limit: Limit, action: Action, *, user_only: bool = False
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Wrap a handler in authentication and its quota."""

    async def handle(request: web.Request) -> web.Response:
        known, account = identify(request, x.store)
        if not known:
            return problem(401, "Unauthorized", "Unauthorized")
        if account is None and user_only:
            return problem(
                403,
                "Unsupported Authentication",
                "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.",
                kind="https://api.twitter.com/2/problems/unsupported-authentication",
            )
        if account is not None:
            if account.suspended:
                return problem(403, "Forbidden", "Your account is suspended.")
            request[ACTS_FOR] = account
        quota = _quota(x, name, limit, account)
        if not quota.allowed:
            headers = quota.headers()
            return problem(429, "Too Many Requests", "Too Many Requests", headers=headers)
        response = await action(x, request)
        response.headers.update(quota.headers())
        return response

    return handle


def identify(request: web.Request, store: XStore) -> tuple[bool, Account | None]:
    """Read the Authorization header: is it known, and which account does it act for, if any."""
    header = request.headers.get("Authorization", "")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer":
        if rest == APP_BEARER:
            return True, None
        account = store.user_of(bearer=rest)
        return account is not None, account
    if scheme.lower() == "oauth":
        parts = {name: unquote(value) for name, value in OAUTH_PART.findall(rest)}
        account = None
        if parts.get("oauth_signature"):
            account = store.user_of(
                consumer=parts.get("oauth_consumer_key", ""), token=parts.get("oauth_token", "")
            )
        return account is not None, account
    return False, None


def _quota(x: XServer, name: str, limit: Limit, account: Account | None) -> Quota:
    holder = "app" if account is None else str(account.id)
    calls = (limit.app or limit.user) if account is None else limit.user
    if x.pace is Pace.NONE:
        calls = UNPACED_LIMIT
    elif limit.daily is not None:
        day = x.windows.take(f"{name} {holder} day", limit=limit.daily, seconds=DAY_S)
        if not day.allowed:
            return day
    return x.windows.take(f"{name} {holder}", limit=calls, seconds=x.window_s)
