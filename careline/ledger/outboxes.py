"""The outboxes of several shards, sent in one go: three round trips, however many shards.

Promises, for each shard by itself: the oldest entry goes first and none is passed over; each record
is stamped with the epoch it was read under; an entry leaves only after its acknowledgement and
under the same fence. Two senders can only repeat. One shard's failure is its answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from careline.ledger.fence import Fence, Fenced, ScriptFailed
from careline.ledger.outbox import packed_event
from careline.ledger.scripts import Arg, Reply
from careline.ledger.store import Ledger, unfenced
from careline.runtime.kafka import Producer, Unavailable
from schemas.envelope import Packed
from schemas.topics import CASES_EVENTS

BATCH: Final = 500

Sent = int | Fenced | ScriptFailed | Unavailable
"""How many events went, or why none is known to have gone."""
Entry = tuple[bytes, list[bytes]]


async def drain(ledger: Ledger, producer: Producer, shard: int, fence: Fence) -> int:
    """Send all that stands in a shard's outbox; return how many events were sent.

    Raises:
        Fenced: the fence does not stand any more; nothing was trimmed since.
        Unavailable: Kafka did not acknowledge; the entries stay and are sent again.
    """
    if not fence.healthy:
        raise Fenced(shard, fence.value)
    sent = 0
    while True:
        result = (await drain_once(ledger, producer, {shard: fence}))[shard]
        if not isinstance(result, int):
            raise result
        sent += result
        if result < BATCH:
            return sent


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
    answers = await _send_all(producer, full, fences)
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


def packed_entries(entries: Sequence[Entry], *, epoch: int) -> list[Packed]:
    """Return the records of an outbox's entries."""
    return [packed_event(fields[1], epoch=epoch, parts=int(fields[3])) for _, fields in entries]


async def _send_all(
    producer: Producer, full: Mapping[int, Sequence[Entry]], fences: Mapping[int, Fence]
) -> list[int | Unavailable]:
    sends = [_send(producer, shard, entries, fences[shard]) for shard, entries in full.items()]
    if len(sends) <= 1:  # needs no task, nor an event loop: a simulation has its own
        return [await one for one in sends]
    return list(await asyncio.gather(*sends))


async def _send(
    producer: Producer, shard: int, entries: Sequence[Entry], fence: Fence
) -> int | Unavailable:
    try:
        return await producer.send_batch(
            CASES_EVENTS.name, shard, packed_entries(entries, epoch=fence.n or 0)
        )
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
