"""The outboxes of several shards, sent in one go: three round trips, however many shards.

Promises: those of `careline.ledger.outbox.drain` for each shard by itself: oldest first, nothing
passed over, trimmed only what was acknowledged, under the fence. One shard's failure is its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from careline.ledger.fence import Fence, Fenced, ScriptFailed
from careline.ledger.outbox import packed_event
from careline.ledger.scripts import Arg, Reply
from careline.ledger.store import Ledger, unfenced
from careline.runtime.kafka import Producer, Unavailable
from schemas.topics import CASES_EVENTS

BATCH: Final = 500

Sent = int | Fenced | ScriptFailed | Unavailable
"""How many events went, or why none is known to have gone."""


async def drain_once(
    ledger: Ledger, producer: Producer, fences: Mapping[int, Fence]
) -> dict[int, Sent]:
    """Send the oldest entries of each shard's outbox, at most `BATCH` each; say what became of it.

    Raises ``LedgerUnavailable``: nothing was trimmed that is not in the log; send again.
    """
    results: dict[int, Sent] = {}
    read = await _run(ledger, "outbox", {s: (f.value, BATCH) for s, f in fences.items()}, results)
    full = {shard: found[1] for shard, found in read.items() if found[1]}
    results |= dict.fromkeys(read.keys() - full.keys(), 0)
    answers = await asyncio.gather(
        *(_send(producer, shard, entries, fences[shard]) for shard, entries in full.items())
    )
    trims: dict[int, tuple[Arg, ...]] = {}
    for (shard, entries), first in zip(full.items(), answers, strict=True):
        if isinstance(first, Unavailable):
            results[shard] = first
        else:
            last = first + len(entries) - 1
            trims[shard] = (fences[shard].value, entries[-1][0], last)
    for shard in await _run(ledger, "trim", trims, results):
        results[shard] = len(full[shard])
    return results


async def _send(
    producer: Producer, shard: int, entries: list[tuple[bytes, list[bytes]]], fence: Fence
) -> int | Unavailable:
    packed = [
        packed_event(fields[1], epoch=fence.n or 0, parts=int(fields[3])) for _, fields in entries
    ]
    try:
        return await producer.send_batch(CASES_EVENTS.name, shard, packed)
    except Unavailable as error:
        return error


async def _run(
    ledger: Ledger,
    script: str,
    calls: Mapping[int, tuple[Arg, ...]],
    failed: dict[int, Sent],
) -> dict[int, Reply]:
    """Call a script on all the shards; what fails for one goes to `failed`."""
    good = {}
    if calls:
        for shard, reply in (await ledger.scripts.run_many(script, calls)).items():
            try:
                if isinstance(reply, ScriptFailed):
                    failed[shard] = reply
                else:
                    good[shard] = unfenced(shard, reply)
            except Fenced as error:
                failed[shard] = error
    return good
