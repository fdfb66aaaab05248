"""From what was heard to what it means: one triaged record for each received one, in its order.

Promises: a record of `mentions.received.v1` becomes exactly one of `mentions.triaged.v1` in the
same partition, with its offset in the header ``sourceoffset``; what nobody can read becomes a dead
letter, an operations case and a `RecordSkipped` in its place; what a person had skipped is all that
already but the last. A triager that fails or hangs costs its mention the triage, never the mention:
it goes on as failed, which is treated as urgent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog

from careline.domain.policy import Vips
from careline.ledger.items import Remembered
from careline.runtime.helper import Helper, Raised
from careline.runtime.kafka import Producer, Record
from careline.runtime.skips import SKIPPED
from careline.triage.context import NO_CONTEXT, Context
from careline.triage.protocol import Judge
from schemas.envelope import Packed, Unreadable, pack, unpack
from schemas.identity import shard_of
from schemas.mentions import HEARD, HeardRecord, MentionEdited, MentionReceived
from schemas.packing import TRIAGED_SUFFIX, pack_triaged
from schemas.topics import MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import MentionTriaged, RecordSkipped, Triage, failed_triage
from streams.contacts import Contacts
from streams.retry import described, insist

HANDLER: Final = "triage"
SOURCE: Final = "/careline/triage"
LARGEST: Final = 900_000
"""Bytes of a received record; with its triage it must still fit into the topic."""
_HUNG_IN_A_BATCH: Final = 3
_TYPE: Final = "mention.triaged.v1"

_log = structlog.get_logger(__name__)


class Quarantine(Protocol):
    """Puts what nobody can read where a person finds it (`careline.ledger.quarantine`)."""

    async def report(
        self, *, source: str, position: str, value: bytes, reason: str, handler: str
    ) -> None:
        """Return when both the dead letter and the report are acknowledged."""
        ...


@dataclass(slots=True)
class _Reading:
    """A received record, read or not, on its way."""

    record: Record
    heard: HeardRecord | None = None
    reason: str = ""
    triage: Triage | None = None
    context: Context = NO_CONTEXT

    @property
    def text(self) -> str | None:
        """The words to judge; None where a customer said nothing."""
        heard = None if self.reason else self.heard
        return heard.text if isinstance(heard, (MentionReceived, MentionEdited)) else None


class TriageStage:
    """The work of the agent on `mentions.received.v1`, and of whoever finds that it skipped one."""

    def __init__(  # noqa: PLR0913 - what it stands on, and its bounds
        self,
        decision: Callable[[], Judge],
        producer: Producer,
        quarantine: Quarantine,
        *,
        partitions: int,
        budget: float,
        budget_each: float,
        vips: Vips,
    ) -> None:
        """Give triage `budget` seconds for a batch, then `budget_each` for each text.

        `decision` makes what judges, in a process of its own: so it can be pickled.
        """
        self.remembered = Remembered()
        """What was encoded a moment ago, for whoever reads it back."""
        self._producer = producer
        self._quarantine = quarantine
        self._partitions = partitions
        self._budget = budget
        self._budget_each = budget_each
        self._helper = Helper("triage", decision)
        self._contacts = Contacts(vips)

    @property
    def hung(self) -> int:
        """How often the triager had to be given up."""
        return self._helper.hung

    async def __call__(self, records: Sequence[Record]) -> None:
        """Return when the triaged records are acknowledged."""
        by_partition: dict[int, list[Packed]] = {}
        for record, packed in zip(records, await self.triaged(records), strict=True):
            by_partition.setdefault(record.partition, []).append(packed)
        await asyncio.gather(
            *(self._sent(partition, packed) for partition, packed in by_partition.items())
        )

    async def triaged(self, records: Sequence[Record]) -> list[Packed]:
        """Return the triaged record of each received one; what is unreadable is quarantined."""
        readings = [self._read(record) for record in records]
        await self._judge([each for each in readings if each.text is not None])
        # What was skipped is a dead letter already: it was one before anybody passed over it.
        await self._report([x for x in readings if x.reason and not x.record.is_stand_in])
        return [self._packed(each) for each in readings]

    async def refuse(self, record: Record, reason: str) -> None:
        """Put a record aside that cannot even be sent on; its place in the order is kept."""
        reading = _Reading(record, reason=reason)
        await self._report([reading])
        await self._sent(record.partition, [self._packed(reading)])

    async def start(self) -> None:
        """Have the triager ready; one that cannot be made is as one that fails each time."""
        try:
            await self._helper.start()
        except Exception as error:  # noqa: BLE001 - as in `_judge`
            _log.error("no triager", error=f"{described(error)}: {error}")

    async def close(self) -> None:
        """End the triager's process."""
        await self._helper.close()

    def _read(self, record: Record) -> _Reading:
        if record.is_stand_in:
            return _Reading(record, reason=SKIPPED)
        try:
            heard = unpack(HEARD, record.value)
            reason = self._fault(record, heard)
            context = NO_CONTEXT if reason else self._contacts.heard(heard)
            return _Reading(record, heard=heard, reason=reason, context=context)
        except Unreadable as error:
            return _Reading(record, reason=error.reason)
        except Exception as error:  # noqa: BLE001 - a record must not stop its neighbours
            _log.error("cannot read", offset=record.offset, error=described(error))
            return _Reading(record, reason=f"crashed:{type(error).__name__}")

    def _fault(self, record: Record, heard: HeardRecord) -> str:
        """Why a record that could be read cannot go on all the same; empty if it can."""
        if len(record.value or b"") > LARGEST:
            return "too_large"
        if shard_of(heard.conversation.key, self._partitions) != record.partition:
            return "wrong_partition"
        return ""

    def _packed(self, reading: _Reading) -> Packed:
        record, heard, triage = reading.record, reading.heard, reading.triage
        offset = {"sourceoffset": str(record.offset)}
        if heard is None or reading.reason:
            return _skipped(reading, offset)
        judged = b"null" if triage is None else triage.model_dump_json().encode()
        body = record.value or b""
        packed = pack_triaged(heard, body, judged, source=SOURCE, extensions=offset)
        self.remembered.keep(
            packed.value, MentionTriaged.model_construct(heard=heard, triage=triage)
        )
        return packed

    async def _judge(self, readings: Sequence[_Reading]) -> None:
        texts = [each.text or "" for each in readings]
        if not texts:
            return
        found: Sequence[object] = ()
        try:
            contexts = [each.context for each in readings]
            found = await self._helper.call("triage_batch", texts, contexts, within=self._budget)
        except Exception as error:  # noqa: BLE001 - whatever a triager does, no mention is lost
            _log.warning("triage of a batch failed", error=described(error), texts=len(texts))
        triages = [each for each in found if isinstance(each, Triage)]
        if len(triages) != len(texts):
            triages = await self._judge_each(readings)
        for reading, triage in zip(readings, triages, strict=True):
            reading.triage = triage

    async def _judge_each(self, readings: Sequence[_Reading]) -> list[Triage]:
        hung = 0
        triages = []
        for reading in readings:
            if hung >= _HUNG_IN_A_BATCH:
                triages.append(failed_triage("no time was left"))
                continue
            try:
                given = (reading.text, reading.context)
                triages.append(await self._helper.call("triage", *given, within=self._budget_each))
            except TimeoutError:
                hung += 1
                triages.append(failed_triage("it took too long"))
            except Exception as error:  # noqa: BLE001 - as above
                triages.append(failed_triage(_kind(error)))
        return triages

    async def _report(self, readings: Sequence[_Reading]) -> None:
        await asyncio.gather(*(self._report_one(each) for each in readings))

    async def _report_one(self, reading: _Reading) -> None:
        record = reading.record
        await insist(
            lambda: self._quarantine.report(
                source=MENTIONS_RECEIVED.name,
                position=f"{record.partition}:{record.offset}",
                value=record.value or b"",
                reason=reading.reason,
                handler=HANDLER,
            ),
            what="quarantine",
        )

    async def _sent(self, partition: int, packed: Sequence[Packed]) -> None:
        await insist(
            lambda: self._producer.send_batch(MENTIONS_TRIAGED.name, partition, packed),
            what=f"{MENTIONS_TRIAGED.name}[{partition}]",
        )


def _kind(error: Exception) -> str:
    """Name what happened, never in words that may quote the text."""
    return str(error) if isinstance(error, Raised) else type(error).__name__


def _skipped(reading: _Reading, extensions: dict[str, str]) -> Packed:
    record = reading.record
    where = f"{record.topic}/{record.partition}/{record.offset}"
    return pack(
        RecordSkipped(
            reason=reading.reason,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        ),
        type=_TYPE,
        id=f"{where}{TRIAGED_SUFFIX}",
        source=SOURCE,
        subject=where,
        # From the record, not from a clock: made again, it is the same.
        time=datetime.fromtimestamp(max(record.timestamp_ms, 0) / 1000, UTC),
        key=(record.key or b"").decode("utf-8", "replace"),
        extensions=extensions,
    )
