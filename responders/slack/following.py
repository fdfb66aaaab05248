"""Follows `cases.events.v1` as one consumer group, through outages.

Promise: each batch is handled, then done with: at least once. An outage of Kafka ends nothing; the
reader is made anew until it answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from careline.runtime.brokers import Where
from careline.runtime.clock import Clock
from careline.runtime.errors import RetryableError
from careline.runtime.kafka import GroupReader, Record
from schemas.topics import CASES_EVENTS

GROUP: Final = "careline-responder-slack"
_AGAIN_S: Final = 1.0
_log = structlog.get_logger(__name__)


class Follower:
    """One member of a group that reads the log of record."""

    def __init__(self, bootstrap: Where, group: str, clock: Clock, *, gather: bool = False) -> None:
        """Remember whom to follow as what, and whether a quarter of a second matters."""
        self._gather = gather
        self._bootstrap = bootstrap
        self._group = group
        self._clock = clock
        self._reader: GroupReader | None = None
        self._closing = False

    def shards(self) -> frozenset[int]:
        """Return the partitions, and so the shards, that are this member's now."""
        return self._reader.assigned if self._reader is not None else frozenset()

    async def run(self, handle: Callable[[list[Record]], Awaitable[None]]) -> None:
        """Hand every batch over, then commit it; until closed."""
        while not self._closing:
            reader = GroupReader(
                self._bootstrap,
                CASES_EVENTS.name,
                self._group,
                client_id=self._group,
                gather=self._gather,
            )
            try:
                await reader.start()
                self._reader = reader
                async for batch in reader.batches():
                    await handle(batch)
                    reader.done(batch)
            except RetryableError as error:
                _log.warning("log not followed, trying again", group=self._group, code=error.code)
            finally:
                self._reader = None
                await reader.stop()
            if not self._closing:
                await self._clock.sleep(_AGAIN_S)

    async def close(self) -> None:
        """End `run`. A mere cancellation may be lost: aiokafka swallows it here and there."""
        self._closing = True
        if self._reader is not None:
            await self._reader.stop()
