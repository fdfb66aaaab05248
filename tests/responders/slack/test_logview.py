"""What is void is not read, what repeats is read once, what cannot be read stops nothing."""

from __future__ import annotations

from careline.runtime.kafka import Record
from responders.slack.logview import LogView
from schemas.base import Wire
from schemas.commands import POLICY
from schemas.envelope import pack
from schemas.events import CaseReleased, CommandRefused, EpochStarted, Refusal
from tests.responders.slack.builders import ANA, NOW

CASE = "s03-f43ccab9756d1ad8-1"


def released(version: int, case: str = CASE) -> CaseReleased:
    return CaseReleased(
        event_id=f"{case}:{version}",
        case_id=case,
        version=version,
        cause_id="c",
        cause_digest="d",
        index=0,
        at=NOW,
        actor=POLICY,
        reason="released",
    )


def refused(event_id: str) -> CommandRefused:
    return CommandRefused(
        event_id=event_id,
        case_id=CASE,
        cause_id="c",
        cause_digest="d",
        at=NOW,
        actor=ANA,
        command="claim",
        reason=Refusal.ALREADY_CLAIMED,
    )


def a_record(body: Wire, offset: int, *, epoch: int | None = None, partition: int = 3) -> Record:
    packed = pack(
        body,
        type="case.released.v1",
        id=str(offset),
        source="careline/test",
        subject=CASE,
        time=NOW,
        key=CASE,
        extensions={} if epoch is None else {"epoch": str(epoch)},
    )
    return Record(
        topic="cases.events.v1",
        partition=partition,
        offset=offset,
        key=packed.key,
        value=packed.value,
        headers=tuple(packed.headers),
        timestamp_ms=0,
    )


def test_behind_an_epoch_a_lower_one_is_void_in_its_partition_alone() -> None:
    view = LogView()
    started = EpochStarted(event_id="e", shard=3, token="t", at=NOW)
    assert view.read(a_record(released(1), 1, epoch=0)) is not None
    assert view.read(a_record(started, 5)) is None
    assert view.read(a_record(released(2), 6, epoch=0)) is None
    assert view.read(a_record(released(2), 7, epoch=5)) is not None
    other = released(1, "s04-f43ccab9756d1ad8-1")
    assert view.read(a_record(other, 1, epoch=0, partition=4)) is not None


def test_an_event_is_read_once() -> None:
    view = LogView()
    assert view.read(a_record(released(2), 1)) is not None
    assert view.read(a_record(released(2), 2)) is None
    assert view.read(a_record(released(1), 3)) is None
    assert view.read(a_record(released(3), 4)) is not None
    assert view.read(a_record(refused("r"), 5)) is not None
    assert view.read(a_record(refused("r"), 6)) is None


def test_what_cannot_be_read_is_passed_over() -> None:
    view = LogView()
    good = a_record(released(1), 2)
    for value in (None, b"", b"\xff\xfe", b"{}", b'{"type":"case.unheard_of"}'):
        bad = Record(
            topic=good.topic,
            partition=3,
            offset=1,
            key=None,
            value=value,
            headers=(),
            timestamp_ms=0,
        )
        assert view.read(bad) is None
    assert view.read(good) is not None


def test_it_remembers_no_more_than_it_was_told_to() -> None:
    view = LogView(remembered=2)
    for number in range(5):
        case = f"s03-{number:016x}-1"
        assert view.read(a_record(released(1, case), number)) is not None
    assert len(view._versions) == 2
