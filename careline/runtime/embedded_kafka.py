"""Kafka without Kafka: the embedded cluster of the demo and of fault-injection tests.

Promise: `EmbeddedKafka` starts librdkafka's cluster in a child process on free loopback ports, with
exactly the topics asked for, obeys fault commands, and leaves nothing running when it is stopped or
when its parent dies. It is forgetful by nature: no data survives a stop, and each partition drops
its oldest records above about 5 MB.

The child (`python -m careline.runtime.embedded_kafka`) reads one JSON command a line on stdin and
answers each with one JSON line on stdout; the end of stdin ends it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from typing import IO, TYPE_CHECKING, Any, Self

from careline.runtime.children import gone, killed
from careline.runtime.errors import ConfigurationError, RetryableError
from careline.runtime.mock_cluster import MockCluster, MockClusterError
from careline.runtime.tether import tethered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ANSWER_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0


class EmbeddedKafka:
    """The parent's side of one embedded cluster; commands are carried out one by one."""

    def __init__(self, topics: Mapping[str, int] | None = None, *, brokers: int = 1) -> None:
        """Remember what to start; `topics` is what `async with` creates."""
        self._topics = dict(topics or {})
        self._brokers = brokers
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._bootstrap = ""

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers, once started."""
        return self._bootstrap

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return None if self._process is None else self._process.pid

    async def __aenter__(self) -> Self:
        """Start with the topics given to the constructor."""
        await self.start(self._topics)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, whatever happened inside."""
        await self.stop()

    async def start(self, topics: Mapping[str, int]) -> str:
        """Start the child, create `topics` (name → partitions) and return the bootstrap servers."""
        self._process = await asyncio.create_subprocess_exec(
            *tethered(
                [sys.executable, "-m", "careline.runtime.embedded_kafka", str(self._brokers)]
            ),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            # Ctrl-C in a terminal goes to the whole group; the owner wants to stop its
            # infrastructure last.
            start_new_session=True,
        )
        try:
            hello = await self._answer()
            self._bootstrap = str(hello["bootstrap"])
            for name, partitions in topics.items():
                await self.create_topic(name, partitions)
        except BaseException:
            await self.kill()
            raise
        return self._bootstrap

    async def stop(self) -> None:
        """End the child by closing its stdin, or kill it. Stopping twice is harmless."""
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        await gone(process, within=_STOP_TIMEOUT_S)
        self._process = None

    async def kill(self) -> None:
        """SIGKILL the child: every record is gone, as with a burnt machine."""
        process, self._process = self._process, None
        if process is not None:
            await killed(process)

    async def create_topic(self, name: str, partitions: int) -> None:
        """Create one more topic."""
        await self._command(op="topic", name=name, partitions=partitions)

    async def push_errors(self, api_key: int, codes: Sequence[int]) -> None:
        """Answer the next requests of an API (0 produce, 1 fetch, …) with these error codes."""
        await self._command(op="errors", api_key=api_key, codes=list(codes))

    async def clear_errors(self, api_key: int) -> None:
        """Forget the errors still waiting for that API."""
        await self._command(op="clear", api_key=api_key)

    async def broker_down(self, broker: int = -1) -> None:
        """Cut a broker off (-1: all) without losing its records."""
        await self._command(op="down", broker=broker)

    async def broker_up(self, broker: int = -1) -> None:
        """Bring a broker back (-1: all)."""
        await self._command(op="up", broker=broker)

    async def set_rtt(self, broker: int, milliseconds: int) -> None:
        """Delay every answer of a broker (-1: all)."""
        await self._command(op="rtt", broker=broker, milliseconds=milliseconds)

    async def move_leader(self, topic: str, partition: int, broker: int) -> None:
        """Move a partition to another broker; needs a cluster of more than one."""
        await self._command(op="leader", topic=topic, partition=partition, broker=broker)

    async def _command(self, **command: object) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise ConfigurationError("the embedded Kafka is not running", hint="call start() first")
        async with self._turn:
            process.stdin.write(json.dumps(command).encode() + b"\n")
            await process.stdin.drain()
            await self._answer()

    async def _answer(self) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdout is None:
            raise RetryableError("the embedded Kafka was stopped while a command was under way")
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            line = await process.stdout.readline()
        if not line:
            raise RetryableError("the embedded Kafka's process ended without an answer")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise ConfigurationError(f"embedded Kafka: {answer['error']}")
        return answer


def _obey(cluster: MockCluster, command: dict[str, Any]) -> None:
    match command:
        case {"op": "topic", "name": str(name), "partitions": int(partitions)}:
            cluster.create_topic(name, partitions)
        case {"op": "errors", "api_key": int(api_key), "codes": list(codes)}:
            cluster.push_errors(api_key, codes)
        case {"op": "clear", "api_key": int(api_key)}:
            cluster.clear_errors(api_key)
        case {"op": "down", "broker": int(broker)}:
            cluster.broker_down(broker)
        case {"op": "up", "broker": int(broker)}:
            cluster.broker_up(broker)
        case {"op": "rtt", "broker": int(broker), "milliseconds": int(milliseconds)}:
            cluster.set_rtt(broker, milliseconds)
        case {
            "op": "leader",
            "topic": str(topic),
            "partition": int(partition),
            "broker": int(broker),
        }:
            cluster.move_leader(topic, partition, broker)
        case _:
            raise MockClusterError(f"unknown command: {sorted(command)}")


def serve(brokers: int, commands: IO[str], answers: IO[str]) -> int:
    """Run the cluster in this process until `commands` ends."""

    def say(answer: dict[str, object]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    try:
        cluster = MockCluster(brokers)
    except MockClusterError as error:
        say({"error": str(error)})
        return 1
    say({"ok": True, "bootstrap": cluster.bootstrap})
    for line in commands:
        try:
            _obey(cluster, json.loads(line))
        except (MockClusterError, ValueError) as error:
            say({"error": str(error)})
        else:
            say({"ok": True})
    return 0


if __name__ == "__main__":
    sys.exit(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 1, sys.stdin, sys.stdout))
