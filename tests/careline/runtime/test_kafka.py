"""A send is done when it is acknowledged, and readers miss nothing: on a broker that breaks too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.errors import ConfigurationError, PermanentError
from careline.runtime.kafka import (
    GroupReader,
    LogReader,
    Producer,
    Record,
    RecordsGone,
    Unavailable,
)
from schemas.envelope import Packed
from tests.support.kafka.server import KafkaServer

PRODUCE = 0
OUT_OF_SEQUENCE = 45
TOO_LARGE = 10


@pytest.fixture
async def kafka() -> AsyncIterator[EmbeddedKafka]:
    async with EmbeddedKafka({"heard": 3}) as cluster:
        yield cluster


@pytest.fixture
async def producer(kafka: EmbeddedKafka) -> AsyncIterator[Producer]:
    found = Producer(kafka.bootstrap, client_id="test", timeout=10)
    await found.start()
    yield found
    await found.stop()


def packed(*numbers: int, size: int = 1) -> list[Packed]:
    return [
        Packed(key=b"k%d" % n, value=b"%d" % n * size, headers=[("ce_id", b"%d" % n), ("a", b"b")])
        for n in numbers
    ]


async def log_of(bootstrap: str, partition: int, start: int = 0) -> list[Record]:
    reader = LogReader(bootstrap, client_id="test")
    await reader.start()
    try:
        end = await reader.end("heard", partition)
        return [
            record
            async for batch in reader.read("heard", partition, start, end)
            for record in batch
        ]
    finally:
        await reader.stop()


async def test_a_batch_stands_in_order_and_complete(
    kafka: EmbeddedKafka, producer: Producer
) -> None:
    assert await producer.send_batch("heard", 1, packed(*range(5))) == 0
    # More than fits into one request: the rest follows in further ones.
    assert await producer.send_batch("heard", 1, packed(*range(5, 1000), size=400)) == 5

    found = await log_of(kafka.bootstrap, 1)

    assert [record.offset for record in found] == list(range(1000))
    assert [record.key for record in found] == [b"k%d" % n for n in range(1000)]
    assert found[7].headers == (("ce_id", b"7"), ("a", b"b"))
    assert found[7].value == b"7" * 400


async def test_single_records_get_their_offsets(kafka: EmbeddedKafka, producer: Producer) -> None:
    offsets = await asyncio.gather(*(producer.send("heard", 2, one) for one in packed(*range(50))))

    assert sorted(offsets) == list(range(50))
    by_offset = {record.offset: record.value for record in await log_of(kafka.bootstrap, 2)}
    assert [by_offset[offset] for offset in offsets] == [b"%d" % n for n in range(50)]


async def test_a_producer_outlives_what_kills_its_sequence(
    kafka: EmbeddedKafka, producer: Producer
) -> None:
    await producer.send_batch("heard", 0, packed(0))
    await kafka.push_errors(PRODUCE, [OUT_OF_SEQUENCE])
    with pytest.raises(Unavailable):
        await producer.send_batch("heard", 0, packed(1, 2))

    await producer.send_batch("heard", 0, packed(1, 2))
    await producer.send("heard", 0, packed(3)[0])

    values = [record.value for record in await log_of(kafka.bootstrap, 0)]
    assert values in ([b"0", b"1", b"2", b"3"], [b"0", b"1", b"2", b"1", b"2", b"3"])


async def test_a_broker_that_is_away_is_an_unknown_outcome_and_then_a_repeat_at_most(
    kafka: EmbeddedKafka,
) -> None:
    producer = Producer(kafka.bootstrap, client_id="test", timeout=1.5)
    await producer.start()
    await producer.send_batch("heard", 0, packed(0))
    await kafka.broker_down()
    results = await asyncio.gather(
        producer.send_batch("heard", 0, packed(1, 2)),
        producer.send("heard", 1, packed(3)[0]),
        return_exceptions=True,
    )
    assert all(isinstance(result, Unavailable) for result in results)
    await kafka.broker_up()

    async with asyncio.timeout(20):
        while True:
            try:
                await producer.send_batch("heard", 0, packed(1, 2))
                break
            except Unavailable:
                await asyncio.sleep(0.1)
    await producer.stop()

    values = [record.value for record in await log_of(kafka.bootstrap, 0)]
    assert values in ([b"0", b"1", b"2"], [b"0", b"1", b"2", b"1", b"2"])


async def test_stopping_is_bounded_and_fails_what_still_waits(kafka: EmbeddedKafka) -> None:
    producer = Producer(kafka.bootstrap, client_id="test", timeout=30)
    await producer.start()
    await producer.send("heard", 0, packed(0)[0])
    await kafka.broker_down()
    waiting = asyncio.create_task(producer.send("heard", 0, packed(1)[0]))
    await asyncio.sleep(0)

    async with asyncio.timeout(8):
        await producer.stop()
        with pytest.raises(Unavailable):
            await waiting
    with pytest.raises(Unavailable):
        await producer.send("heard", 0, packed(2)[0])


async def test_what_can_never_go_through_says_so(producer: Producer) -> None:
    with pytest.raises(PermanentError):
        await producer.send_batch("heard", 0, packed(1, size=2_000_000))
    with pytest.raises(ConfigurationError, match=r"heard\[9\]"):
        await producer.send("heard", 9, packed(1)[0])
    with pytest.raises(ValueError, match="nothing"):
        await producer.send_batch("heard", 0, [])

    assert await producer.send_batch("heard", 0, packed(1)) == 0


async def test_a_log_is_read_from_and_to_where_one_asks(
    kafka: EmbeddedKafka, producer: Producer
) -> None:
    await producer.send_batch("heard", 1, packed(*range(300)))
    reader = LogReader(kafka.bootstrap, client_id="test")
    await reader.start()
    try:
        assert await reader.beginning("heard", 1) == 0
        assert await reader.end("heard", 1) == 300
        found = [r.offset async for batch in reader.read("heard", 1, 17, 250) for r in batch]
        assert found == list(range(17, 250))
        assert [batch async for batch in reader.read("heard", 1, 300, 300)] == []
        with pytest.raises(RecordsGone):
            _ = [batch async for batch in reader.read("heard", 1, 400, 401)]
    finally:
        await reader.stop()


async def test_a_group_goes_on_where_it_committed(kafka: EmbeddedKafka, producer: Producer) -> None:
    await producer.send_batch("heard", 0, packed(*range(10)))
    first = GroupReader(kafka.bootstrap, "heard", "g", client_id="one")
    await first.start()
    async with asyncio.timeout(30):
        async for batch in first.batches(limit=4):
            first.done(batch)
            assert first.assigned == {0, 1, 2}
            done = len(batch)
            break
    await first.stop()
    assert first.assigned == frozenset()

    second = GroupReader(kafka.bootstrap, "heard", "g", client_id="two")
    await second.start()
    found: list[bytes | None] = []
    async with asyncio.timeout(40):
        async for batch in second.batches():
            found += [record.value for record in batch]
            second.done(batch)
            if len(found) >= 10 - done:
                break
    await second.stop()
    assert found == [b"%d" % n for n in range(done, 10)]


async def test_nobody_there_is_unavailable() -> None:
    producer = Producer("127.0.0.1:1", client_id="test", timeout=1)
    with pytest.raises(Unavailable):
        await producer.start()
    await producer.stop()
    with pytest.raises(Unavailable):
        await LogReader("127.0.0.1:1", client_id="test").start()


@pytest.mark.kafka
async def test_a_real_broker_agrees(kafka_server: KafkaServer) -> None:
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic  # noqa: PLC0415 - only here

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka_server.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic("test-kafka-seam", 2, 1)])
    await admin.close()
    producer = Producer(kafka_server.bootstrap, client_id="test")
    reader = LogReader(kafka_server.bootstrap, client_id="test")
    await producer.start()
    await reader.start()
    try:
        assert await producer.send_batch("test-kafka-seam", 1, packed(*range(1000))) == 0
        assert await producer.send("test-kafka-seam", 1, packed(1000)[0]) == 1000
        end = await reader.end("test-kafka-seam", 1)
        found = [
            record.value
            async for batch in reader.read("test-kafka-seam", 1, 0, end)
            for record in batch
        ]
        assert found == [b"%d" % n for n in range(1001)]
    finally:
        await producer.stop()
        await reader.stop()
