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
Overdue = Callable[[Iterable[int], float], Awaitable[Iterable[int]]]
"""Of these shards, those with an entry that has been due for so many seconds."""


class Deadlines:
    """Polls the due-sets."""

    def __init__(  # noqa: PLR0913 - the seams and the three bounds of time
        self,
        shards: Shards,
        fire_due: FireDue,
        outbox: OutboxSender,
        *,
        overdue: Overdue,
        partitions: int,
        every: float,
        others_after: float,
    ) -> None:
        """Fire by `fire_due`; what others leave lying for `others_after` seconds too."""
        self._shards = shards
        self._fire_due = fire_due
        self._outbox = outbox
        self._overdue = overdue
        self._all = frozenset(range(partitions))
        self._every = every
        self._others_after = others_after
        self._others_at = 0.0
        self.fired = 0

    async def run(self) -> None:
        """Poll, for ever."""
        while True:
            await self._look(self._shards.owned, 0.0)
            if time.monotonic() >= self._others_at:
                await self._look(self._all - self._shards.owned, self._others_after)
                self._others_at = time.monotonic() + _OTHERS_EVERY_S
            await asyncio.sleep(self._every)

    async def _look(self, shards: Iterable[int], by: float) -> None:
        try:
            late = await self._overdue(shards, by)
        except LATER as error:
            _log.warning("deadlines wait", why=str(error))
        except Exception as error:  # noqa: BLE001 - a loop that must go on
            _log.error("deadlines failed", error=described(error))
        else:
            if by:
                for shard in late:
                    _log.warning("taking another owner's overdue deadlines", shard=shard)
            await asyncio.gather(*(self._fire(shard) for shard in late))

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
