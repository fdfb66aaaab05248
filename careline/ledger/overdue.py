"""Which shards have an entry that is due, or that its owner left lying: one look at many shards.

Promise: a look, no more: by the clock of each shard's own server, in one round trip, nothing is
changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from careline.ledger.fence import ScriptFailed
from careline.ledger.store import Ledger

_MS: Final = 1000


async def overdue(ledger: Ledger, shards: Iterable[int], *, by: float) -> list[int]:
    """Return those of the shards with an entry that has been due for at least `by` seconds."""
    asked = sorted(shards)
    if not asked:
        return []
    found = await ledger.scripts.run_many("overdue", dict.fromkeys(asked, (int(by * _MS),)))
    late: list[int] = []
    for shard in asked:
        reply = found[shard]
        if isinstance(reply, ScriptFailed):
            raise reply
        if reply[0]:
            late.append(shard)
    return late
