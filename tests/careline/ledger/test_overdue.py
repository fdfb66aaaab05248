"""One look tells which shards have something due, by the ledger's clock, and changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from careline.ledger.fence import LedgerUnavailable
from careline.ledger.overdue import overdue
from careline.ledger.store import Ledger, key
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.redis import connect

SHARDS = range(8)


@pytest_asyncio.fixture
async def ledger(valkey: EmbeddedValkey) -> AsyncIterator[Ledger]:
    client = connect(valkey.url)
    yield Ledger(client, partitions=len(SHARDS))
    await client.aclose()


async def due(ledger: Ledger, shard: int, *seconds_ago: float) -> None:
    """Let entries be due so long ago (negative: only then)."""
    seconds, micros = await ledger.client.time()
    now = int(seconds) * 1000 + int(micros) / 1000
    entries = {f"case-{n}": now - ago * 1000 for n, ago in enumerate(seconds_ago)}
    await ledger.client.zadd(key(shard, "due"), entries)


async def test_shards_with_an_entry_that_is_due_are_named(ledger: Ledger) -> None:
    await due(ledger, 1, 5.0, -60.0)
    await due(ledger, 3, -60.0)
    await due(ledger, 6, 0.0)
    assert await overdue(ledger, SHARDS, by=0.0) == [1, 6]


async def test_what_an_owner_may_still_take_is_not_overdue(ledger: Ledger) -> None:
    await due(ledger, 2, 29.0)
    await due(ledger, 5, 31.0, 1.0)
    assert await overdue(ledger, SHARDS, by=30.0) == [5]


async def test_only_the_shards_asked_for_are_looked_at(ledger: Ledger) -> None:
    await due(ledger, 1, 5.0)
    await due(ledger, 4, 5.0)
    assert await overdue(ledger, {4, 7}, by=0.0) == [4]
    assert await overdue(ledger, (), by=0.0) == []


async def test_a_look_changes_nothing(ledger: Ledger) -> None:
    await due(ledger, 1, 5.0, 6.0)
    before = await ledger.client.zrange(key(1, "due"), 0, -1, withscores=True)
    await overdue(ledger, SHARDS, by=0.0)
    assert await ledger.client.zrange(key(1, "due"), 0, -1, withscores=True) == before


async def test_a_ledger_that_does_not_answer_says_so(
    ledger: Ledger, valkey: EmbeddedValkey
) -> None:
    await due(ledger, 1, 5.0)
    await valkey.kill()
    with pytest.raises(LedgerUnavailable):
        await overdue(ledger, SHARDS, by=0.0)
    await valkey.restart()
    await ledger.client.connection_pool.disconnect()
    assert await overdue(ledger, SHARDS, by=0.0) == [1]
