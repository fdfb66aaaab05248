"""What a process remembers of its own encoding is what it would have read."""

from __future__ import annotations

import pytest

from careline.ledger.items import Remembered, read_items
from careline.runtime.kafka import Record
from schemas.identity import shard_of
from schemas.topics import MENTIONS_TRIAGED
from schemas.triage import TRIAGED, MentionTriaged
from tests.support.stories import a_delete, a_mention, a_triage, an_edit, an_own_post

PARTITIONS = 16
BODIES = (
    MentionTriaged(heard=a_mention(text="where is my parcel? \u00e9"), triage=a_triage()),
    MentionTriaged(heard=an_edit(a_mention()), triage=a_triage()),
    MentionTriaged(heard=a_delete(a_mention())),
    MentionTriaged(heard=an_own_post(a_mention())),
)


def a_record(raw: bytes, shard: int) -> Record:
    return Record(
        topic=MENTIONS_TRIAGED.name,
        partition=shard,
        offset=3,
        key=b"k",
        value=raw,
        headers=(("ce_sourceoffset", b"3"),),
        timestamp_ms=0,
    )


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("body", BODIES)
def test_an_item_is_the_same_whether_its_body_was_kept_or_read(
    body: MentionTriaged,
    kept: bool,  # noqa: FBT001
) -> None:
    raw = body.model_dump_json().encode()
    shard = shard_of(body.heard.conversation.key, PARTITIONS)
    remembered = Remembered()
    if kept:
        remembered.keep(raw, body)
    record = a_record(raw, shard)
    (item,) = read_items(
        record.topic, shard, [record], partitions=PARTITIONS, remembered=remembered
    )
    assert item.body == body == TRIAGED.validate_json(raw)
    assert (item.body is body) is kept
    assert item.cause is not None
    assert item.source_offset == 3
    assert remembered.take(raw) is None


def kept(remembered: Remembered, numbers: range) -> list[int]:
    return [number for number in numbers if remembered.take(b"%d" % number) is not None]


def test_what_is_remembered_is_bounded_and_what_comes_next_stays() -> None:
    remembered = Remembered()
    for number in range(5000):
        remembered.keep(b"%d" % number, BODIES[0])
    assert kept(remembered, range(5000)) == list(range(4096))


def test_what_nobody_asks_for_gives_way_in_the_end() -> None:
    remembered = Remembered()
    for number in range(10_000):
        remembered.keep(b"%d" % number, BODIES[0])
    assert kept(remembered, range(10_000)) == list(range(8193, 10_000))


def test_a_remembered_body_of_another_shard_is_not_applied() -> None:
    body, remembered = BODIES[0], Remembered()
    raw = body.model_dump_json().encode()
    remembered.keep(raw, body)
    wrong = (shard_of(body.heard.conversation.key, PARTITIONS) + 1) % PARTITIONS
    record = a_record(raw, wrong)
    (item,) = read_items(
        record.topic, wrong, [record], partitions=PARTITIONS, remembered=remembered
    )
    assert (item.body, item.unreadable) == (None, "wrong_partition")
