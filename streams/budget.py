"""Runs somebody's synchronous code beside the event loop, within a bound of time.

Promise: a call returns its result, raises what it raised, or raises `TimeoutError` after its
budget; it never blocks the loop. Python cannot stop a thread that hangs, so such a thread is given
up and counted in `hung`: it is a daemon, and does not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")
_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]
_END: Final = None


class Budgeted:
    """One worker thread for one kind of work; replaced when it hangs."""

    def __init__(self, name: str) -> None:
        """Name the thread; it starts with the first call."""
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] | None = None
        self.hung = 0
        """How many threads were given up."""

    async def call(self, work: Callable[[], T], *, within: float) -> T:
        """Return what `work` returns. Raises TimeoutError after `within` seconds."""
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            threading.Thread(
                target=_serve, args=(self._jobs,), name=self._name, daemon=True
            ).start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put((work, loop, future))
        done, _ = await asyncio.wait({future}, timeout=within)
        if not done:
            self.hung += 1
            self.close()
            raise TimeoutError(f"{self._name} took more than {within:g} s")
        return future.result()

    def close(self) -> None:
        """Let the thread end, once it is done."""
        if self._jobs is not None:
            self._jobs.put(_END)
            self._jobs = None


def _serve(jobs: queue.SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not _END:
        work, loop, future = job
        try:
            result, error = work(), None
        except Exception as raised:  # noqa: BLE001 - it belongs to the caller
            result, error = None, raised
        try:
            loop.call_soon_threadsafe(_settle, future, result, error)
        except RuntimeError:  # the loop is closed: nobody waits
            return


def _settle(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
        future.exception()  # the caller may have given up: then nobody reports it as lost
