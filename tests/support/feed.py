"""Mentions that flow while something breaks, and the proof that none of them was lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.workers import Rig, a_mention


class Feed:
    """Hears mentions, some at a time, until told to stop."""

    def __init__(self, rig: Rig, *, every: float = 0.2, batch: int = 5) -> None:
        self._rig = rig
        self._every = every
        self._batch = batch
        self._number = 0
        self.sent: set[str] = set()

    async def one(self) -> None:
        """Hear one batch; when it is acknowledged it counts."""
        mentions = [a_mention(self._number + more) for more in range(self._batch)]
        self._number += self._batch
        await self._rig.hear(mentions)
        self.sent |= {mention.mention_id for mention in mentions}

    async def run(self) -> None:
        """Hear one batch after the other."""
        while True:
            await self.one()
            await asyncio.sleep(self._every)


@asynccontextmanager
async def feeding(rig: Rig, feed: Feed | None = None) -> AsyncIterator[Feed]:
    """Feed as long as the block runs; what is acknowledged by then must become cases."""
    feed = feed or Feed(rig)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def all_arrived(rig: Rig, feed: Feed) -> None:
    """Nothing that was acknowledged is lost, and nothing was made twice."""
    # Not so many of any: a batch that nobody acknowledged may have arrived as well.
    await rig.added_these(feed.sent, within=90)
    ids = [event.event_id for event in await rig.events() if event.type == "obligation.added"]
    by_mention: dict[str, set[str]] = {}
    for mention, event in zip(await rig.added(), ids, strict=True):
        by_mention.setdefault(mention, set()).add(event)
    assert all(len(events) == 1 for events in by_mention.values()), "a repeat has the same id"
    assert "promise" not in rig.log()
