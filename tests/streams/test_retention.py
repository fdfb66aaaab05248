"""Kafka forgets records before a worker has read them: that is noticed, told, and never hidden.

Row 15 of the fault matrix, by the real broker's own deletion of records.
"""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.topics_admin import TopicsOnBroker, apply
from schemas.identity import shard_of
from schemas.topics import CASES_COMMANDS, DEAD_LETTERS, MENTIONS_RECEIVED, TOPICS
from tests.support.kafka.server import KafkaServer
from tests.support.workers import PARTITIONS, Rig, a_mention, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(180)]

LEFT_EARLY = 75
SHARD = 0
SAME = [number for number in range(400) if shard_of(f"x:{number}", PARTITIONS) == SHARD]


async def forget(broker: KafkaServer, topic: str, before: int) -> None:
    """Have the broker delete the records before an offset, as its retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
    await admin.start()
    try:
        where = TopicPartition(topic, SHARD)
        await admin.delete_records({where: RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


async def reasons(rig: Rig) -> set[bytes | None]:
    """Return why records were set aside."""
    return {dict(letter.headers).get("reason") for letter in await rig.records(DEAD_LETTERS.name)}


async def test_records_that_retention_took_before_they_were_read_are_an_incident(
    own_kafka: KafkaServer, valkey: EmbeddedValkey
) -> None:
    await apply(TopicsOnBroker(bootstrap=own_kafka.bootstrap, partitions=PARTITIONS, topics=TOPICS))
    async with a_rig(own_kafka.bootstrap, valkey.url) as rig:
        first = await rig.worker()
        await rig.ready()
        await rig.hear([a_mention(SAME[0])])
        await rig.added_all(1)
        assert await rig.stop(first) == 0
        await rig.hear(a_mention(number) for number in SAME[1:6])
        end = (await rig.reader.ends(MENTIONS_RECEIVED.name, PARTITIONS))[SHARD]
        await forget(own_kafka, MENTIONS_RECEIVED.name, end - 2)

        second = await rig.worker()

        async with asyncio.timeout(60):
            assert await second.wait() == LEFT_EARLY
        assert b"input_lost" in await reasons(rig), rig.log()[-3000:]
        reports = await rig.records(CASES_COMMANDS.name)
        assert any(b"input_lost" in (record.value or b"") for record in reports)
        assert await rig.added() == [a_mention(SAME[0]).mention_id], "nothing is passed over"
