"""Runs real workers against the test's own Kafka and Valkey, and reads what came of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from careline.runtime.kafka import LogReader, Producer, Record
from careline.runtime.tether import tethered
from schemas.envelope import Packed, pack
from schemas.events import LOG
from schemas.identity import shard_of
from schemas.mentions import AuthorRef, ConversationRef, MentionReceived
from schemas.topics import CASES_EVENTS, MENTIONS_RECEIVED, TOPICS

PARTITIONS = 4
HEARD_AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
TOPIC_PARTITIONS = {topic.name: PARTITIONS for topic in TOPICS}
ROOT = Path(__file__).parent.parent.parent


def a_mention(number: int, text: str = "", *, author: str = "") -> MentionReceived:
    """A query of its own conversation; the number says which."""
    return MentionReceived(
        account="acme",
        native_id=str(number),
        conversation=ConversationRef(network="x", root=str(number)),
        heard_at=datetime.now(UTC),
        created_at=HEARD_AT,
        author=AuthorRef(id=author or f"author-{number}"),
        text=text or f"@acme my order {number} never arrived, can you help?",
    )


def heard(mention: MentionReceived) -> tuple[int, Packed]:
    """The partition and the record that a connector would send."""
    key = mention.conversation.key
    packed = pack(
        mention,
        type="mention.received.v1",
        id=mention.event_id,
        source="/connectors/test",
        subject=mention.mention_id,
        time=mention.heard_at,
        key=key,
        extensions={"cursor": "0"},
    )
    return shard_of(key, PARTITIONS), packed


class Rig:
    """One Kafka, one ledger, and the workers on them."""

    def __init__(self, bootstrap: str, redis_url: str, **options: Any) -> None:
        self.bootstrap = bootstrap
        self.options = {
            "bootstrap": bootstrap,
            "redis_url": redis_url,
            "partitions": PARTITIONS,
            "session_timeout": 6.0,
            **options,
        }
        self.producer = Producer(bootstrap, client_id="test", timeout=20)
        self.reader = LogReader(bootstrap, client_id="test")
        self.workers: list[asyncio.subprocess.Process] = []
        self._known: dict[tuple[str, int], list[Record]] = {}
        self._logs = tempfile.TemporaryDirectory()

    async def worker(self) -> asyncio.subprocess.Process:
        """Start one more worker; its log is a file."""
        number = len(self.workers)
        with (Path(self._logs.name) / f"{number}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *tethered(
                    [
                        sys.executable,
                        "-m",
                        "tests.support.worker_process",
                        json.dumps(self.options),
                    ]
                ),
                stdout=log,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,
            )
        self.workers.append(process)
        return process

    def log(self) -> str:
        """What the workers have written, in the order of their starts."""
        files = sorted(Path(self._logs.name).glob("*.log"))
        return "".join(file.read_text(encoding="utf-8") for file in files)

    async def ready(self, times: int = 1, within: float = 60) -> None:
        """Wait until a worker has said so that often; the last one started must live."""

        def said() -> bool:
            assert self.workers[-1].returncode is None, self.log()[-6000:]
            return self.log().count("worker ready") >= times

        await self.until(said, within=within)

    async def until(self, condition: Callable[[], bool], *, within: float = 60) -> None:
        """Wait for a condition; what the workers said is in the failure."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"not within {within} s:\n{self.log()[-6000:]}") from None

    async def hear(self, mentions: Iterable[MentionReceived]) -> None:
        """Send as a connector does; return when all are acknowledged."""
        batches: dict[int, list[Packed]] = {}
        for mention in mentions:
            partition, packed = heard(mention)
            batches.setdefault(partition, []).append(packed)
        for partition, records in batches.items():
            await self.producer.send_batch(MENTIONS_RECEIVED.name, partition, records)

    async def records(self, topic: str) -> list[Record]:
        """All that stands in a topic, partition by partition; only what is new is fetched."""
        for partition in range(PARTITIONS):
            known = self._known.setdefault((topic, partition), [])
            end = await self.reader.end(topic, partition)
            async for batch in self.reader.read(topic, partition, len(known), end):
                known += batch
        return [each for partition in range(PARTITIONS) for each in self._known[topic, partition]]

    async def events(self) -> list[Any]:
        """All events of cases."""
        records = await self.records(CASES_EVENTS.name)
        return [LOG.validate_json(record.value or b"") for record in records]

    async def added(self) -> list[str]:
        """The mention ids for which an obligation was added, repeats included."""
        return [each.mention_id for each in await self.events() if each.type == "obligation.added"]

    async def added_all(self, count: int, *, within: float = 60) -> list[str]:
        """Wait until so many different obligations stand in the log; return all, with repeats."""
        return await self._added(lambda found: max(0, count - len(set(found))), within)

    async def added_these(self, mentions: set[str], *, within: float) -> list[str]:
        """Wait until these are obligations in the log; return all there are, with repeats."""
        return await self._added(lambda found: len(mentions.difference(found)), within)

    async def _added(self, missing: Callable[[list[str]], int], within: float) -> list[str]:
        found: list[str] = []
        try:
            async with asyncio.timeout(within):
                while missing(found):
                    await asyncio.sleep(0.2)
                    found = await self.added()
        except TimeoutError:
            raise AssertionError(
                f"{missing(found)} missing after {within} s:\n{self.log()[-6000:]}"
            ) from None
        return found

    async def kill(self, process: asyncio.subprocess.Process) -> None:
        """SIGKILL."""
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()

    async def stop(self, process: asyncio.subprocess.Process, *, within: float = 20) -> int:
        """SIGTERM; return the exit code."""
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        async with asyncio.timeout(within):
            return await process.wait()

    async def close(self) -> None:
        """End everything."""
        for process in self.workers:
            if process.returncode is None:
                await self.kill(process)
        await self.producer.stop()
        await self.reader.stop()
        self._logs.cleanup()


@asynccontextmanager
async def a_rig(bootstrap: str, redis_url: str, **options: Any) -> AsyncIterator[Rig]:
    """A rig whose clients are connected."""
    rig = Rig(bootstrap, redis_url, **options)
    await rig.producer.start()
    await rig.reader.start()
    try:
        yield rig
    finally:
        await rig.close()
