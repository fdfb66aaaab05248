"""A child that was asked to end is gone, whether it listens or not."""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from careline.runtime.children import gone, killed

LISTENS = "import sys; sys.stdin.read()"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"


async def a_child(code: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=pipe, stdout=pipe)


async def test_a_child_that_listens_ends_by_itself() -> None:
    child = await a_child(LISTENS)
    assert child.stdin is not None
    child.stdin.close()
    await gone(child, within=20.0)
    assert child.returncode == 0


async def test_a_deaf_child_is_killed_after_the_bound() -> None:
    child = await a_child(f"{DEAF}; time.sleep(600)")
    assert child.stdout is not None
    await asyncio.wait_for(child.stdout.readline(), timeout=20.0)
    child.terminate()
    began = time.monotonic()
    await gone(child, within=0.2)
    assert child.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 20.0


async def test_killing_what_is_gone_already_is_harmless() -> None:
    child = await a_child("")
    await child.wait()
    await killed(child)
    assert child.returncode == 0
