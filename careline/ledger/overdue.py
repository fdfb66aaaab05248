"""Which shards have an entry that is due, or that its owner left lying: one look at many shards.

Promise: a look, no more: by the ledger's own clock, in two round trips, nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from careline.ledger.store import Ledger, key

_MS: Final = 1000


async def overdue(ledger: Ledger, shards: Iterable[int], *, by: float) -> list[int]:
    """Return those of the shards with an entry that has been due for at least `by` seconds."""
    asked = sorted(shards)
    if not asked:
        return []
    seconds, microseconds = await ledger.asked(ledger.client.time())
    limit = (int(seconds) - by) * _MS + int(microseconds) / _MS
    pipeline = ledger.client.pipeline(transaction=False)
    for shard in asked:
        pipeline.zrangebyscore(key(shard, "due"), "-inf", limit, start=0, num=1)
    found = await ledger.asked(pipeline.execute())
    return [shard for shard, entries in zip(asked, found, strict=True) if entries]
