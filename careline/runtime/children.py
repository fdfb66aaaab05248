"""Ends child processes for good: asked first, killed after a bound.

Promise: when one of these returns, the child is gone and has been waited for, however it went.
"""

from __future__ import annotations

import asyncio
import contextlib
from asyncio.subprocess import Process


async def gone(process: Process, *, within: float) -> None:
    """Wait for a child that was asked to end; SIGKILL it after so many seconds."""
    try:
        async with asyncio.timeout(within):
            await process.wait()
    except TimeoutError:
        await killed(process)


async def killed(process: Process) -> None:
    """SIGKILL a child, if it still runs, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
