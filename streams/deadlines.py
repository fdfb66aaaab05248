"""What falls due: the due-sets of the owned shards, and what other owners left lying.

Promises: an entry of an owned shard is looked at every half second; one that is overdue by 30 s is
taken by any worker, so that a deadline needs no particular process to be alive. The ledger's commit
decides between two who fire at once. It never raises; a shard that fails holds up no other.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from careline.ledger.fence import Fenced
from streams.outbox import OutboxSender
from streams.retry import LATER, described
from streams.shards import Shards

_log = structlog.get_logger(__name__)

_OTHERS_EVERY_S: Final = 5.0
_PASSES: Final = 20

FireDue = Callable[[int], Awaitable[int]]
"""Fires what is due in a shard, urgent first, one step a case; says how many."""
Overdue = Callable[[Iterable[int]], Awaitable[Iterable[int]]]
"""Of these shards, those with an entry that its owner left lying."""


class Deadlines:
    """Polls the due-sets."""

    def __init__(
        self,
        shards: Shards,
        fire_due: FireDue,
        outbox: OutboxSender,
        *,
        overdue: Overdue,
        partitions: int,
        every: float,
    ) -> None:
        """Fire by `fire_due`; `overdue` finds the shards whose owner is late."""
        self._shards = shards
        self._fire_due = fire_due
        self._outbox = outbox
        self._overdue = overdue
        self._all = frozenset(range(partitions))
        self._every = every
        self._others_at = 0.0
        self.fired = 0

    async def run(self) -> None:
        """Poll, for ever."""
        while True:
            await asyncio.gather(*(self._fire(shard) for shard in self._shards.owned))
            if time.monotonic() >= self._others_at:
                await self._take_over()
                self._others_at = time.monotonic() + _OTHERS_EVERY_S
            await asyncio.sleep(self._every)

    async def _take_over(self) -> None:
        try:
            late = await self._overdue(self._all - self._shards.owned)
        except Exception as error:  # noqa: BLE001 - a loop that must go on
            _log.warning("cannot look at other owners' deadlines", error=described(error))
            return
        for shard in late:
            _log.warning("taking the overdue deadlines of another owner", shard=shard)
            await self._fire(shard)

    async def _fire(self, shard: int) -> None:
        try:
            if shard in self._shards.owned:
                await self._shards.ready(shard)
            # Paced: a case makes one step a pass, and records get their turn between two passes.
            for _ in range(_PASSES):
                async with self._shards.turn([shard]):
                    fired = await self._fire_due(shard)
                if not fired:
                    return
                self.fired += fired
                self._outbox.wake([shard])
        except Fenced:
            self._shards.forget(shard)
        except LATER as error:
            _log.warning("deadlines wait", shard=shard, why=str(error))
        except Exception as error:  # noqa: BLE001 - a loop that must go on
            _log.error("deadlines failed", shard=shard, error=described(error))
