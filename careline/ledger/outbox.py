"""An event on its way through the log: as a record of its epoch, and what its readers may believe.

Promises: each record is stamped with the epoch that its outbox was read under, so that readers can
drop what a stale sender sent behind a newer `EpochStarted`. Sending: `careline.ledger.outboxes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import orjson

from schemas.envelope import TYPE_PREFIX, Headers, Packed, header
from schemas.events import EpochStarted

SOURCE: Final = "careline/ledger"
PARTS: Final = "parts"
_EPOCH_TYPE: Final = f"{TYPE_PREFIX}{EpochStarted.model_fields['type'].default}.v1"


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
        if named is None or not named.removeprefix("-").isdecimal():
            self.current = max(self.current, offset) if started else self.current
            return True
        epoch = int(named)
        # A sender can only name an epoch that has begun: one is known by its records too.
        if epoch < self.current:
            return False
        self.current = offset if started else epoch
        return True
