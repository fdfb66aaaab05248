"""Which shards have a due entry that its owner left lying; asked by the workers that own others.

Promise: a look, no more: by the ledger's own clock, one small question a shard, nothing is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from careline.ledger.store import Ledger, key

_MS: Final = 1000


async def overdue(ledger: Ledger, shards: Iterable[int], *, by: float) -> list[int]:
    """Return those of the shards with an entry that has been due for more than `by` seconds."""
    asked = sorted(shards)
    if not asked:
        return []
    seconds, _ = await ledger.asked(ledger.client.time())
    limit = (int(seconds) - by) * _MS
    found = await asyncio.gather(
        *(
            ledger.asked(
                ledger.client.zrangebyscore(key(shard, "due"), "-inf", limit, start=0, num=1)
            )
            for shard in asked
        )
    )
    return [shard for shard, entries in zip(asked, found, strict=True) if entries]
