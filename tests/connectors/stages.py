"""Networks for the tests of connectors: the stand-in X over HTTP, files on disk."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from careline.runtime.clock import SystemClock
from careline.sandbox.server import Sandbox, SandboxConfig
from connectors.replay.config import ReplayConfig
from connectors.replay.connector import ReplayConnector
from connectors.x.client import XSession
from connectors.x.config import XConfig
from connectors.x.connector import XConnector

BRAND = "acme"


class Hashes:
    """Redis hashes in memory, for tests that are not about Redis."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, str]] = {}

    async def hgetall(self, name: str, /) -> Any:
        return dict(self.kept.get(name, {}))

    async def hset(self, name: str, /, *, mapping: Any) -> Any:
        self.kept.setdefault(name, {}).update(mapping)

    async def hdel(self, name: str, /, *keys: str) -> Any:
        for key in keys:
            self.kept.get(name, {}).pop(key, None)


def x_config(sandbox: Sandbox, account: str = BRAND, **settings: Any) -> XConfig:
    """Return a configuration that points at the stand-in X."""
    token = sandbox.x.store.account(account, brand=True).bearer
    defaults: dict[str, Any] = {
        "account": account,
        "base_url": sandbox.x_url,
        "bearer_token": SecretStr(token),
        "poll_min_s": 0.02,
        "poll_max_s": 0.1,
        "dm_poll_min_s": 0.05,
        "dm_poll_max_s": 0.1,
        "watch_every_s": 0.1,
        "request_timeout_s": 5.0,
    }
    return XConfig(**{**defaults, **settings})


@dataclass
class XStage:
    """A connector of one brand account and the stand-in X that it listens to."""

    sandbox: Sandbox
    connector: XConnector
    store: Hashes = field(default_factory=Hashes)

    async def put(self, **line: Any) -> str:
        """Do one act on the stand-in X through its control API; return the id."""
        body = json.dumps(line, ensure_ascii=True).encode()
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.sandbox.control_url}/sandbox/x/posts", data=body) as response,
        ):
            answer = await response.json()
            assert response.status == 200, answer
            return str(answer["ids"][0])

    async def say(self, texts: list[str]) -> list[str]:
        """Have customers write to the brand."""
        return [await self.put(author="ann", text=f"@{BRAND} {text}") for text in texts]

    async def say_garbage(self) -> None:
        """Put an item without a text into the mentions."""
        await self.put(kind="garbage", account=BRAND, item={"author_id": "7"})

    def fault(self, **fault: Any) -> None:
        """Switch a fault of the stand-in on."""
        self.sandbox.faults.add({"server": "x", **fault})


@asynccontextmanager
async def x_stage(
    *, sandbox_config: SandboxConfig | None = None, **settings: Any
) -> AsyncIterator[XStage]:
    """Give a started X connector with its stand-in."""
    async with Sandbox(sandbox_config or SandboxConfig(brands=(BRAND,))) as sandbox:
        config = x_config(sandbox, **settings)
        async with XSession(timeout_s=config.request_timeout_s) as session:
            store = Hashes()
            connector = XConnector(config, session, store=store, clock=SystemClock())
            await connector.start()
            yield XStage(sandbox, connector, store)
            await connector.stop()


class FileStage:
    """A file that is being written, and a connector that replays it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.write_text("")
        self._lines = 0
        self.connector = ReplayConnector(ReplayConfig(path=path, page_size=5), clock=SystemClock())

    async def say(self, texts: list[str]) -> list[str]:
        ids = []
        for text in texts:
            self._lines += 1
            row = {
                "id": f"t{self._lines}",
                "author_id": "ann",
                "inbound": True,
                "created_at": "2017-10-31T22:10:47Z",
                "text": f"@{BRAND} {text}",
                "company": BRAND,
            }
            await self._append(json.dumps(row))
            ids.append(row["id"])
        return [str(each) for each in ids]

    async def say_garbage(self) -> None:
        self._lines += 1
        await self._append('{"id": "broken", "text": ')

    async def _append(self, line: str) -> None:
        with self.path.open("a") as file:
            file.write(line + "\n")
        await self.connector.start()


@asynccontextmanager
async def file_stage(folder: Path) -> AsyncIterator[FileStage]:
    """Give a replay connector of a file in a folder."""
    stage = FileStage(folder / "posts.jsonl")
    await stage.connector.start()
    yield stage
    await stage.connector.stop()
