"""A task that swallows a cancellation ends all the same."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from careline.runtime.tasks import ended


async def test_a_task_that_swallows_a_cancellation_is_told_again() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed > 1:
                    raise

    async def obedient() -> None:
        await asyncio.sleep(60)

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(obedient())]
    await asyncio.sleep(0)
    await asyncio.wait_for(ended(tasks), 10)
    assert [task.cancelled() for task in tasks] == [True, True]
    assert swallowed == 2


@pytest.mark.filterwarnings("error")
async def test_what_a_task_raised_is_not_raised_again() -> None:
    async def failing() -> None:
        raise ValueError("gone wrong")

    task = asyncio.create_task(failing())
    with contextlib.suppress(ValueError):
        await asyncio.shield(task)
    await ended([task])
    assert isinstance(task.exception(), ValueError)
