"""How far the running whole is, and what it came to: read from topics, ledger and sandbox alone.

Promise: nothing here is told by the code under test about itself. `idle` is true only when nothing
is on its way: every post was handed out, every record triaged and applied, every outbox empty,
every effect done and every card up to date.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Final, Self

from careline.cli.stage import Stage
from careline.domain.effects import SLACK
from careline.ledger.store import Ledger, key
from careline.runtime.kafka import LogReader, Record
from careline.runtime.redis import connect
from schemas.topics import (
    CASES_COMMANDS,
    MENTIONS_RECEIVED,
    MENTIONS_TRIAGED,
    TOPICS,
    Topic,
)

INPUTS: Final = (MENTIONS_TRIAGED, CASES_COMMANDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far everything is at one moment."""

    ends: dict[str, int] = field(default_factory=dict)
    """Records by topic."""
    applied: dict[str, int] = field(default_factory=dict)
    """Records that the ledger has taken in, by topic."""
    outbox: int = 0
    effects: int = 0
    refreshes: int = 0
    replies: int = 0
    """Replies without an outcome; one that may have been sent is looked for up to 15 minutes."""
    waiting_in_x: int = 0

    @property
    def on_the_way(self) -> dict[str, int]:
        """What is not finished, by name; empty when all is."""
        received, triaged = MENTIONS_RECEIVED.name, MENTIONS_TRIAGED.name
        rest = {
            "unheard": self.waiting_in_x,
            "untriaged": max(0, self.ends.get(received, 0) - self.ends.get(triaged, 0)),
            **{
                f"unapplied {topic.name}": self.ends.get(topic.name, 0)
                - self.applied.get(topic.name, 0)
                for topic in INPUTS
            },
            "outbox": self.outbox,
            "effects": self.effects,
            "refreshes": self.refreshes,
            "replies": self.replies,
        }
        return {name: number for name, number in rest.items() if number}


class Probe:
    """Looks at a stage from outside; use as `async with`."""

    def __init__(self, stage: Stage, *, executors: tuple[str, ...]) -> None:
        """Look at this stage; `executors` are those whose effects must be done in the end."""
        self._stage = stage
        self._stack = AsyncExitStack()
        settings = stage.settings
        self.partitions = settings.kafka.partitions
        self.reader = LogReader(settings.kafka.brokers, client_id="careline-demo")
        self._client = connect(settings.redis.url.get_secret_value())
        self.ledger = Ledger(self._client, partitions=self.partitions)
        self._executors = executors

    async def __aenter__(self) -> Self:
        """Connect."""
        await self.reader.start()
        self._stack.push_async_callback(self._client.aclose)
        self._stack.push_async_callback(self.reader.stop)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._stack.aclose()

    async def standing(self, *, sandbox_x: bool) -> Standing:
        """Return how far everything is now."""
        # The ledger first: what it has taken in since is not taken for more than there is.
        applied, outbox = await self._taken_in()
        effects, refreshes = await self._open_effects(SLACK)
        waiting = 0
        if sandbox_x:
            waiting = int((await self._stage.sandbox.get("x/backlog"))["backlog"])
        ends = {topic.name: sum(await self.ends(topic)) for topic in TOPICS}
        standing = Standing(
            ends=ends,
            applied=applied,
            outbox=outbox,
            effects=effects,
            refreshes=refreshes,
            waiting_in_x=waiting,
        )
        if standing.on_the_way:
            return standing
        # Thousands of sets are asked for replies only when nothing else is on its way.
        found = [(await self._open_effects(executor))[0] for executor in self._executors]
        return replace(standing, replies=sum(found))

    async def ends(self, topic: Topic) -> list[int]:
        """Return the end offset of each partition."""
        return await self.reader.ends(topic.name, self.partitions)

    async def beginnings(self, topic: Topic) -> list[int]:
        """Return the first offset of each partition that is still there."""
        return list(
            await asyncio.gather(
                *(self.reader.beginning(topic.name, number) for number in range(self.partitions))
            )
        )

    async def records(self, topic: Topic) -> AsyncIterator[Record]:
        """Yield every record of a topic, partition by partition."""
        for number, end in enumerate(await self.ends(topic)):
            start = await self.reader.beginning(topic.name, number)
            async for batch in self.reader.read(topic.name, number, start, end):
                for record in batch:
                    yield record

    async def _taken_in(self) -> tuple[dict[str, int], int]:
        """Return how many records of each input the ledger has, and what its outboxes hold."""
        pipeline = self._client.pipeline(transaction=False)
        for shard in range(self.partitions):
            pipeline.hmget(key(shard, "in"), [topic.name for topic in INPUTS])
            pipeline.xlen(key(shard, "outbox"))
        found = await self.ledger.asked(pipeline.execute())
        applied = {
            topic.name: sum(int(row[place]) + 1 for row in found[::2] if row[place] is not None)
            for place, topic in enumerate(INPUTS)
        }
        return applied, sum(int(number) for number in found[1::2])

    async def _open_effects(self, executor: str) -> tuple[int, int]:
        pipeline = self._client.pipeline(transaction=False)
        for shard in range(self.partitions):
            pipeline.zcard(key(shard, f"effects:{executor}"))
            pipeline.zcard(key(shard, "refresh"))
        counts = [int(number) for number in await self.ledger.asked(pipeline.execute())]
        return sum(counts[::2]), sum(counts[1::2])
