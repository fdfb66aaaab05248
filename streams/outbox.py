"""From the outbox to `cases.events`: at once after a commit, and looked after every second.

Promises: oldest first, one sender a shard in this process, never past an entry that is not
acknowledged; what could not be sent stays in the ledger and is tried again. It never raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from careline.ledger.fence import Fence, Fenced
from streams.retry import LATER, described
from streams.shards import Shards

_log = structlog.get_logger(__name__)

Drain = Callable[[int, Fence], Awaitable[int]]
"""Sends a shard's outbox under its fence and says how many entries went."""


class OutboxSender:
    """Sends what commits leave behind."""

    def __init__(self, shards: Shards, drain: Drain, *, every: float) -> None:
        """Look at every owned shard each `every` seconds, whoever forgot to wake it."""
        self._shards = shards
        self._drain = drain
        self._every = every
        self._wanted: set[int] = set()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.sent = 0

    def wake(self, shards: Iterable[int]) -> None:
        """Send the outboxes of these shards now."""
        for shard in shards:
            self._wanted.add(shard)
            if shard not in self._tasks:
                self._tasks[shard] = asyncio.create_task(self._send(shard), name=f"outbox {shard}")

    async def run(self) -> None:
        """Look after the owned shards, for ever."""
        while True:
            self.wake(self._shards.owned)
            await asyncio.sleep(self._every)

    async def idle(self) -> None:
        """Return when no sending is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks.values())

    async def _send(self, shard: int) -> None:
        try:
            while shard in self._wanted:
                self._wanted.discard(shard)
                fence = self._shards.known(shard)
                if fence is not None:
                    self.sent += await self._drain(shard, fence)
        except Fenced:
            self._shards.forget(shard)
        except LATER as error:
            _log.warning("outbox waits", shard=shard, why=str(error))
        except Exception as error:  # noqa: BLE001 - a task's end: the entries stay where they are
            _log.error("outbox failed", shard=shard, error=described(error))
        finally:
            self._tasks.pop(shard, None)
