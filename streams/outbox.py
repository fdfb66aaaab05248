"""From the outbox to `cases.events`: at once after a commit, and looked after every second.

Promises: oldest first, one sender in this process, never past an entry that is not acknowledged;
what could not be sent stays in the ledger and is tried again. It never raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import structlog

from careline.ledger.fence import Fence, Fenced
from careline.ledger.outboxes import BATCH, Sent
from streams.retry import LATER, Pauses, described
from streams.shards import Shards

_log = structlog.get_logger(__name__)

_MANY: Final = 10
"""Events of one round that say that there is load: then it pays to gather more for the next."""
_GATHER_S: Final = 0.02

Drain = Callable[[Mapping[int, Fence]], Awaitable[Mapping[int, Sent]]]
"""Sends the oldest entries of several shards, each under its fence."""


class OutboxSender:
    """Sends what commits leave behind."""

    def __init__(self, shards: Shards, drain: Drain, *, every: float) -> None:
        """Look at every owned shard each `every` seconds, whoever forgot to wake it."""
        self._shards = shards
        self._drain = drain
        self._every = every
        self._wanted: set[int] = set()
        self._woken = asyncio.Event()
        self._pauses = Pauses()
        self.sent = 0

    def wake(self, shards: Iterable[int]) -> None:
        """Send the outboxes of these shards now."""
        self._wanted.update(shards)
        if self._wanted:
            self._woken.set()

    async def run(self) -> None:
        """Send, for ever."""
        while True:
            try:
                async with asyncio.timeout(self._every):
                    await self._woken.wait()
            except TimeoutError:
                self._wanted |= self._shards.owned
            if await self.send() >= _MANY:
                await asyncio.sleep(_GATHER_S)

    async def send(self) -> int:
        """Send one round; return how many events went."""
        wanted, self._wanted = self._wanted, set()
        self._woken.clear()
        fences = {shard: fence for shard in wanted if (fence := self._shards.known(shard))}
        if not fences:
            return 0
        try:
            results = await self._drain(fences)
        except LATER as error:
            _log.warning("outbox waits", why=str(error))
        except Exception as error:  # noqa: BLE001 - a loop that must go on; the entries stay
            _log.error("outbox failed", error=described(error))
        else:
            self._pauses = Pauses()
            return sum(self._settled(shard, result) for shard, result in results.items())
        self._wanted |= wanted
        await self._pauses.next()
        return 0

    def _settled(self, shard: int, result: Sent) -> int:
        if isinstance(result, int):
            self.sent += result
            if result >= BATCH:
                self.wake([shard])
            return result
        if isinstance(result, Fenced):
            self._shards.forget(shard)
        else:
            _log.warning("outbox waits", shard=shard, why=str(result))
        return 0
