"""What the auditor reads of the inputs: a strange record waits for nobody and stops no reading."""

from __future__ import annotations

from careline.ledger.auditing.journal import Partition
from careline.runtime.kafka import Record
from schemas.envelope import Packed
from schemas.packing import pack_heard, pack_triaged
from schemas.topics import MENTIONS_RECEIVED, MENTIONS_TRIAGED
from tests.support.ledger import a_record
from tests.support.stories import a_mention


def a_triaged(packed: Packed, offset: int, **names: str) -> Record:
    headers = [(f"ce_{name}", text.encode()) for name, text in names.items()]
    record = Packed(key=packed.key, value=packed.value, headers=[*packed.headers, *headers])
    return a_record(MENTIONS_TRIAGED.name, 0, offset, record)


def test_a_triaged_record_stands_for_the_received_one_by_its_id_whatever_its_offset_says() -> None:
    mention = a_mention()
    received = pack_heard(mention, source="/test")
    triaged = pack_triaged(mention, received.value, b"null", source="/test")
    for named in ("\u00b2", "-1", "", "12345"):
        partition = Partition(0, 0)
        partition.take_received(a_record(MENTIONS_RECEIVED.name, 0, 7, received))
        assert list(partition.received) == [7]
        partition.take_triaged(a_triaged(triaged, 3, sourceoffset=named))
        assert partition.received == {}
        assert partition.triaged_at == 4


def test_what_no_record_stands_for_goes_on_waiting() -> None:
    one, other = a_mention("1"), a_mention("2")
    partition = Partition(0, 0)
    for offset, mention in enumerate((one, other)):
        packed = pack_heard(mention, source="/test")
        partition.take_received(a_record(MENTIONS_RECEIVED.name, 0, offset, packed))
    triaged = pack_triaged(one, b"{}", b"null", source="/test")
    partition.take_triaged(a_triaged(triaged, 0))
    assert list(partition.received) == [1]
