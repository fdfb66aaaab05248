"""What a person has had skipped, because no broker could serve it any more.

Promises: an offset is passed over if a dead letter of the reason ``skipped`` names it, and for no
other cause: Kafka has acknowledged that letter, so every reader, in whatever life, comes to the
same end. The letters of a partition stand in the same partition of the letters' topic; each is read
once. Only the inputs can be skipped: the log of record is what the ledger is made from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

from careline.runtime.records import Record
from schemas.topics import CASES_COMMANDS, DEAD_LETTERS, MENTIONS_RECEIVED, MENTIONS_TRIAGED

SKIPPED: Final = "skipped"
"""The reason of a dead letter that lets readers pass over an offset."""
SKIPPABLE: Final = (MENTIONS_RECEIVED.name, MENTIONS_TRIAGED.name, CASES_COMMANDS.name)


class _Letters(Protocol):
    """Reads the topic of dead letters (`careline.runtime.kafka.LogReader`)."""

    async def beginning(self, topic: str, partition: int) -> int: ...
    async def end(self, topic: str, partition: int) -> int: ...
    def read(
        self, topic: str, partition: int, start: int, end: int
    ) -> AsyncIterator[list[Record]]: ...


class Skips:
    """The offsets that readers may pass over; looked up only where something cannot be read."""

    def __init__(self, letters: _Letters) -> None:
        """Read through a started reader."""
        self._letters = letters
        self._found: dict[tuple[str, int], set[int]] = {}
        self._next: dict[int, int] = {}

    async def run(self, topic: str, partition: int, start: int) -> range:
        """Return the offsets from ``start`` on that were skipped, without a hole; maybe none.

        Raises ``Unavailable``: nobody knows; ask again.
        """
        known = await self.known(topic, partition)
        end = start
        while end in known:
            end += 1
        return range(start, end)

    async def known(self, topic: str, partition: int) -> AbstractSet[int]:
        """Return every offset of a partition that was skipped. Raises ``Unavailable``."""
        if topic not in SKIPPABLE:
            return frozenset()
        await self._look(partition)
        return self._found.get((topic, partition), frozenset())

    async def _look(self, partition: int) -> None:
        """Read the letters that came since the last look."""
        start = self._next.get(partition)
        if start is None:
            start = await self._letters.beginning(DEAD_LETTERS.name, partition)
        end = await self._letters.end(DEAD_LETTERS.name, partition)
        async for batch in self._letters.read(DEAD_LETTERS.name, partition, start, end):
            for record in batch:
                self._note(record)
                self._next[partition] = record.offset + 1

    def _note(self, record: Record) -> None:
        facts = dict(record.headers)
        if facts.get("reason") != SKIPPED.encode():
            return
        # The mark that a letter was redriven names no offset.
        partition, offset = facts.get("partition", b""), facts.get("offset", b"")
        if partition.isdigit() and offset.isdigit():
            place = (facts.get("topic", b"").decode(), int(partition))
            self._found.setdefault(place, set()).add(int(offset))
