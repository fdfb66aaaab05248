"""What stands on loopback in place of a server and decides what passes: the part all of them share.

Promise: connections that are open when the relay ends are ended with it, whatever happened inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from abc import ABC, abstractmethod
from typing import Final, Self

from yarl import URL

_LINGER_NOT_AT_ALL: Final = struct.pack("ii", 1, 0)


class Relay(ABC):
    """Listens in place of the server at `url`; use as `async with`."""

    def __init__(self, url: str) -> None:
        self._to = URL(url)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._ended = False

    @property
    def url(self) -> str:
        """Where clients go: as the server's, with the relay's port."""
        assert self._server is not None
        return str(self._to.with_port(self._server.sockets[0].getsockname()[1]))

    async def __aenter__(self) -> Self:
        """Begin."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """End, whatever happened inside."""
        self._ended = True
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @abstractmethod
    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Care for one connection; it may be cancelled before it begins."""

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._ended:  # accepted by the kernel before the end, told of after it
            writer.close()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)

        # Not in the task itself: one that is cancelled before its first step has no `finally`.
        def done(ended: asyncio.Task[None]) -> None:
            writer.close()
            self._connections.discard(ended)

        task.add_done_callback(done)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await self._through(reader, writer)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST, without a close."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
    writer.transport.abort()
