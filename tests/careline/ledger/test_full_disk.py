"""Row 33 of the fault matrix: a disk is full; what was acknowledged stands, and work goes on.

The disks are real ones, small and full: where none can be mounted the tests are skipped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import RetryableError
from careline.runtime.kafka import LogReader, Producer
from careline.runtime.topics_admin import TopicsOnBroker, apply
from schemas.envelope import Packed
from schemas.topics import DEAD_LETTERS
from tests.careline.ledger.test_recovery import differences
from tests.support.full_disk import SmallDisk, small_disk
from tests.support.kafka.server import KafkaServer
from tests.support.ledger import PARTITIONS, LedgerWorld, ledger_world
from tests.support.scale import FULL
from tests.support.servers import require_kafka
from tests.support.stories import a_mention

TOPIC = DEAD_LETTERS.name
PIECE = 100_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "small", mib=128) as found:
        yield found


async def hear(world: LedgerWorld, numbers: range) -> None:
    for number in numbers:
        await world.hear(a_mention(str(number), root=str(number)))


async def test_a_ledger_whose_disk_is_full_keeps_what_it_acknowledged_and_goes_on(
    disk: SmallDisk, embedded_kafka: EmbeddedKafka
) -> None:
    async with (
        EmbeddedValkey(disk.folder / "valkey") as valkey,
        ledger_world(valkey, embedded_kafka) as world,
    ):
        await world.recover_all()
        await hear(world, range(100, 120))
        await world.pump()
        before = await world.cases()
        disk.fill()
        assert disk.is_full
        await hear(world, range(200, 260))
        # Its file cannot be written, so it may acknowledge nothing: it goes rather than lie.
        with pytest.raises(RetryableError):
            await world.pump()

        disk.free()
        await valkey.restart()
        await world.recover_all()

        after = await world.cases()
        assert len(before) == 20
        assert len(after) == 80, "what was not taken in is read again"
        kept = {case_id: after[case_id] for case_id in before}
        assert differences(before, kept) == []
        for shard in range(PARTITIONS):
            assert await world.records(DEAD_LETTERS.name, shard) == [], "nothing is put aside"


@pytest.mark.skipif(not FULL, reason="two starts of a broker: at full length only")
@pytest.mark.kafka
@pytest.mark.timeout(180)
async def test_a_kafka_whose_disk_is_full_keeps_what_it_acknowledged_and_goes_on(
    disk: SmallDisk,
) -> None:
    require_kafka()
    with KafkaServer({"log.dirs": str(disk.folder / "kafka")}) as broker:
        producer = Producer(broker.bootstrap, client_id="test", timeout=5)
        where = TopicsOnBroker(bootstrap=broker.bootstrap, partitions=1, topics=(DEAD_LETTERS,))
        await apply(where)
        await producer.start()
        kept = await sent(producer, 5)
        disk.fill(but=10 * PIECE)
        with pytest.raises(RetryableError):
            await send_for_ever(producer, kept)
        assert len(kept) > 5

        disk.free()
        await asyncio.to_thread(broker.restart)

        found = await everything(broker)
        assert [value for value in found if value in kept] == kept, "in its order, and once"
        kept += await sent(producer, 5, start=1_000)
        assert (await everything(broker))[-5:] == kept[-5:]
        await producer.stop()


async def sent(producer: Producer, count: int, *, start: int = 0) -> list[bytes]:
    """Return what was acknowledged."""
    values = [b"%08d" % (start + number) + b"x" * PIECE for number in range(count)]
    for value in values:
        await producer.send(TOPIC, 0, Packed(key=b"k", value=value))
    return values


async def send_for_ever(producer: Producer, kept: list[bytes]) -> None:
    """Send one after the other, and note what was acknowledged."""
    while True:
        kept += await sent(producer, 1, start=len(kept))


async def everything(broker: KafkaServer) -> list[bytes]:
    """Return all that stands in the topic."""
    reader = LogReader(broker.bootstrap, client_id="test")
    await reader.start()
    try:
        end = await reader.end(TOPIC, 0)
        return [
            record.value or b"" async for batch in reader.read(TOPIC, 0, 0, end) for record in batch
        ]
    finally:
        await reader.stop()
