"""A TLS end in front of a plain HTTP server, which resets connections at the worst of moments.

Promise: a certificate of its own, made anew and trusted by whoever is told so; while `blow` is none
every byte passes both ways. A blow strikes only requests whose head names `path`, except in the
handshake, where nobody can know yet.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import struct
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

import pytest
from yarl import URL

_AT_ONCE: Final = struct.pack("ii", 1, 0)
_HEAD_END: Final = b"\r\n\r\n"


class Blow(StrEnum):
    """When a connection is reset (RST, no close)."""

    HANDSHAKE = "handshake"
    """Once the client has begun to greet; a connection that is open already goes first."""
    BODY = "body"
    """When half of the request's body has gone on to the server."""
    ACCEPTED = "accepted"
    """When the server has carried the request out and answers."""


class TlsFront:
    """Listens on loopback in place of the server at `url`; use as `async with`."""

    def __init__(self, url: str, folder: Path, *, path: bytes) -> None:
        """Make the certificate. Skips the test where there is no openssl."""
        self._to = URL(url)
        self._path = path
        self.certificate = folder / "front.pem"
        key = folder / "front.key"
        _make_certificate(self.certificate, key)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(self.certificate, key)
        self.blow: Blow | None = None
        self.struck: dict[Blow, int] = dict.fromkeys(Blow, 0)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Where clients go."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return str(self._to.with_scheme("https").with_port(port))

    async def __aenter__(self) -> Self:
        """Begin."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End, whatever happened inside."""
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if self.blow is Blow.HANDSHAKE:
                await reader.read(1)
                self._strike(Blow.HANDSHAKE, writer)
                return
            await writer.start_tls(self._tls)
            await self._through(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self._connections.discard(task)

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, back = await asyncio.open_connection(self._to.host, self._to.port)
        answers = asyncio.create_task(_passed_on(upstream, writer))
        try:
            while True:
                head = await reader.readuntil(_HEAD_END)
                body = await reader.readexactly(int(_field(head, b"content-length") or 0))
                blow = self.blow if self._path in head.partition(b"\r\n")[0] else None
                if blow is Blow.ACCEPTED:
                    # The server speaks only when it has done what was asked: nobody hears it.
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                if blow is not Blow.HANDSHAKE:
                    back.write(head + (body[: len(body) // 2] if blow is Blow.BODY else body))
                    await back.drain()
                if blow is Blow.ACCEPTED:
                    await upstream.read(1)
                if blow is not None:
                    self._strike(blow, writer)
                    return
        except asyncio.IncompleteReadError:
            return  # the client has gone
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            back.close()

    def _strike(self, blow: Blow, writer: asyncio.StreamWriter) -> None:
        self.struck[blow] += 1
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        writer.transport.abort()


async def _passed_on(upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await upstream.read(65536):
        writer.write(data)
        await writer.drain()


def _field(head: bytes, name: bytes) -> bytes:
    for line in head.split(b"\r\n"):
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip()
    return b""


def _make_certificate(certificate: Path, key: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here, which makes the certificate")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=careline-test"),
            *("-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
