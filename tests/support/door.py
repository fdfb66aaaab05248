"""A door in front of a TCP server that can be made slow, dripping, frozen, or shut in the face.

Promise: while `mood` is open every byte passes both ways as it came.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum
from typing import Final

from tests.support.relay import Relay, reset

_DRIP_S: Final = 0.05


class Mood(StrEnum):
    """What the door does with connections."""

    OPEN = "open"
    SLOW = "slow"
    """Every piece of an answer is held back for `delay` seconds."""
    DRIPPING = "dripping"
    """Answers come one byte at a time (slow-loris)."""
    FROZEN = "frozen"
    """Nothing passes any more, in either direction, and nothing is closed."""
    RESET = "reset"
    """New connections are reset at once, as by a broken TLS end; old ones too."""


class Door(Relay):
    """Listens on loopback in place of the server at `url`; use as `async with`."""

    def __init__(self, url: str, *, delay: float = 0.0) -> None:
        super().__init__(url)
        self.mood = Mood.OPEN
        self.delay = delay
        self.shut = 0
        """How many connections were reset."""
        self.held = 0
        """How many pieces were held back, dripped or kept."""

    async def _through(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mood is Mood.RESET:
            self._reset(writer)
            return
        upstream, back = await asyncio.open_connection(self._to.host, self._to.port)
        pumps = (
            asyncio.create_task(self._pump(reader, back, answers=False)),
            asyncio.create_task(self._pump(upstream, writer, answers=True)),
        )
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.close()  # before the wait, which may be cancelled
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._moody(writer, data, answers=answers)
                await writer.drain()

    async def _moody(self, writer: asyncio.StreamWriter, data: bytes, *, answers: bool) -> None:
        self.held += self.mood is not Mood.OPEN
        match self.mood:
            case Mood.FROZEN:
                await asyncio.Event().wait()
            case Mood.RESET:
                self._reset(writer)
            case Mood.SLOW if answers:
                await asyncio.sleep(self.delay)
                writer.write(data)
            case Mood.DRIPPING if answers:
                for at in range(len(data)):
                    writer.write(data[at : at + 1])
                    await writer.drain()
                    await asyncio.sleep(_DRIP_S)
            case _:
                writer.write(data)

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        """Close with RST, not FIN."""
        self.shut += 1
        reset(writer)
