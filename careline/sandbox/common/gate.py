"""The aiohttp middleware that applies faults around a handler.

Promise: the request body is read before anything goes wrong, so an effect that happens although the
client never hears of it is complete.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from careline.sandbox.common.faults import Fault, FaultKind, FaultPlan
from careline.sandbox.common.wire import Background, dumps, html_error

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from careline.sandbox.common.history import History

Refusal = Callable[[Fault], web.Response]

LANDS_AFTER = web.RequestKey("lands_after", float)


def gate(
    server: str, plan: FaultPlan, history: History, background: Background, *, refuse: Refusal
) -> Middleware:
    """Build the middleware of one server; `refuse` spells that server's 429 and refusals."""

    @web.middleware
    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        path = request.path
        history.requests[f"{server} {request.method} {_shape(request)}"] += 1
        fault = plan.pick(server, request.method, path)
        if fault is None:
            response = await handler(request)
        else:
            await request.read()
            response = await _faulty(fault, request, handler, background, refuse=refuse)
        history.answers[f"{server} {response.status}"] += 1
        return response

    return apply


def _shape(request: web.Request) -> str:
    """Name what was asked, without ids: the route, or the Slack method."""
    resource = request.match_info.route.resource
    method = request.match_info.get("method")
    return method or (resource.canonical if resource is not None else request.path)


async def _faulty(
    fault: Fault, request: web.Request, handler: Handler, background: Background, *, refuse: Refusal
) -> web.StreamResponse:
    match fault.kind:
        case FaultKind.RATE_LIMIT | FaultKind.REFUSE:
            return refuse(fault)
        case FaultKind.SERVER_ERROR:
            if fault.accepted:
                await handler(request)
            return html_error(fault.status)
        case FaultKind.CUT:
            if fault.accepted:
                await handler(request)
            return _cut(request)
        case FaultKind.STALL:
            if fault.accepted:
                await handler(request)
            await asyncio.sleep(fault.seconds)
            return html_error(504)
        case FaultKind.DUPLICATE:
            response = await handler(request)
            return await handler(request) if request.method == "POST" else _doubled(response)
        case FaultKind.LATE_LANDING:
            return await _late(fault, request, handler, background)


async def _late(
    fault: Fault, request: web.Request, handler: Handler, background: Background
) -> web.StreamResponse:
    if fault.answer == "ok":
        request[LANDS_AFTER] = fault.seconds
        return await handler(request)

    async def land() -> None:
        await asyncio.sleep(fault.seconds)
        await handler(request)

    background.start(land(), name=f"late landing {request.path}")
    return _cut(request) if fault.answer == "cut" else html_error(fault.status)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=499)


def _doubled(response: web.StreamResponse) -> web.StreamResponse:
    """List every item of a page twice, newest first as before."""
    if not isinstance(response, web.Response) or not response.body:
        return response
    body = json.loads(bytes(response.body))  # type: ignore[arg-type]
    for name in ("data", "messages"):
        if isinstance(body.get(name), list):
            body[name] = [item for item in body[name] for _ in range(2)]
    response.body = dumps(body).encode("ascii")
    return response
