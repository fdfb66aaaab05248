"""Those whom the second path tells, on loopback: a webhook's receiver and a mail server.

Promise: both are real servers on sockets; the receiver checks signatures as a stranger would, by
the library, and notes every call; each can be told to misbehave.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook as Verifier

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


@dataclass
class Receiver:
    """What a webhook's receiver was told."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: float = 0.0
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Id and verified body of each call."""
    asked: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.text()
        verified = Verifier(SECRET).verify(body, dict(request.headers))
        assert json.loads(body) == verified
        self.calls.append((request.headers["webhook-id"], verified))
        if self.hang:
            await asyncio.sleep(self.hang)
        return web.Response(status=self.status, headers=self.headers)


@asynccontextmanager
async def a_receiver() -> AsyncIterator[Receiver]:
    """Listen as a receiver of alerts."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/alerts?token=hunter2"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class Mailbox:
    """What a mail server took."""

    port: int = 0
    mails: list[str] = field(default_factory=list)
    readers: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """By command, or ``RCPT address``: another answer than yes; ``cut`` ends the connection."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._converse(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode().strip():
            command = line.split(" ", maxsplit=1)[0].upper()
            said = self.answers.get(command, "354 go on" if command == "DATA" else "250 ok")
            if command == "RCPT":
                reader_of = line.partition("<")[2].partition(">")[0]
                self.readers.append(reader_of)
                said = self.answers.get(f"RCPT {reader_of}", said)
            writer.write(f"{said}\r\n".encode())
            if command == "DATA" and said.startswith("354"):
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                said = self.answers.get("TAKEN", "250 taken")
                if said == "cut":
                    return
                writer.write(f"{said}\r\n".encode())
            if command == "QUIT":
                return


@asynccontextmanager
async def a_mailbox() -> AsyncIterator[Mailbox]:
    """Listen as a mail server without encryption, as one on this machine may."""
    mailbox = Mailbox()
    server = await asyncio.start_server(mailbox.serve, "127.0.0.1", 0)
    mailbox.port = server.sockets[0].getsockname()[1]
    try:
        yield mailbox
    finally:
        server.close()
