"""A door in front of a real Valkey that answers with a server's own troubles, or late, when told.

Promise: while there is no trouble every byte goes to the server and back; in trouble no command
reaches it.
"""

from __future__ import annotations

import asyncio
import contextlib

from tests.support.relay import Relay


class TroubledRedis(Relay):
    """Listens on loopback in place of the server at `url`; use as `async with`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.trouble = b""
        """An error answer such as ``LOADING Valkey is loading the dataset in memory``."""
        self.delay = 0.0
        self.refused = 0

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, back = await asyncio.open_connection(self._to.host, self._to.port)
        answers = asyncio.create_task(_pumped(upstream, writer))
        try:
            while command := await _command(reader):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.trouble:
                    self.refused += 1
                    writer.write(b"-%s\r\n" % self.trouble)
                    await writer.drain()
                else:
                    back.write(command)
                    await back.drain()
        except asyncio.IncompleteReadError:
            return  # the client has gone
        finally:
            back.close()  # before the wait, which may be cancelled
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)


async def _pumped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def _command(reader: asyncio.StreamReader) -> bytes:
    """Return the bytes of one command; nothing at the end."""
    head = await reader.readline()
    parts = [head]
    for _ in range(int(head[1:]) if head[:1] == b"*" else 0):
        size = await reader.readline()
        parts += (size, await reader.readexactly(int(size[1:]) + 2))
    return b"".join(parts)
