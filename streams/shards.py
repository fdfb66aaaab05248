"""The shards that this worker owns, each with one lock and its fence.

Promises: agents, deadlines and recovery of one shard take turns; nobody works on a shard whose
fence is not healthy: its owner recovers it first, once, however many wait for that. What Kafka
assigns is owned, from the assignment to the revocation; work in hand beyond that only repeats.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import structlog

from careline.ledger.fence import Fence, InputLost
from careline.ledger.store import Ledger
from streams.retry import LATER, described

_log = structlog.get_logger(__name__)

Recover = Callable[[int], Awaitable[Fence]]
Lost = Callable[[InputLost], Awaitable[None]]
"""What happens when a recovery finds that records are gone for good."""
_LOOK_EVERY_S: Final = 1.0


class Shards:
    """Who may work on which shard now."""

    def __init__(self, ledger: Ledger, recover: Recover) -> None:
        """Recover by `recover`, under the shard's lock."""
        self._ledger = ledger
        self._recover = recover
        self._locks: dict[int, asyncio.Lock] = {}
        self._fences: dict[int, Fence] = {}
        self._changed = asyncio.Event()
        self.owned: frozenset[int] = frozenset()

    def own(self, shards: Iterable[int]) -> None:
        """Take over what Kafka has assigned."""
        self.owned = frozenset(shards)
        for shard in set(self._fences) - self.owned:
            del self._fences[shard]
        self._changed.set()

    def forget(self, shard: int) -> None:
        """Do not trust the fence of a shard any more: look again."""
        self._fences.pop(shard, None)
        self._changed.set()

    async def keep(self, ready: Callable[[int], None], lost: Lost) -> None:
        """See to it, for ever, that each owned shard is healthy, with or without traffic.

        A long recovery holds up neither the group nor the other shards.
        """
        while True:
            self._changed.clear()
            await asyncio.gather(
                *(self._kept(s, ready, lost) for s in self.owned if s not in self._fences)
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._changed.wait()

    async def _kept(self, shard: int, ready: Callable[[int], None], lost: Lost) -> None:
        try:
            await self.ready(shard)
        except InputLost as error:
            await lost(error)
        except LATER as error:
            _log.warning("shard waits", shard=shard, why=str(error))
        except Exception as error:  # noqa: BLE001 - a loop that must go on
            _log.error("shard failed", shard=shard, error=described(error))
        else:
            ready(shard)

    def known(self, shard: int) -> Fence | None:
        """Return the healthy fence of a shard, if there is one; never waits."""
        return self._fences.get(shard)

    async def ready(self, shard: int) -> Fence:
        """Return the healthy fence of a shard, recovered if it has to be."""
        fence = self._fences.get(shard)
        if fence is None:
            async with self._lock(shard):
                fence = self._fences.get(shard) or await self._healthy(shard)
                if shard in self.owned:
                    self._fences[shard] = fence
        return fence

    @asynccontextmanager
    async def turn(self, shards: Iterable[int]) -> AsyncIterator[None]:
        """Have these shards to oneself; taken in one order, so that nobody waits in a circle."""
        async with AsyncExitStack() as stack:
            for shard in sorted(set(shards)):
                await stack.enter_async_context(self._lock(shard))
            yield

    def _lock(self, shard: int) -> asyncio.Lock:
        return self._locks.setdefault(shard, asyncio.Lock())

    async def _healthy(self, shard: int) -> Fence:
        fence = await self._ledger.fence(shard)
        if fence.healthy:
            return fence
        _log.info("recovering", shard=shard, epoch=fence.value or "absent")
        fence = await self._recover(shard)
        _log.info("recovered", shard=shard, epoch=fence.value)
        return fence
