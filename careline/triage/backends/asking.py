"""Asks an endpoint beside synchronous code: a loop of its own, bounded in time, number and memory.

Promise: `opinions` returns within its bound, whatever the endpoint does; what is answered later is
remembered for the next time. The same text is asked about once. Nothing here raises: whoever gets
no opinion goes on without.
"""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Sequence
from typing import Final

import structlog

from careline.runtime.errors import CarelineError, RetryableError
from careline.runtime.outbound import outbound_session
from careline.triage.backends.endpoint import Endpoint, EndpointConfig, Opinion
from careline.triage.backends.pacing import Breaker, Budget, Memory
from careline.triage.backends.redaction import redacted

_UNDER_WAY_MAX: Final = 32
_START_S: Final = 5.0
_END_S: Final = 2.0
_log = structlog.get_logger(__name__)


class Asking:
    """One endpoint, one thread; for one caller at a time."""

    def __init__(self, config: EndpointConfig) -> None:
        """Remember whom to ask; the thread starts with the first question."""
        self._config = config
        self._known: Memory[Opinion] = Memory()
        self._budget = Budget(config.per_minute)
        self._breaker = Breaker()
        self._under_way: dict[str, asyncio.Task[Opinion | None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None
        self.asked = 0
        """How many questions were sent."""

    def opinions(self, texts: Sequence[str]) -> list[Opinion | None]:
        """Return an opinion on each text, or None where there is none in time."""
        keys = [_key(text) for text in texts]
        if any(self._known.get(key) is None for key in keys):
            wanted = dict(zip(keys, texts, strict=True))
            loop = self._started()
            done = asyncio.run_coroutine_threadsafe(self._all(wanted), loop)
            try:
                done.result(self._config.within + _START_S)
            except TimeoutError:  # the loop itself is stuck: an endpoint cannot do that
                done.cancel()
        return [self._known.get(key) for key in keys]

    def close(self) -> None:
        """End the thread; questions under way are given up."""
        loop, stop, thread = self._loop, self._stop, self._thread
        if loop is not None and stop is not None and thread is not None:
            loop.call_soon_threadsafe(stop.set)
            thread.join(_END_S)
        self._loop = self._stop = self._thread = None

    async def _all(self, wanted: dict[str, str]) -> None:
        """Ask about what is not known, and wait as long as a batch may."""
        waiting = []
        for key, text in wanted.items():
            task = self._under_way.get(key) or self._begin(key, text)
            if task is not None:
                waiting.append(task)
        if waiting:
            await asyncio.wait(waiting, timeout=self._config.within)

    def _begin(self, key: str, text: str) -> asyncio.Task[Opinion | None] | None:
        """Start a question, if one may be asked now."""
        now = time.monotonic()
        may = self._known.get(key) is None and len(self._under_way) < _UNDER_WAY_MAX
        if not may or not self._breaker.allows(now) or not self._budget.take(now):
            return None
        task = asyncio.create_task(self._ask(key, text), name="triage endpoint")
        self._under_way[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))
        return task

    def _ended(self, key: str, task: asyncio.Task[Opinion | None]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("asking for an opinion crashed", error=type(error).__name__)

    async def _ask(self, key: str, text: str) -> Opinion | None:
        self.asked += 1
        try:
            opinion = await self._endpoint.ask(text)
        except CarelineError as error:
            after = error.retry_after if isinstance(error, RetryableError) else None
            self._breaker.failed(time.monotonic(), retry_after=after)
            _log.warning("no opinion on a text", code=error.code, why=str(error))
            return None
        self._breaker.succeeded()
        self._known.put(key, opinion)
        return opinion

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is not None and self._thread is not None and self._thread.is_alive():
            return self._loop
        ready = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="triage endpoint", daemon=True
        )
        self._thread.start()
        ready.wait(_START_S)
        if self._loop is None:
            raise RuntimeError("the thread for the triage endpoint did not start")
        return self._loop

    async def _serve(self, ready: threading.Event) -> None:
        """Keep the loop alive until told to stop."""
        self._stop = asyncio.Event()
        async with outbound_session(timeout=self._config.timeout) as session:
            self._endpoint = Endpoint(self._config, session)
            self._loop = asyncio.get_running_loop()
            ready.set()
            await self._stop.wait()
            for task in list(self._under_way.values()):
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)


def _key(text: str) -> str:
    """Return the key of a text: of what would be sent, so that no words are kept."""
    return hashlib.sha256(redacted(text).encode()).hexdigest()
