"""A TLS end in front of a plain HTTP server, which resets connections at the worst of moments.

Promise: a certificate of its own, made anew and trusted by whoever is told so; while `blow` is none
every byte passes both ways. A blow strikes only requests whose head names `path`, except in the
handshake, where nobody can know yet.
"""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from enum import StrEnum
from pathlib import Path
from typing import Final

import pytest
from yarl import URL

from tests.support.relay import Relay, reset

_HEAD_END: Final = b"\r\n\r\n"


class Blow(StrEnum):
    """When a connection is reset (RST, no close)."""

    HANDSHAKE = "handshake"
    """Once the client has begun to greet; a connection that is open already goes first."""
    BODY = "body"
    """When half of the request's body has gone on to the server."""
    ACCEPTED = "accepted"
    """When the server has carried the request out and answers."""


class TlsFront(Relay):
    """Listens on loopback in place of the server at `url`; use as `async with`."""

    def __init__(self, url: str, folder: Path, *, path: bytes) -> None:
        """Make the certificate. Skips the test where there is no openssl."""
        super().__init__(url)
        self._path = path
        self.certificate = folder / "front.pem"
        key = folder / "front.key"
        _make_certificate(self.certificate, key)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.load_cert_chain(self.certificate, key)
        self.blow: Blow | None = None
        self.struck: dict[Blow, int] = dict.fromkeys(Blow, 0)

    @property
    def url(self) -> str:
        """Where clients go."""
        return str(URL(super().url).with_scheme("https"))

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await self._greeted(reader, writer):
            await self._talk(reader, writer)

    async def _greeted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Shake hands, unless it is then that the blow falls."""
        if self.blow is Blow.HANDSHAKE:
            await reader.read(1)
            self._strike(Blow.HANDSHAKE, writer)
            return False
        await writer.start_tls(self._tls)
        return True

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
            back.close()  # before the wait, which may be cancelled
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)

    def _strike(self, blow: Blow, writer: asyncio.StreamWriter) -> None:
        self.struck[blow] += 1
        reset(writer)


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
