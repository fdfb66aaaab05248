"""The long run: snapshots and pruning of the owned shards, a small piece at a time.

Promise: it never raises and never holds a shard for long; a shard whose round is finished rests. A
worker that is busy or dead delays it, and nothing that was promised depends on it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from careline.ledger.fence import Fence, Fenced
from streams.outbox import OutboxSender
from streams.retry import LATER, described
from streams.shards import Shards

_log = structlog.get_logger(__name__)

EVERY_S: Final = 30.0
"""Between two pieces of a shard's round."""
REST_S: Final = 600.0
"""Between two rounds."""
_LOOK_S: Final = 1.0


class Did(Protocol):
    """What a piece of work came to (`careline.ledger.housekeeping.Tidied`)."""

    @property
    def snapshots(self) -> int:
        """Events that now stand in the outbox."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the round is done."""
        ...


Tidy = Callable[[int, Fence], Awaitable[Did]]
"""Does a bounded piece of work on a shard, under its fence."""


class Housekeeping:
    """Tidies the owned shards in turn."""

    def __init__(
        self,
        shards: Shards,
        tidy: Tidy,
        outbox: OutboxSender,
        *,
        every: float = EVERY_S,
        rest: float = REST_S,
    ) -> None:
        """Do one piece of a shard each `every` seconds, and `rest` when its round is done."""
        self._shards = shards
        self._tidy = tidy
        self._outbox = outbox
        self._every = every
        self._rest = rest
        self._next: dict[int, float] = {}

    async def run(self) -> None:
        """Tidy, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(min(_LOOK_S, self._every))

    async def look(self) -> None:
        """Do one piece of each owned shard whose time has come."""
        for shard in sorted(self._shards.owned):
            fence = self._shards.known(shard)
            if fence is None or time.monotonic() < self._next.get(shard, 0.0):
                continue
            self._next[shard] = time.monotonic() + self._every
            await self._piece(shard, fence)

    async def _piece(self, shard: int, fence: Fence) -> None:
        try:
            async with self._shards.turn([shard]):
                did = await self._tidy(shard, fence)
        except Fenced:
            self._shards.forget(shard)
        except LATER as error:
            _log.warning("housekeeping waits", shard=shard, why=str(error))
        except Exception as error:  # noqa: BLE001 - a loop that must go on
            _log.error("housekeeping failed", shard=shard, error=described(error))
        else:
            if did.snapshots:
                self._outbox.wake([shard])
            if did.finished:
                self._next[shard] = time.monotonic() + self._rest
