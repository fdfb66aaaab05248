"""A connector process between real peers: embedded Kafka, Valkey, the stand-in X."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.kafka import LogReader, Record
from careline.runtime.redis import connect
from careline.sandbox.server import Sandbox, SandboxConfig
from careline.sandbox.x.feeding import put
from connectors.config import ConnectorsConfig
from connectors.runner import Running, run_connectors
from schemas.commands import COMMAND, ReportUnreadable
from schemas.envelope import unpack
from schemas.mentions import HEARD, HeardRecord
from schemas.topics import CASES_COMMANDS, DEAD_LETTERS, MENTIONS_RECEIVED, TOPICS
from tests.connectors.stages import x_config

PARTITIONS = 4
WITHIN_S = 20.0


@dataclass
class World:
    """What a connector process talks to."""

    kafka: EmbeddedKafka
    valkey: EmbeddedValkey
    sandbox: Sandbox
    settings: dict[str, Any] = field(default_factory=dict)

    def config(self, *accounts: str, **more: Any) -> ConnectorsConfig:
        """Return the configuration of a process that serves these accounts."""
        base: dict[str, Any] = {
            "kafka_bootstrap": self.kafka.bootstrap,
            "redis_url": self.valkey.url,
            "partitions": PARTITIONS,
            "x": tuple(x_config(self.sandbox, each, **self.settings) for each in accounts),
            "kafka_timeout_s": 5.0,
            "stop_within_s": 3.0,
            "send_replies": False,
        }
        return ConnectorsConfig(**{**base, **more})

    @asynccontextmanager
    async def running(self, *accounts: str, **more: Any) -> AsyncIterator[Running]:
        """Run a connector process inside this one, until the end of the block."""
        stop, running = asyncio.Event(), Running()
        config = self.config(*accounts, **more)
        task = asyncio.create_task(run_connectors(config, stop=stop, running=running))
        sources = 4 * len(accounts)
        try:
            await until(
                lambda: _fine(running, sources) or task.done(), "every source has been read"
            )
            if task.done():
                await task
            yield running
        finally:
            stop.set()
            await asyncio.wait_for(task, WITHIN_S)

    @asynccontextmanager
    async def killed(self, *accounts: str, **more: Any) -> AsyncIterator[asyncio.Task[None]]:
        """Run a connector process that is cut off at the end of the block, as by kill -9."""
        stop = asyncio.Event()
        task = asyncio.create_task(run_connectors(self.config(*accounts, **more), stop=stop))
        try:
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def put(self, **line: Any) -> str:
        """Do one act on the stand-in X."""
        return put(self.sandbox.x.store, line)

    async def records(self, topic: str = MENTIONS_RECEIVED.name) -> list[Record]:
        """Read a topic, all partitions."""
        reader = LogReader(self.kafka.bootstrap, client_id="test")
        await reader.start()
        try:
            found: list[Record] = []
            for partition in range(PARTITIONS):
                start = await reader.beginning(topic, partition)
                end = await reader.end(topic, partition)
                async for batch in reader.read(topic, partition, start, end):
                    found += batch
            return found
        finally:
            await reader.stop()

    async def heard(self, *, kind: str = "") -> list[HeardRecord]:
        """Read what was heard, without cursor records."""
        found = [unpack(HEARD, record.value) for record in await self.records()]
        return [each for each in found if each.kind != "cursor" and kind in ("", each.kind)]

    async def heard_at_least(
        self, number: int, *, kind: str = "", within: float = WITHIN_S
    ) -> list[HeardRecord]:
        """Wait until so many different events were heard."""

        async def enough() -> bool:
            return len({each.event_id for each in await self.heard(kind=kind)}) >= number

        await until(enough, f"{number} events heard", within)
        return await self.heard(kind=kind)

    async def unreadable(self) -> tuple[list[Record], list[ReportUnreadable]]:
        """Read dead letters and their reports."""
        letters = await self.records(DEAD_LETTERS.name)
        commands = [unpack(COMMAND, each.value) for each in await self.records(CASES_COMMANDS.name)]
        return letters, [each for each in commands if isinstance(each, ReportUnreadable)]

    async def cursor(self, account: str, source: str) -> str:
        """Return what Redis keeps of a source."""
        client = connect(self.valkey.url)
        try:
            kept = await client.get(f"cursor:x:{account}:{source}")
            return "" if kept is None else bytes(kept).decode()
        finally:
            await client.aclose()

    async def forget_cursors(self) -> None:
        """Lose everything that Redis keeps."""
        client = connect(self.valkey.url)
        await client.flushall()
        await client.aclose()


def _fine(running: Running, sources: int) -> bool:
    states = [health.last_read_at for health in running.health.values()]
    return len(states) >= sources and all(states)


@asynccontextmanager
async def a_world(
    folder: Path, *, sandbox: SandboxConfig | None = None, **settings: Any
) -> AsyncIterator[World]:
    """Give peers that end with the block."""
    topics = {topic.name: PARTITIONS for topic in TOPICS}
    async with (
        EmbeddedKafka(topics) as kafka,
        EmbeddedValkey(folder / "valkey") as valkey,
        Sandbox(sandbox or SandboxConfig(brands=("acme",))) as x,
    ):
        yield World(kafka, valkey, x, settings)


async def until(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]],
    what: str,
    within: float = WITHIN_S,
) -> None:
    """Wait for a condition; say what did not come about."""
    deadline = time.monotonic() + within
    while True:
        met = condition()
        if await met if isinstance(met, Awaitable) else met:
            return
        assert time.monotonic() < deadline, f"not within {within} s: {what}"
        await asyncio.sleep(0.05)
