"""A shard made anew from Kafka, from nothing; and its outbox sent, so that no worker is needed.

Promises: from the first step on every worker is refused until the shard is whole again; what stood
in the outbox goes into the log before anything is thrown away; a rebuild that is killed is followed
by an ordinary recovery. Not in Kafka, and so not rebuilt: which attempts of effects were made (each
counts as attempted, outcome unknown) and words older than the mention topics.
"""

from __future__ import annotations

import uuid

import structlog

from careline.ledger.apply import Applier
from careline.ledger.fence import Fence
from careline.ledger.outboxes import BATCH, drain, packed_entries
from careline.ledger.recovery import recover, set_epoch
from careline.ledger.store import Ledger
from careline.runtime.kafka import LogReader, Producer
from schemas.topics import CASES_EVENTS

_log = structlog.get_logger(__name__)


async def rebuild(
    ledger: Ledger, shard: int, *, producer: Producer, reader: LogReader, applier: Applier
) -> Fence:
    """Throw a shard away and make it anew; return the fence that stands then.

    Raises:
        Fenced: somebody else recovers it now; look again.
        InputLost: the log or an input lacks records; nothing was thrown away of what they held.
        Unavailable: Kafka, or LedgerUnavailable: Redis; call again.
    """
    seen = await ledger.fence(shard)
    epoch = await set_epoch(ledger, shard, seen.value, f"recovering:{uuid.uuid4().hex}")
    if seen.n is not None:
        await _send_the_rest(ledger, producer, shard, epoch, seen.n)
    await ledger.script("wipe", shard, epoch)
    _log.info("shard emptied", shard=shard)
    fence = await recover(ledger, shard, producer=producer, reader=reader, applier=applier)
    await drain(ledger, producer, shard, fence)
    return fence


async def _send_the_rest(
    ledger: Ledger, producer: Producer, shard: int, epoch: str, n: int
) -> None:
    """Send what the outbox holds, still as records of the epoch that wrote it."""
    while True:
        _, entries = await ledger.script("outbox", shard, epoch, BATCH)
        if not entries:
            return
        await producer.send_batch(CASES_EVENTS.name, shard, packed_entries(entries, epoch=n))
        await ledger.script("drop_sent", shard, epoch, entries[-1][0])
