"""An offset is passed over if a dead letter of the reason `skipped` names it, and for no other."""

from __future__ import annotations

from collections.abc import AsyncIterator

from careline.runtime.records import STAND_IN, Record, stand_ins
from careline.runtime.skips import Skips
from schemas.topics import CASES_EVENTS, DEAD_LETTERS, MENTIONS_RECEIVED

RECEIVED = MENTIONS_RECEIVED.name


class Letters:
    """One partition of dead letters, kept in memory; it counts what is read."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.read_so_far = 0

    def put(self, **facts: str) -> None:
        self.records.append(
            Record(
                topic=DEAD_LETTERS.name,
                partition=3,
                offset=len(self.records),
                key=None,
                value=b"",
                headers=tuple((name, value.encode()) for name, value in facts.items()),
                timestamp_ms=0,
            )
        )

    def skip(self, offset: int, *, topic: str = RECEIVED, reason: str = "skipped") -> None:
        self.put(reason=reason, topic=topic, partition="3", offset=str(offset))

    async def beginning(self, topic: str, partition: int) -> int:
        assert (topic, partition) == (DEAD_LETTERS.name, 3)
        return 0

    async def end(self, topic: str, partition: int) -> int:
        assert (topic, partition) == (DEAD_LETTERS.name, 3)
        return len(self.records)

    async def read(
        self, topic: str, partition: int, start: int, end: int
    ) -> AsyncIterator[list[Record]]:
        assert (topic, partition) == (DEAD_LETTERS.name, 3)
        for record in self.records[start:end]:
            self.read_so_far += 1
            yield [record]


async def test_a_run_of_skipped_offsets_ends_before_the_first_that_nobody_has_skipped() -> None:
    letters = Letters()
    for offset in (7, 9, 8, 11):
        letters.skip(offset)
    skips = Skips(letters)
    assert await skips.run(RECEIVED, 3, 7) == range(7, 10)
    assert await skips.run(RECEIVED, 3, 9) == range(9, 10)
    assert not await skips.run(RECEIVED, 3, 10)
    assert not await skips.run(RECEIVED, 3, 6)


async def test_a_letter_of_another_reason_topic_or_without_an_offset_skips_nothing() -> None:
    letters = Letters()
    letters.skip(7, reason="not_json")
    letters.skip(7, topic="mentions.triaged.v1")
    letters.put(reason="skipped", topic=RECEIVED, position="3:7")  # the mark of a redrive
    letters.skip(7, topic=CASES_EVENTS.name)
    skips = Skips(letters)
    assert not await skips.run(RECEIVED, 3, 7)
    assert not await skips.run(CASES_EVENTS.name, 3, 7), "cases are made from it"


async def test_letters_are_read_once_and_what_comes_later_is_seen() -> None:
    letters = Letters()
    letters.skip(1)
    skips = Skips(letters)
    assert await skips.known(RECEIVED, 3) == {1}
    letters.skip(2)
    assert await skips.known(RECEIVED, 3) == {1, 2}
    assert letters.read_so_far == 2


def test_nothing_that_stands_in_a_topic_is_taken_for_a_stand_in() -> None:
    (found,) = stand_ins(RECEIVED, 3, [7])
    assert (found.is_stand_in, found.offset, found.value) == (True, 7, None)
    forged = Record(
        topic=RECEIVED,
        partition=3,
        offset=8,
        key=None,
        value=None,
        headers=((STAND_IN[0], b"anything"),),
        timestamp_ms=0,
    )
    assert not forged.is_stand_in
