"""The sandbox as a process of its own."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

import aiohttp
import pytest

COMMAND = (sys.executable, "-m", "careline.sandbox", "--channel", "care", "--brand", "AcmeCare")


async def started() -> tuple[asyncio.subprocess.Process, dict[str, str]]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return process, json.loads(await process.stdout.readline())


async def test_it_says_where_it_is_and_ends_with_its_parent(http: aiohttp.ClientSession) -> None:
    process, where = await started()
    async with http.get(f"{where['control_url']}/sandbox/health") as response:
        assert (await response.json())["ok"]
    assert where["slack_api_url"].endswith("/api/")
    assert process.stdin is not None
    process.stdin.close()
    async with asyncio.timeout(10):
        assert await process.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_ends_on_a_signal(number: signal.Signals) -> None:
    process, _ = await started()
    process.send_signal(number)
    async with asyncio.timeout(10):
        assert await process.wait() == 0
    assert process.stdin is not None
    process.stdin.close()
