"""The ways in which a real Valkey answers reads and refuses every write, and how each ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis

from tests.support.ledger import until

Switch = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A trouble that is switched on and off."""

    begin: Switch
    end: Switch


def full(client: Redis) -> Refusal:
    """OOM: no room, and nothing may be forgotten."""
    return Refusal(
        lambda: client.config_set("maxmemory", "1"), lambda: client.config_set("maxmemory", "0")
    )


def read_only(client: Redis) -> Refusal:
    """READONLY: it was made a replica of nobody."""

    async def follow(host: str, port: str) -> None:
        await client.execute_command("REPLICAOF", host, port)  # type: ignore[no-untyped-call]

    return Refusal(lambda: follow("127.0.0.1", "1"), lambda: follow("NO", "ONE"))


def no_snapshot(client: Redis, folder: Path) -> Refusal:
    """MISCONF: a snapshot into its folder fails."""
    in_the_way = folder / "dump.rdb"

    async def saved() -> bool:
        facts = await client.info("persistence")
        return not facts["rdb_bgsave_in_progress"]

    async def begin() -> None:
        in_the_way.mkdir()
        (in_the_way / "x").touch()
        await client.config_set("save", "3600 1")
        await client.bgsave()
        await until(saved, what="the snapshot that fails")

    async def end() -> None:
        (in_the_way / "x").unlink()
        in_the_way.rmdir()
        await client.bgsave()
        await until(saved, what="the snapshot")

    return Refusal(begin, end)
