"""Somebody's slow code costs time, never the event loop and never the next call."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from streams.budget import Budgeted


async def test_a_call_returns_or_raises_what_the_work_does() -> None:
    thread = Budgeted("test")
    assert await thread.call(lambda: 6 * 7, within=5) == 42
    with pytest.raises(ZeroDivisionError):
        await thread.call(lambda: 1 // 0, within=5)
    assert await thread.call(lambda: threading.current_thread().name, within=5) == "test"
    assert thread.hung == 0
    thread.close()


async def test_a_hang_ends_after_its_budget_and_the_next_call_goes_through() -> None:
    thread = Budgeted("test")
    gate = threading.Event()
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        await thread.call(gate.wait, within=0.1)
    assert time.monotonic() - started < 5
    assert thread.hung == 1
    assert await thread.call(lambda: "next", within=5) == "next"
    gate.set()
    thread.close()


async def test_the_loop_runs_on_meanwhile() -> None:
    thread = Budgeted("test")
    gate = threading.Event()
    call = asyncio.create_task(thread.call(gate.wait, within=10))
    await asyncio.sleep(0.05)
    assert not call.done()
    gate.set()
    assert await call is True
    thread.close()
