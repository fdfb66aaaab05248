"""From the outbox to the log: events leave the ledger in their order and only when they are acked.

Promises: the oldest entry goes first and none is passed over; each record is stamped with the
epoch it was read under, so that readers can drop what a stale sender sent behind a newer
`EpochStarted`; an entry leaves only after its acknowledgement and under the same fence. Two senders
can only repeat.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from careline.ledger.fence import Fence, Fenced
from careline.ledger.store import Ledger
from careline.runtime.kafka import Producer
from schemas.envelope import TYPE_PREFIX, Headers, Packed, header
from schemas.events import EpochStarted
from schemas.topics import CASES_EVENTS

SOURCE: Final = "careline/ledger"
PARTS: Final = "parts"
_BATCH: Final = 500
_EPOCH_TYPE: Final = f"{TYPE_PREFIX}{EpochStarted.model_fields['type'].default}.v1"


async def drain(ledger: Ledger, producer: Producer, shard: int, fence: Fence) -> int:
    """Send what stands in a shard's outbox; return how many events were sent.

    Raises:
        Fenced: the fence does not stand any more; nothing was trimmed since.
        Unavailable: Kafka did not acknowledge; the entries stay and are sent again.
    """
    if not fence.healthy:
        raise Fenced(shard, fence.value)
    sent = 0
    while True:
        _, entries = await ledger.script("outbox", shard, fence.value, _BATCH)
        if not entries:
            return sent
        packed = [
            packed_event(fields[1], epoch=fence.n or 0, parts=int(fields[3]))
            for _, fields in entries
        ]
        first = await producer.send_batch(CASES_EVENTS.name, shard, packed)
        last_id = entries[-1][0]
        await ledger.script("trim", shard, fence.value, last_id, first + len(packed) - 1)
        sent += len(packed)
        if len(entries) < _BATCH:
            return sent


def packed_event(body: bytes, *, epoch: int, parts: int) -> Packed:
    """Return the record of an event's stored body; equal to what `schemas.envelope.pack` makes.

    The body is not read into its model again: this runs once for every event. ``parts`` says how
    many events the cause has in all, so that a recovery can tell what was cut off.
    """
    facts = orjson.loads(body)
    case_id: str = facts["case_id"]
    return Packed(
        key=case_id.encode(),
        value=body,
        headers=[
            ("ce_id", facts["event_id"].encode()),
            ("ce_source", SOURCE.encode()),
            ("ce_type", f"{TYPE_PREFIX}{facts['type']}.v1".encode()),
            ("ce_subject", case_id.encode()),
            ("ce_time", facts["at"].encode()),
            ("content-type", b"application/json"),
            ("ce_specversion", b"1.0"),
            ("ce_epoch", b"%d" % epoch),
            (f"ce_{PARTS}", b"%d" % parts),
        ],
    )


class Epochs:
    """Tells a reader of ``cases.events.v1`` which records are void; one for each partition.

    Behind an `EpochStarted` (its offset is the epoch's number) a record of a lower epoch is void:
    a recovery has not read it, and what it says was decided anew. That holds for an `EpochStarted`
    too: it names the last offset that its recovery knew of, and one that lands so late that another
    recovery has begun since is void, or it would void the life of that other one.
    """

    def __init__(self, current: int = -1) -> None:
        """Begin with an epoch that is known already."""
        self.current = current

    def admits(self, offset: int, headers: Headers | Iterable[tuple[str, bytes]]) -> bool:
        """Return whether the record counts."""
        headers = tuple(headers)
        started = header(headers, "type") == _EPOCH_TYPE
        named = header(headers, "epoch")
        if named is None or not named.removeprefix("-").isdigit():
            self.current = max(self.current, offset) if started else self.current
            return True
        epoch = int(named)
        # A sender can only name an epoch that has begun: one is known by its records too.
        if epoch < self.current:
            return False
        self.current = offset if started else epoch
        return True
