"""Socket Mode: envelopes over WebSocket, each to one socket, acknowledged within three seconds.

Promise: an interactive payload is sent once and never again by itself; whoever acted learns whether
it was acknowledged in time. Only an injected fault sends an envelope twice.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from careline.sandbox.common.faults import Fault, FaultKind, FaultPlan
from careline.sandbox.common.wire import Background, Json, dumps
from careline.sandbox.slack.model import APP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from careline.sandbox.common.history import History

ACK_S = 3.0
SOCKETS_MAX = 10
TICKETS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Ack:
    """What became of an envelope: acknowledged in time, with which payload, after how long."""

    ok: bool
    payload: Json
    after_ms: float
    socket: int = 0
    error: str = ""


@dataclass(slots=True, eq=False)
class _Socket:
    number: int
    ws: web.WebSocketResponse
    transport: asyncio.Transport | None
    refreshing: bool = False
    wedged: bool = False
    """Open, and nothing comes through any more: no envelope, no pong, no acknowledgement."""
    delivered: int = 0


@dataclass(slots=True)
class Sockets:
    """The open Socket Mode connections of the app."""

    history: History
    faults: FaultPlan
    background: Background
    ack_s: float = ACK_S
    _open: list[_Socket] = field(default_factory=list)
    _tickets: dict[str, None] = field(default_factory=dict)
    _waiting: dict[str, asyncio.Future[tuple[Json, int]]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _turn: int = 0

    @property
    def count(self) -> int:
        """Number of open sockets."""
        return len(self._open)

    def ticket(self) -> str:
        """Make the one-use secret of a WebSocket address."""
        ticket = secrets.token_hex(16)
        self._tickets[ticket] = None
        while len(self._tickets) > TICKETS_MAX:
            del self._tickets[next(iter(self._tickets))]
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Hold one socket open until either side closes it."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=401, text="invalid ticket")
        del self._tickets[ticket]
        ws = web.WebSocketResponse(max_msg_size=1024 * 1024, autoping=False)
        await ws.prepare(request)
        if len(self._open) >= SOCKETS_MAX:
            await ws.send_str(dumps({"type": "disconnect", "reason": "too_many_websockets"}))
            await ws.close()
            return ws
        socket = _Socket(next(self._numbers), ws, request.transport)
        self._open.append(socket)
        self.history.add("slack", "socket_open", {"socket": socket.number})
        await ws.send_str(dumps(self._hello()))
        try:
            async for message in ws:
                if socket.wedged:
                    continue
                if message.type is WSMsgType.TEXT:
                    self._receive(message.data, socket)
                elif message.type is WSMsgType.PING:
                    await ws.pong(message.data)
        finally:
            if socket in self._open:
                self._open.remove(socket)
            self.history.add("slack", "socket_closed", {"socket": socket.number})
        return ws

    async def deliver(self, kind: str, payload: Json, *, answerable: bool = True) -> Ack:
        """Send a payload to one socket and wait for its acknowledgement."""
        started = time.monotonic()
        socket = self._next()
        if socket is None:
            return Ack(ok=False, payload={}, after_ms=0.0, error="not_connected")
        envelope_id = str(uuid.uuid4())
        envelope = {
            "envelope_id": envelope_id,
            "type": kind,
            "payload": payload,
            "accepts_response_payload": answerable,
        }
        waiter: asyncio.Future[tuple[Json, int]] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = waiter
        socket.delivered += 1
        try:
            await self._send(socket, envelope, self.faults.pick("socket", "SEND", kind))
            async with asyncio.timeout(self.ack_s):
                answer, number = await waiter
        except (TimeoutError, ConnectionError):
            after = (time.monotonic() - started) * 1000
            return Ack(ok=False, payload={}, after_ms=after, socket=socket.number, error="no_ack")
        finally:
            self._waiting.pop(envelope_id, None)
        after = (time.monotonic() - started) * 1000
        return Ack(ok=True, payload=answer, after_ms=after, socket=number)

    async def disconnect(self, reason: str = "refresh_requested", *, abort: bool = False) -> int:
        """Ask every socket to reconnect, or cut them all without a word; return how many."""
        sockets = list(self._open)
        for socket in sockets:
            if abort:
                self._abort(socket)
                continue
            await socket.ws.send_str(
                dumps({"type": "disconnect", "reason": reason, "debug_info": {"host": "sandbox"}})
            )
            if reason != "warning":
                socket.refreshing = True
                self.background.start(_close_soon(socket.ws), name="socket refresh")
        return len(sockets)

    def wedge(self) -> int:
        """Leave every socket open and let nothing through any more; return how many.

        Slack does not know it either: envelopes still go there, and nobody gets them.
        """
        for socket in self._open:
            socket.wedged = True
        self.history.add("slack", "sockets_wedged", {"sockets": len(self._open)})
        return len(self._open)

    async def close(self) -> None:
        """Close all sockets: the server stops."""
        await asyncio.gather(
            *(socket.ws.close() for socket in list(self._open)), return_exceptions=True
        )

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._open),
            "debug_info": {
                "host": "sandbox",
                "build_number": 1,
                "approximate_connection_time": 18060,
            },
            "connection_info": {"app_id": APP},
        }

    def _next(self) -> _Socket | None:
        usable = [s for s in self._open if not s.refreshing and not s.ws.closed]
        if not usable:
            return None
        self._turn += 1
        return usable[self._turn % len(usable)]

    async def _send(self, socket: _Socket, envelope: Json, fault: Fault | None) -> None:
        if socket.wedged:
            return
        text = dumps(envelope)
        match fault.kind if fault is not None else None:
            case FaultKind.STALL:
                return
            case FaultKind.LATE_LANDING if fault is not None:
                self.background.start(_send_later(socket.ws, text, fault.seconds), name="late")
            case FaultKind.DUPLICATE:
                await socket.ws.send_str(text)
                await socket.ws.send_str(text)
            case FaultKind.CUT:
                await socket.ws.send_str(text)
                self._abort(socket)
            case _:
                await socket.ws.send_str(text)

    def _abort(self, socket: _Socket) -> None:
        socket.refreshing = True
        if socket.transport is not None:
            socket.transport.abort()

    def _receive(self, text: str, socket: _Socket) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            return
        if not isinstance(message, dict) or "envelope_id" not in message:
            return
        waiter = self._waiting.get(str(message["envelope_id"]))
        payload = message.get("payload") or {}
        if waiter is not None and not waiter.done():
            waiter.set_result((payload if isinstance(payload, dict) else {}, socket.number))
        else:
            facts = {"envelope": message["envelope_id"], "socket": socket.number}
            self.history.add("slack", "ack_ignored", facts)


async def _send_later(ws: web.WebSocketResponse, text: str, seconds: float) -> None:
    await asyncio.sleep(seconds)
    if not ws.closed:
        await ws.send_str(text)


async def _close_soon(ws: web.WebSocketResponse) -> None:
    await asyncio.sleep(0.5)
    await ws.close()
