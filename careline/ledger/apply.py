"""Records and deadlines become changes of cases: the only place beside recovery that commits.

Promises: a record is decided on the ledger's own state and time, committed in one step with its
place in the input, and told by its cause id when it comes again. A conflict is read and decided
anew. An error answer is an unknown outcome: read again, decide again; a record that fails alone is
quarantined, so that it ends in front of a person and holds up nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from careline.domain.policy import Policy
from careline.ledger.batch import Batch
from careline.ledger.deadlines import fire_due
from careline.ledger.fence import Fenced, InputGap, LedgerUnavailable, ScriptFailed
from careline.ledger.items import Item, Remembered, read_items
from careline.ledger.scripts import Reply
from careline.ledger.snapshot import Snapshot, snapshot_of
from careline.ledger.store import Ledger
from careline.runtime.kafka import Record
from schemas.commands import Command
from schemas.envelope import Packed
from schemas.topics import MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import MentionTriaged

_ROUNDS: Final = 50
_TRIES: Final = 2

Forward = Callable[[int, Command, Packed], Awaitable[None]]
"""Sends a command on to its own partition; done only when acked."""
Missed = Callable[[int, int, int], Awaitable[Sequence[Record]]]
"""Triages the received offsets (shard, first, last) on the spot; returns triaged records."""

_log = structlog.get_logger(__name__)


class Reports(Protocol):
    """Puts what nobody can read in front of a person (`careline.ledger.quarantine`)."""

    async def report(
        self, *, source: str, position: str, value: bytes, reason: str, handler: str
    ) -> None:
        """Return when nothing of it can be lost any more."""
        ...


@dataclass(slots=True, kw_only=True)
class Applied:
    """What became of the batches."""

    outbox: set[int] = field(default_factory=set)
    """Shards whose outbox has something to send."""
    done: int = 0
    repeats: int = 0
    conflicts: int = 0
    quarantined: int = 0


class Applier:
    """Decides and commits; one for each worker."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        policy: Policy,
        quarantine: Reports,
        forward: Forward,
        missed: Missed | None = None,
        remembered: Remembered | None = None,
    ) -> None:
        """Without ``missed``, records that triage passed over raise `InputGap`."""
        self._remembered = remembered
        self.ledger = ledger
        self.policy = policy
        self.quarantine = quarantine
        self._forward = forward
        self._missed = missed

    async def apply(self, topic: str, batches: Mapping[int, Sequence[Record]]) -> Applied:
        """Apply records of a topic, in order within each shard; return what became of them.

        One shard's failure does not keep the others' records out; it is raised at the end, and the
        whole batch may be applied again: what was done is told by its cause ids.

        Raises:
            Fenced: a shard must be recovered.
            InputGap: a shard must replay from ``expected``.
            LedgerUnavailable: the outcome is unknown; apply the same batch again.
        """
        return await self.apply_under("", topic, batches)

    async def apply_under(
        self,
        epoch: str,
        topic: str,
        batches: Mapping[int, Sequence[Record]],
        *,
        settled_up_to: int = -1,
    ) -> Applied:
        """Do the same under a given epoch, such as a recovery's own (see `Decider`)."""
        applied = Applied()
        work: dict[int, Batch] = {}
        for shard, records in batches.items():
            if records:
                items = read_items(
                    topic,
                    shard,
                    records,
                    partitions=self.ledger.partitions,
                    remembered=self._remembered,
                )
                work[shard] = Batch(
                    topic=topic,
                    shard=shard,
                    items=items,
                    epoch=epoch,
                    settled_up_to=settled_up_to,
                )
        await self._send_elsewhere([item for batch in work.values() for item in batch.items])
        await self._set_aside(work.values(), applied)
        failures = await self._settle(work, applied)
        for failure in failures.values():
            raise failure
        return applied

    async def fire_due(self, shard: int, limit: int = 100) -> int:
        """Fire the deadlines of a shard that are due, urgent first, one step a case; count them."""
        return await fire_due(self.ledger, self.policy, shard, limit)

    async def _settle(
        self, work: dict[int, Batch], applied: Applied
    ) -> dict[int, Fenced | InputGap]:
        """Read, decide and commit until nothing is left; return the shards that cannot go on."""
        failures: dict[int, Fenced | InputGap] = {}
        for _ in range(_ROUNDS):
            if not work:
                return failures
            snapshots = await self._read(work, failures)
            snapshots = await self._with_missed(work, snapshots)
            calls = {
                shard: work[shard].call(snapshot, self.policy)
                for shard, snapshot in snapshots.items()
            }
            await self._set_aside((work[shard] for shard in calls), applied)
            replies = await self.ledger.scripts.run_many(
                "commit", {shard: call.args() for shard, call in calls.items()}
            )
            for shard, reply in replies.items():
                batch = work[shard]
                if isinstance(reply, ScriptFailed):
                    batch.failures += 1
                    if batch.failures >= _TRIES:
                        del work[shard]
                        failures |= await self._alone(batch, applied)
                elif (failure := _failure(batch, snapshots[shard], reply)) is not None:
                    del work[shard]
                    failures[shard] = failure
                elif self._accepted(batch, reply, applied):
                    del work[shard]
        raise LedgerUnavailable(f"shards {sorted(work)} were changed by others again and again")

    async def _read(
        self, work: dict[int, Batch], failures: dict[int, Fenced | InputGap]
    ) -> dict[int, Snapshot]:
        wanted = {shard: batch.wanted() for shard, batch in work.items()}
        replies = await self.ledger.scripts.run_many(
            "read", {shard: found.args(work[shard].epoch) for shard, found in wanted.items()}
        )
        snapshots: dict[int, Snapshot] = {}
        for shard, reply in replies.items():
            if isinstance(reply, ScriptFailed):
                raise reply
            if reply[0] == b"fenced":
                failures[shard] = Fenced(shard, reply[1].decode())
                del work[shard]
            else:
                snapshots[shard] = snapshot_of(wanted[shard], reply[1:])
        return snapshots

    async def _with_missed(
        self, work: dict[int, Batch], snapshots: dict[int, Snapshot]
    ) -> dict[int, Snapshot]:
        """Return the snapshots that can be decided now; others got records that triage skipped."""
        ready: dict[int, Snapshot] = {}
        for shard, snapshot in snapshots.items():
            batch = work[shard]
            gap = batch.missed(snapshot) if batch.topic == MENTIONS_TRIAGED.name else None
            if gap is None:
                ready[shard] = snapshot
                continue
            if self._missed is None:
                raise InputGap(shard, MENTIONS_RECEIVED.name, gap[0])
            _log.warning("triage passed records over", shard=shard, first=gap[0], last=gap[1])
            records = await self._missed(shard, *gap)
            found = read_items(batch.topic, shard, records, partitions=self.ledger.partitions)
            if found:
                batch.insert_missed(found)
            elif gap[0] == 0:
                batch.begins_behind(gap[1])
            else:
                raise InputGap(shard, MENTIONS_RECEIVED.name, gap[0])
        return ready

    def _accepted(self, batch: Batch, reply: Reply, applied: Applied) -> bool:
        letters = reply[1].decode()
        if reply[2] > 0:
            applied.outbox.add(batch.shard)
        applied.conflicts += letters.count("c")
        finished = batch.settle(letters)
        if finished:
            applied.done += batch.done
            applied.repeats += batch.repeats
        return finished

    async def _alone(self, batch: Batch, applied: Applied) -> dict[int, Fenced | InputGap]:
        """Apply record by record; one that the ledger refuses even alone is quarantined."""
        if len(batch.items) > 1:
            for single in batch.singles():
                failed = await self._settle({batch.shard: single}, applied)
                if failed:
                    return failed
            return {}
        item = batch.items[0]
        if item.unreadable:
            raise LedgerUnavailable(f"shard {batch.shard} takes nothing at all")
        item.unreadable, item.body, item.cause = "ledger_refused", None, None
        await self._set_aside([batch], applied)
        item.unreadable = "set_aside"
        batch.failures = 0
        return await self._settle({batch.shard: batch}, applied)

    async def _set_aside(self, batches: Iterable[Batch], applied: Applied) -> None:
        """Put unreadable records in front of a person before anything moves past them."""
        found = [
            (batch, item)
            for batch in batches
            for item in batch.items
            if item.unreadable and not item.done
        ]
        if not found:
            return
        await asyncio.gather(
            *(
                self.quarantine.report(
                    source=item.record.topic,
                    position=f"{item.record.partition}:{item.record.offset}",
                    value=item.record.value or b"",
                    reason=item.unreadable,
                    handler="ledger.apply",
                )
                for _, item in found
            )
        )
        for _, item in found:
            item.done = True
        applied.quarantined += len(found)

    async def _send_elsewhere(self, items: Sequence[Item]) -> None:
        for item in items:
            if item.elsewhere is None or isinstance(item.body, MentionTriaged | None):
                continue
            record = item.record
            packed = Packed(
                key=record.key or b"", value=record.value or b"", headers=list(record.headers)
            )
            await self._forward(item.elsewhere, item.body, packed)
            item.done = True


def _failure(batch: Batch, snapshot: Snapshot, reply: Reply) -> Fenced | InputGap | None:
    match reply[0]:
        case b"fenced":
            return Fenced(batch.shard, reply[1].decode())
        case b"gap":
            return InputGap(batch.shard, reply[1].decode(), int(reply[2]))
        case b"hole":
            return batch.gap(snapshot)
        case _:
            return None
