"""The routes of the stand-in X: each endpoint with its published limits."""

from __future__ import annotations

import math

from aiohttp import web

from careline.sandbox.common.faults import Fault, FaultKind
from careline.sandbox.common.gate import gate
from careline.sandbox.x import reading, writing
from careline.sandbox.x.access import Limit, XServer, endpoint
from careline.sandbox.x.shapes import problem

CLIENT_ERRORS = range(400, 500)
DM_SENDS = Limit(15, daily=1440)
DM_READS = Limit(15)


def build(x: XServer) -> web.Application:
    """Build the HTTP application that speaks `/2/...`."""
    app = web.Application(
        middlewares=[gate("x", x.faults, x.history, x.background, refuse=_refuse)],
        client_max_size=4 * 1024 * 1024,
    )
    person = "/2/dm_conversations/with/{participant:[0-9]+}"
    talk = "/2/dm_conversations/{conversation}"
    read, write = reading, writing
    table = (
        ("GET", "/2/users/me", "users.me", Limit(75), read.users_me, True),
        (
            "GET",
            "/2/users/by/username/{username}",
            "users.by",
            Limit(900),
            read.user_by_name,
            False,
        ),
        ("GET", "/2/users/{id}", "users.id", Limit(900), read.user_by_id, False),
        ("GET", "/2/users/{id}/mentions", "mentions", Limit(300, 450), read.mentions, False),
        ("GET", "/2/users/{id}/tweets", "own", Limit(900, 10_000), read.own_posts, False),
        ("GET", "/2/tweets", "lookup", Limit(5000, 3500), read.lookup, False),
        ("GET", "/2/tweets/search/recent", "search", Limit(300, 450), read.search_recent, False),
        ("GET", "/2/tweets/{id}", "tweet", Limit(900, 450), read.one_post, False),
        ("GET", "/2/dm_events", "dm_events", DM_READS, read.dm_events, True),
        ("GET", f"{person}/dm_events", "dm_events.with", DM_READS, read.dm_events, True),
        ("GET", f"{talk}/dm_events", "dm_events.of", DM_READS, read.dm_events, True),
        ("POST", "/2/tweets", "create", Limit(100), write.create_post, True),
        ("DELETE", "/2/tweets/{id}", "delete", Limit(50), write.delete_post, True),
        ("POST", f"{person}/messages", "dm.send", DM_SENDS, write.send_message, True),
        ("POST", f"{talk}/messages", "dm.send", DM_SENDS, write.send_message, True),
    )
    for method, path, name, limit, action, user_only in table:
        handler = endpoint(x, name, limit, action, user_only=user_only)
        app.router.add_route(method, path, handler)
    return app


def _refuse(fault: Fault) -> web.Response:
    """Spell an injected refusal as X does."""
    if fault.kind is FaultKind.REFUSE:
        status = fault.status if fault.status in CLIENT_ERRORS else 403
        return problem(status, "Forbidden", fault.error)
    reset = math.ceil(fault.at_retry())
    headers = {
        "x-rate-limit-limit": "1",
        "x-rate-limit-remaining": "0",
        "x-rate-limit-reset": str(reset),
        "Retry-After": str(math.ceil(fault.retry_after)),
    }
    return problem(429, "Too Many Requests", "Too Many Requests", headers=headers)
