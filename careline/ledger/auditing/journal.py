"""What the inputs say, read once: which records wait for a proof that somebody dealt with them.

Promises: each partition is read in order and from where the last proof ended, never twice while
this process lives; what waits is kept with its bytes, so that it can be asked for again; the amount
that is held is bounded, and reading goes on when proofs come in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from careline.runtime.kafka import LogReader, Record, RecordsGone
from schemas.envelope import Unreadable, header, unpack
from schemas.mentions import MentionEdited, MentionReceived
from schemas.packing import heard_id
from schemas.topics import CASES_COMMANDS, DEAD_LETTERS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import TRIAGED, RecordSkipped

_AT_ONCE: Final = 5_000
"""Records of a partition that may wait for their proof."""
_LETTERS_KEPT: Final = 200_000
_INPUTS: Final = frozenset({MENTIONS_RECEIVED.name, MENTIONS_TRIAGED.name, CASES_COMMANDS.name})

Place = tuple[str, str]
"""Topic and ``partition:offset`` of a record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A mention that triage calls a query, with its triaged record."""

    mention_id: str
    cause_id: str
    line: str
    conversation: str
    record: Record


@dataclass(slots=True)
class Partition:
    """What one partition's inputs say."""

    received_at: int | None = None
    """The next offset of ``mentions.received`` to be read."""
    triaged_at: int | None = None
    received: dict[int, Record] = field(default_factory=dict)
    """Received records without a triaged one, by offset."""
    queries: dict[int, Query] = field(default_factory=dict)
    """Queries that no obligation was found for yet, by offset of their triaged record."""
    skipped: dict[int, Place] = field(default_factory=dict)
    """Records that were set aside without a dead letter, by offset of what stands for them."""
    triaged_to_the_end: bool = False
    _sources: set[int] = field(default_factory=set)
    _ids: dict[str, int] = field(default_factory=dict)

    def take_received(self, record: Record) -> None:
        """Note a received record, unless its triaged one was read already."""
        self.received_at = record.offset + 1
        if record.offset in self._sources:
            self._sources.discard(record.offset)
            return
        self.received[record.offset] = record
        if (event_id := header(record.headers, "id")) is not None:
            self._ids[event_id] = record.offset

    def take_triaged(self, record: Record) -> None:
        """Note what a triaged record stands for, and whether it is a query."""
        self.triaged_at = record.offset + 1
        source = header(record.headers, "sourceoffset")
        if source is not None and source.isdecimal():
            self._stands_for(int(source))
        # A record that was asked for again has another offset and the same id.
        if (offset := self._ids.get(heard_id(record.headers))) is not None:
            self._stands_for(offset)
        try:
            body = unpack(TRIAGED, record.value)
        except Unreadable:
            return  # the cases' agent makes a dead letter of it
        if isinstance(body, RecordSkipped):
            self.skipped[record.offset] = (body.topic, f"{body.partition}:{body.offset}")
            return
        heard = body.heard
        is_query = body.triage is None or body.triage.query
        if is_query and isinstance(heard, (MentionReceived, MentionEdited)):
            self.queries[record.offset] = Query(
                mention_id=heard.mention_id,
                cause_id=heard.event_id,
                line=heard.line,
                conversation=heard.conversation.key,
                record=record,
            )

    def proved(self, offset: int) -> None:
        """Take over that a received record was dealt with."""
        record = self.received.pop(offset, None)
        if record is not None and (event_id := header(record.headers, "id")) is not None:
            self._ids.pop(event_id, None)

    def _stands_for(self, offset: int) -> None:
        if offset in self.received:
            self.proved(offset)
        elif self.received_at is None or offset >= self.received_at:
            self._sources.add(offset)

    @property
    def bookmark(self) -> tuple[int | None, int | None]:
        """Where to go on after a restart: before whatever is still to be proved."""
        received = min(self.received, default=self.received_at)
        triaged = min((*self.queries, *self.skipped), default=self.triaged_at)
        return received, triaged

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be read before something is proved."""
        waiting = len(self.queries) + len(self.skipped)
        return waiting >= _AT_ONCE or len(self._sources) >= _AT_ONCE


class Journal:
    """The inputs of all shards."""

    def __init__(
        self, reader: LogReader, partitions: int, bookmarks: Mapping[Place, int] | None = None
    ) -> None:
        """Go on from bookmarks (by topic and partition); without one from the beginning."""
        self._reader = reader
        marks = bookmarks or {}
        self.partitions = [
            Partition(
                marks.get((MENTIONS_RECEIVED.name, str(number))),
                marks.get((MENTIONS_TRIAGED.name, str(number))),
            )
            for number in range(partitions)
        ]
        self._letters: dict[Place, None] = {}
        self._letters_at: dict[int, int] = {}

    async def advance(self, committed: Mapping[tuple[str, int], int]) -> None:
        """Read what came; of the received records only what triage has acknowledged.

        Raises ``Unavailable``: what was read is kept.
        """
        received = await self._reader.ends(MENTIONS_RECEIVED.name, len(self.partitions))
        triaged = await self._reader.ends(MENTIONS_TRIAGED.name, len(self.partitions))
        letters = await self._reader.ends(DEAD_LETTERS.name, len(self.partitions))
        for number, partition in enumerate(self.partitions):
            acknowledged = committed.get((MENTIONS_RECEIVED.name, number), 0)
            await self._read_received(number, partition, received[number], acknowledged)
            await self._read_triaged(number, partition, triaged[number])
            await self._read_letters(number, letters[number])
        for number, partition in enumerate(self.partitions):
            self._match_letters(number, partition)

    def bookmarks(self) -> dict[Place, int]:
        """Return where to go on after a restart."""
        marks: dict[Place, int] = {}
        for number, partition in enumerate(self.partitions):
            received, triaged = partition.bookmark
            if received is not None:
                marks[MENTIONS_RECEIVED.name, str(number)] = received
            if triaged is not None:
                marks[MENTIONS_TRIAGED.name, str(number)] = triaged
        return marks

    def _match_letters(self, number: int, partition: Partition) -> None:
        """Take over what was put aside: its bytes are kept, and a person is told."""
        for offset, place in list(partition.skipped.items()):
            if place in self._letters:
                del partition.skipped[offset]
        for offset in list(partition.received):
            if (MENTIONS_RECEIVED.name, f"{number}:{offset}") in self._letters:
                partition.proved(offset)

    async def _read_received(
        self, number: int, partition: Partition, end: int, acknowledged: int
    ) -> None:
        start = await self._start(MENTIONS_RECEIVED.name, number, partition.received_at, end)
        partition.received_at = start
        room = max(_AT_ONCE - len(partition.received), 0)
        upto = min(end, acknowledged, start + room)
        async for record in self._records(MENTIONS_RECEIVED.name, number, start, upto):
            partition.take_received(record)

    async def _read_triaged(self, number: int, partition: Partition, end: int) -> None:
        start = await self._start(MENTIONS_TRIAGED.name, number, partition.triaged_at, end)
        partition.triaged_at = start
        upto = start if partition.is_full else min(end, start + _AT_ONCE)
        async for record in self._records(MENTIONS_TRIAGED.name, number, start, upto):
            partition.take_triaged(record)
        partition.triaged_to_the_end = partition.triaged_at >= end

    async def _read_letters(self, number: int, end: int) -> None:
        start = await self._start(DEAD_LETTERS.name, number, self._letters_at.get(number), end)
        self._letters_at[number] = start
        async for record in self._records(DEAD_LETTERS.name, number, start, end):
            self._letters_at[number] = record.offset + 1
            facts = dict(record.headers)
            topic = facts.get("topic", b"").decode("utf-8", "replace")
            if topic in _INPUTS:
                self._letters[topic, facts.get("position", b"").decode("utf-8", "replace")] = None
        while len(self._letters) > _LETTERS_KEPT:
            del self._letters[next(iter(self._letters))]

    async def _start(self, topic: str, number: int, known: int | None, end: int) -> int:
        """Return where to read on; a bookmark past the end is that of another cluster."""
        if known is not None and known <= end:
            return known
        return await self._reader.beginning(topic, number)

    async def _records(
        self, topic: str, number: int, start: int, end: int
    ) -> AsyncIterator[Record]:
        if start >= end:
            return
        try:
            async for batch in self._reader.read(topic, number, start, end):
                for record in batch:
                    yield record
        except RecordsGone:
            # Retention took them: what is older than the topic keeps is beyond proof.
            begin = await self._reader.beginning(topic, number)
            if begin <= start:
                raise
            partition = self.partitions[number]
            if topic == MENTIONS_RECEIVED.name:
                partition.received_at = begin
            elif topic == MENTIONS_TRIAGED.name:
                partition.triaged_at = begin
            else:
                self._letters_at[number] = begin
