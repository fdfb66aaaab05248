"""A group's committed offsets are read from outside, on the embedded broker too."""

from __future__ import annotations

import asyncio

import pytest

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import GroupReader, Producer, Unavailable
from careline.runtime.kafka_offsets import GroupOffsets
from schemas.envelope import Packed


async def test_what_a_member_committed_is_seen_and_what_nobody_did_is_not(
    embedded_kafka: EmbeddedKafka,
) -> None:
    await embedded_kafka.create_topic("t", 2)
    producer = Producer(embedded_kafka.bootstrap, client_id="test")
    await producer.start()
    for _ in range(3):
        await producer.send("t", 0, Packed(key=b"k", value=b"v"))
    await producer.stop()
    member = GroupReader(embedded_kafka.bootstrap, "t", "g", client_id="member")
    outside = GroupOffsets(embedded_kafka.bootstrap, "g", client_id="outside")
    await member.start()
    await outside.start()
    assert await outside.committed(["t"], 2) == {}
    read = 0
    async with asyncio.timeout(30):
        async for batch in member.batches():
            member.done(batch)
            read += len(batch)
            if read == 3:
                break
    assert member.assigned == {0, 1}, "nobody has joined its group"
    await member.stop()
    assert await outside.committed(["t"], 2) == {("t", 0): 3}
    await outside.stop()
    await outside.stop()


async def test_a_reader_that_is_not_started_or_has_no_broker_says_so() -> None:
    outside = GroupOffsets("127.0.0.1:1", "g", client_id="outside")
    with pytest.raises(ConfigurationError):
        await outside.committed(["t"], 1)
    with pytest.raises(Unavailable):
        await outside.start()
