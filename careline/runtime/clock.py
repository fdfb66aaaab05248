"""The one way to ask what time it is and to wait, so that a test can own both.

Promise: `now` is aware and in UTC; `monotonic` never runs back. A `FakeClock` moves only when told,
and wakes its sleepers in the order in which they are due.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_YIELDS = 20
"""How often a woken sleeper may be scheduled before the next one is due."""


class Clock(Protocol):
    """Tells the time and waits."""

    def now(self) -> datetime:
        """Return the instant, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run back, from an unknown start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait; zero and less only let others run."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the instant, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never run back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(max(0.0, seconds))


class FakeClock:
    """A clock that moves only by `advance`."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Stand still at `start`."""
        self._start = start
        self._passed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        """Return the instant, aware and in UTC."""
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        """Return the seconds that `advance` has let pass."""
        return self._passed

    @property
    def sleepers(self) -> int:
        """Count who is waiting now."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced so far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        due = self._passed + seconds
        heapq.heappush(self._sleepers, (due, next(self._numbers), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let time pass: each sleeper wakes at its own instant and runs before the next one."""
        end = self._passed + seconds
        await _let_others_run()
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, future = heapq.heappop(self._sleepers)
            self._passed = max(self._passed, due)
            if not future.done():
                future.set_result(None)
                await _let_others_run()
        self._passed = end
        await _let_others_run()


async def _let_others_run() -> None:
    for _ in range(_YIELDS):
        await asyncio.sleep(0)
