"""A limit of calls at a time that lets the most urgent pass first.

Promise: whoever waits is let in by urgency, and by arrival among equals; a wait that is given up
costs nobody a place. Without anybody waiting it is as cheap as a counter.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from schemas.triage import Priority

Urgency = tuple[Priority, str]
"""The highest priority that is still open, then the earliest deadline (`ledger.deadlines`)."""


class Lane:
    """What shares a limit with what, such as the messages of one channel."""

    def __init__(self, places: int) -> None:
        """Let so many in at a time."""
        self._free = places
        self._numbers = itertools.count()
        self._waiting: list[tuple[Urgency, int, asyncio.Future[None]]] = []

    def locked(self) -> bool:
        """Say whether the next one has to wait."""
        return self._free == 0

    @asynccontextmanager
    async def turn(self, urgency: Urgency) -> AsyncIterator[None]:
        """Have a place while the block runs."""
        if self._free:
            self._free -= 1
        else:
            await self._let_in(urgency)
        try:
            yield
        finally:
            self._leave()

    async def _let_in(self, urgency: Urgency) -> None:
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (urgency, next(self._numbers), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        """Give the place to whoever waits and has not given up."""
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
