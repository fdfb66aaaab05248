"""The clocks: UTC, never back, and a fake one that wakes sleepers in order."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from careline.runtime.clock import Clock, FakeClock, SystemClock


async def test_the_machines_clock_is_aware_and_waits() -> None:
    clock: Clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009
    assert clock.now().tzinfo is UTC
    await clock.sleep(-1)


async def test_a_fake_clock_wakes_sleepers_in_the_order_of_their_instants() -> None:
    clock = FakeClock(datetime(2026, 3, 1, tzinfo=UTC))
    seen: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        seen.append((name, clock.monotonic()))
        if name == "first":
            await clock.sleep(1)
            seen.append(("again", clock.monotonic()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 10))
        group.create_task(sleeper("first", 2))
        await clock.advance(5)
        assert seen == [("first", 2.0), ("again", 3.0)]
        assert clock.sleepers == 1
        await clock.advance(5)
    assert seen[-1] == ("late", 10.0)
    assert clock.now() == datetime(2026, 3, 1, 0, 0, 10, tzinfo=UTC)
