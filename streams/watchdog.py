"""Ends a worker that is alive but does nothing, so that another one can do its work.

Promises: it only leaves, by exit code 75, which loses nothing: when a batch has been in hand or
records have been waiting for too long without progress, or when Kafka has given no partition for
ten minutes (aiokafka #1187: such a member may never get one). A triager that hangs is no reason:
its process is killed (`careline.runtime.helper`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import faust
from faust.types import TP

from streams.agent import Body, leave
from streams.config import WorkerConfig
from streams.shards import Shards

_EVERY_S: Final = 2.0


class Watchdog:
    """Looks at progress, not at being alive."""

    def __init__(
        self,
        app: faust.App,
        bodies: Sequence[Body],
        shards: Shards,
        *,
        config: WorkerConfig,
        leave: Callable[[str], Any] = leave,
    ) -> None:
        """Watch these agents' bodies."""
        self._app = app
        self._bodies = bodies
        self._shards = shards
        self._config = config
        self._leave = leave
        self._seen: dict[tuple[str, int], tuple[int, float]] = {}
        self._unassigned_since: float | None = None

    async def run(self) -> None:
        """Look every other second, for ever."""
        while True:
            await asyncio.sleep(_EVERY_S)
            if reason := self.reason(time.monotonic()):
                self._leave(reason)

    def reason(self, now: float) -> str:
        """Why the worker has to leave; empty while all is well."""
        return self._unassigned(now) or self._stalled(now) or self._behind(now)

    def _unassigned(self, now: float) -> str:
        if self._shards.owned:
            self._unassigned_since = None
            return ""
        since = self._unassigned_since = self._unassigned_since or now
        limit = self._config.unassigned_after
        return f"no partition for {limit:g} s" if now - since > limit else ""

    def _stalled(self, now: float) -> str:
        for body in self._bodies:
            since = body.busy_since
            if since is not None and now - since > self._config.stall_after:
                return f"{body.name} has been busy with one batch for {now - since:.0f} s"
        return ""

    def _behind(self, now: float) -> str:
        """Records wait in a partition, and none was dealt with for too long."""
        for body in self._bodies:
            for (topic, partition), offset in body.finished.items():
                if partition not in self._shards.owned:
                    self._seen.pop((topic, partition), None)
                    continue
                if offset + 1 >= (self._end(topic, partition) or 0):
                    self._seen[topic, partition] = (offset, now)
                    continue
                last, since = self._seen.get((topic, partition), (offset, now))
                self._seen[topic, partition] = (offset, now if offset != last else since)
                if offset == last and now - since > self._config.stall_after:
                    return f"{topic}[{partition}] has stood at {offset} for {now - since:.0f} s"
        return ""

    def _end(self, topic: str, partition: int) -> int | None:
        consumer = self._app.consumer
        end: int | None = consumer.highwater(TP(topic, partition))
        return end
