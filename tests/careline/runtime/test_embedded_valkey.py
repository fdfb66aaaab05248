"""The embedded Valkey keeps what it acknowledged, and never outlives its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import ConfigurationError, RetryableError
from tests.support.processes import alive, gone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(url, decode_responses=True)
    try:
        yield client
    finally:
        await client.aclose()


async def test_it_runs_with_the_settings_that_the_ledger_demands(valkey: EmbeddedValkey) -> None:
    async with connected(valkey.url) as redis:
        found = {
            name: (await redis.config_get(name))[name]
            for name in ("appendonly", "appendfsync", "maxmemory-policy", "bind", "save")
        }
    assert found == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
        "save": "",
    }


async def test_a_killed_server_comes_back_with_every_acknowledged_write(
    valkey: EmbeddedValkey,
) -> None:
    url, first_pid = valkey.url, valkey.pid
    acknowledged: list[int] = []
    async with connected(url) as redis:

        async def write() -> None:
            for number in range(1_000_000):
                await redis.set(f"n:{number}", number)
                acknowledged.append(number)

        writing = asyncio.create_task(write())
        async with asyncio.timeout(20):
            while len(acknowledged) < 50:
                await asyncio.sleep(0.01)
        await valkey.kill()
        with pytest.raises(RedisConnectionError):
            await writing

    assert await valkey.restart() == url
    assert valkey.pid != first_pid
    async with connected(url) as redis:
        kept = await redis.mget([f"n:{number}" for number in acknowledged])
    assert kept == [str(number) for number in acknowledged]


async def test_restart_of_a_running_server_keeps_its_data_and_address(
    valkey: EmbeddedValkey,
) -> None:
    url = valkey.url
    async with connected(url) as redis:
        await redis.set("kept", "yes")
    await valkey.restart()
    async with connected(valkey.url) as redis:
        assert (valkey.url, await redis.get("kept")) == (url, "yes")


async def test_the_pid_is_the_servers_own(valkey: EmbeddedValkey) -> None:
    async with connected(valkey.url) as redis:
        info = await redis.info("server")
    assert info["process_id"] == valkey.pid


async def test_nothing_runs_after_stop(tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path)
    with pytest.raises(ConfigurationError, match="never started"):
        _ = server.url
    await server.start()
    pid = server.pid
    assert pid is not None
    assert alive(pid)
    await server.stop()
    await server.stop()
    await gone(pid)
    assert server.pid is None


async def test_another_server_on_its_port_is_not_taken_for_ours(valkey: EmbeddedValkey) -> None:
    await valkey.stop()
    with socket.create_server(("127.0.0.1", int(valkey.url.rpartition(":")[2].removesuffix("/0")))):
        with pytest.raises(RetryableError, match="did not get ready"):
            await valkey.start()
        assert valkey.pid is None


PARENT = """
import asyncio, pathlib, sys
from careline.runtime.embedded_valkey import EmbeddedValkey
async def main():
    server = EmbeddedValkey(pathlib.Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_it_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    async with asyncio.timeout(20):
        child = int(await parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()

    await gone(child)
