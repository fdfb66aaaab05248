"""Reading a shard's hashes page by page, as a server may give them."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from careline.ledger.store import Ledger, key
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.support.ledger import PARTITIONS

MANY = 2_000


class Repeating(Redis):
    """Gives every page but the first one twice, as a server may whose table shrinks meanwhile."""

    _given: int | None = None

    async def hscan(self, name: Any, cursor: int = 0, **options: Any) -> tuple[int, Any]:
        then, page = await super().hscan(name, cursor, **options)
        if cursor in {0, self._given}:
            return then, page
        self._given = cursor
        return cursor, page


async def test_a_case_that_the_server_gives_twice_is_yielded_once(valkey: EmbeddedValkey) -> None:
    client = Repeating.from_url(valkey.url)
    ledger = Ledger(client, partitions=PARTITIONS)
    try:
        await client.hset(key(0, "cases"), mapping={f"case {n}": f"{n}" for n in range(MANY)})
        given = [raw async for _, raw in ledger.stored(0, "cases")]
        assert len(given) > MANY
        once = [raw async for raw in ledger.raw_cases(0)]
        assert len(once) == MANY
        assert set(once) == set(given)
    finally:
        await client.aclose()
