"""Ends tasks that run for ever, for good.

Promise: `ended` returns when every task has ended, and raises nothing of theirs. A library below a
task now and then takes a cancellation for its own timeout (measured with aiokafka and redis-py);
the task then runs on as if nothing had been said, so it is told again until it listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final

_AGAIN_S: Final = 1.0


async def ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks and wait until all of them have ended."""
    every = list(tasks)
    while pending := [task for task in every if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=_AGAIN_S)
    for task in every:
        if not task.cancelled():
            task.exception()  # taken note of: asyncio need not report it as lost
