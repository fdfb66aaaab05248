"""A page is published whole before the cursor moves; again, it makes only repeats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from careline.runtime.clock import FakeClock
from careline.runtime.kafka import Unavailable
from connectors.base import Garbage, Heard, Page, Where
from connectors.cursors import Cursors
from connectors.publisher import Publisher
from schemas.envelope import Packed, header, unpack
from schemas.identity import shard_of
from schemas.mentions import HEARD, TEXT_LIMIT_BYTES, AuthorRef, ConversationRef, MentionReceived

WHERE = Where(network="x", account="acme", source="mentions")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Keys:
    """Redis strings in memory; can be made to fail once."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.writes: list[str] = []
        self.fail_at: int | None = None

    async def get(self, name: str, /) -> Any:
        return self.kept.get(name)

    async def set(self, name: str, value: str, /) -> Any:
        self.writes.append(value)
        if self.fail_at == len(self.writes):
            raise ConnectionError("killed here")
        self.kept[name] = value


class Log:
    """A topic in memory that can refuse."""

    def __init__(self, *, refuse: int = 0) -> None:
        self.sent: list[tuple[int, Packed]] = []
        self.refuse = refuse

    async def send_batch(self, topic: str, partition: int, packed: Sequence[Packed]) -> int:
        assert topic == "mentions.received.v1"
        if self.refuse:
            self.refuse -= 1
            raise Unavailable("no acknowledgement")
        self.sent += [(partition, one) for one in packed]
        return 0

    @property
    def ids(self) -> list[str]:
        return [header(one.headers, "id") or "" for _, one in self.sent]

    @property
    def heard(self) -> list[MentionReceived]:
        found = [unpack(HEARD, one.value) for _, one in self.sent]
        return [each for each in found if isinstance(each, MentionReceived)]


class Reports:
    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []

    async def report(self, **report: Any) -> None:
        self.made.append(report)


class Rig:
    def __init__(self) -> None:
        self.keys, self.log, self.reports = Keys(), Log(), Reports()
        self.clock = FakeClock(NOON)
        self.publisher = self.restarted()

    def restarted(self) -> Publisher:
        """Return a publisher as a new process would have it."""
        self.publisher = Publisher(
            self.log, Cursors(self.keys), self.reports, partitions=16, clock=self.clock
        )
        return self.publisher


def heard(number: int, text: str = "help", *, at: datetime = NOON) -> Heard:
    record = MentionReceived(
        account="acme",
        native_id=str(number),
        conversation=ConversationRef(network="x", root=str(number)),
        heard_at=at,
        author=AuthorRef(id="7"),
        text=text,
        created_at=NOON,
    )
    return Heard(record=record, position=number)


def page(*items: Heard, before: str = "0", garbage: tuple[Garbage, ...] = ()) -> Page:
    after = str(max((item.position for item in items), default=int(before)))
    return Page(heard=items, garbage=garbage, cursor_before=before, cursor_after=after)


async def test_records_go_to_the_partition_of_their_conversation_with_the_cursor_before() -> None:
    rig = Rig()
    await rig.publisher.publish(WHERE, page(heard(1), heard(2), heard(3), before="0"))
    for partition, one in rig.log.sent:
        assert partition == shard_of((one.key).decode(), 16)
        assert header(one.headers, "cursor") == "0"
        assert header(one.headers, "type") == "com.careline.mention.received.v1"
        assert header(one.headers, "source") == "/connectors/x:acme:mentions"
    assert json.loads(rig.keys.kept["cursor:x:acme:mentions"])["cursor"] == "3"


async def test_the_cursor_stays_while_one_record_is_not_acknowledged() -> None:
    rig = Rig()
    rig.log.refuse = 1
    items = [heard(number) for number in range(1, 20)]
    with pytest.raises(Unavailable):
        await rig.publisher.publish(WHERE, page(*items))
    assert json.loads(rig.keys.kept["cursor:x:acme:mentions"])["cursor"] == "0"
    await rig.publisher.publish(WHERE, page(*items))
    assert set(rig.log.ids) == {item.record.event_id for item in items}
    assert json.loads(rig.keys.kept["cursor:x:acme:mentions"])["cursor"] == "19"


async def test_killed_between_publish_and_cursor_the_same_events_and_instants_come_again() -> None:
    rig = Rig()
    rig.keys.fail_at = 2  # the first write notes the page, the second would move the cursor
    with pytest.raises(ConnectionError):
        await rig.publisher.publish(WHERE, page(heard(1), heard(2)))
    first = {record.event_id: record for record in rig.log.heard}
    later = NOON + timedelta(hours=1)
    rig.restarted()
    again = page(heard(1, at=later), heard(2, at=later), heard(3, at=later))
    await rig.publisher.publish(WHERE, again)
    second = {record.event_id: record for record in rig.log.heard[2:]}
    for event_id, record in first.items():
        assert second[event_id] == record, "heard_at is stamped once"
    assert second["x:acme:3:0"].heard_at == later


async def test_a_sweep_publishes_nothing_twice() -> None:
    rig = Rig()
    await rig.publisher.publish(WHERE, page(heard(1), heard(2)))
    done = await rig.publisher.publish(WHERE, page(heard(1), heard(2), heard(3), before="2"))
    assert (done.fresh, done.repeats) == (1, 2)
    assert sorted(rig.log.ids) == [f"x:acme:{n}:0" for n in (1, 2, 3)]


async def test_what_a_page_holds_twice_is_published_once() -> None:
    rig = Rig()
    await rig.publisher.publish(WHERE, page(heard(1), heard(1), heard(2), heard(2)))
    assert sorted(rig.log.ids) == ["x:acme:1:0", "x:acme:2:0"]


async def test_a_huge_text_is_cut_inside_no_character_and_says_so() -> None:
    rig = Rig()
    text = "\u20ac" * 400_000
    await rig.publisher.publish(WHERE, page(heard(1, text)))
    (record,) = rig.log.heard
    assert record.truncated
    assert record.text_bytes == 1_200_000
    assert record.text_sha256 is not None
    assert TEXT_LIMIT_BYTES - 3 < len(record.text.encode()) <= TEXT_LIMIT_BYTES
    assert set(record.text) == {"\u20ac"}


async def test_a_text_at_the_limit_is_left_alone() -> None:
    rig = Rig()
    await rig.publisher.publish(WHERE, page(heard(1, "a" * TEXT_LIMIT_BYTES)))
    (record,) = rig.log.heard
    assert not record.truncated
    assert record.text_bytes is None


async def test_garbage_is_reported_once_and_the_page_goes_on() -> None:
    rig = Rig()
    garbage = (Garbage(position="2", value=b"{}", reason="missing:text"),)
    first = await rig.publisher.publish(WHERE, page(heard(1), heard(3), garbage=garbage))
    second = await rig.publisher.publish(WHERE, page(before="3", garbage=garbage))
    assert (first.garbage, second.garbage) == (1, 0)
    (report,) = rig.reports.made
    assert report["position"] == "mentions:2"
    assert report["source"] == "x:acme"
    assert len(rig.log.sent) == 2


async def test_an_empty_page_writes_nothing() -> None:
    rig = Rig()
    await rig.publisher.publish(WHERE, page(before="5"))
    assert not rig.log.sent
    assert not rig.keys.writes
