"""Shards made anew from Kafka, or rebuilt beside the ledger to be compared with it.

Promise: a few shards at a time, each by itself: one that cannot be rebuilt is told, the others are
done first.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from careline.cli.shards import Shards, opened_to_change
from careline.ledger.rebuild import rebuild
from careline.ledger.store import Ledger
from careline.ledger.verify import Verifier
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import CarelineError, ConfigurationError
from careline.runtime.redis import connect
from careline.settings import Settings

Tell = Callable[[str], None]
_AT_ONCE: Final = 4
_SHOWN: Final = 100


def chosen(shard: int | None, partitions: int) -> list[int]:
    """Return the shards that are meant. Raises ConfigurationError if there is none such."""
    if shard is None:
        return list(range(partitions))
    if shard >= partitions:
        raise ConfigurationError(
            f"there is no shard {shard}", hint=f"they are numbered from 0 to {partitions - 1}"
        )
    return [shard]


async def rebuild_all(settings: Settings, shards: Sequence[int], *, tell: Tell) -> float:
    """Make shards anew; return how many seconds it took."""
    async with opened_to_change(settings) as tools:
        began = time.monotonic()

        async def one(shard: int) -> None:
            fence = await rebuild(
                tools.ledger,
                shard,
                producer=tools.producer,
                reader=tools.reader,
                applier=tools.applier,
            )
            tell(f"shard {shard:02d}: epoch {fence.n}")

        await _each(shards, one, tell=tell)
        return time.monotonic() - began


async def verify_all(
    settings: Settings, shards: Sequence[int], *, scratch: str, tell: Tell
) -> dict[int, list[str]]:
    """Return what each shard and the log differ in."""
    found: dict[int, list[str]] = {}
    async with opened_to_change(settings) as tools, _scratch(tools, scratch) as beside:
        verifier = Verifier(tools.ledger, beside, reader=tools.reader, policy=tools.config.policy)

        async def one(shard: int) -> None:
            found[shard] = (await verifier.verify(shard))[:_SHOWN]
            tell(f"shard {shard:02d}: compared")

        await _each(shards, one, tell=tell)
    return found


async def _each(
    shards: Sequence[int], work: Callable[[int], Awaitable[None]], *, tell: Tell
) -> None:
    """Work on all of them. Raises the first error once all that can be done is done."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def in_turn(shard: int) -> None:
        async with turns:
            await work(shard)

    results = await asyncio.gather(*(in_turn(one) for one in shards), return_exceptions=True)
    failed = [
        (shard, one)
        for shard, one in zip(shards, results, strict=True)
        if isinstance(one, BaseException)
    ]
    for shard, error in failed:
        if not isinstance(error, CarelineError):
            raise error
        tell(f"shard {shard:02d}: not done: {error}")
    if failed:
        raise failed[0][1]


@asynccontextmanager
async def _scratch(tools: Shards, url: str) -> AsyncIterator[Ledger]:
    """Open an empty ledger of nobody's. Raises ConfigurationError if that one is not empty."""
    if not url:
        with tempfile.TemporaryDirectory(prefix="careline-verify-") as folder:
            async with (
                EmbeddedValkey(Path(folder)) as server,
                _ledger(server.url, tools.config.partitions) as ledger,
            ):
                yield ledger
        return
    async with _ledger(url, tools.config.partitions) as ledger:
        if await ledger.asked(ledger.client.dbsize()):
            raise ConfigurationError(
                "the scratch is not empty", hint="name a Redis, or a database of one, of its own"
            )
        yield ledger


@asynccontextmanager
async def _ledger(url: str, partitions: int) -> AsyncIterator[Ledger]:
    client = connect(url)
    try:
        yield Ledger(client, partitions=partitions)
    finally:
        await client.aclose()
