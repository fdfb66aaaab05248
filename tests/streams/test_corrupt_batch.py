"""A batch on the broker's disk is damaged: nobody passes over it, and it is said out loud.

Row 14 of the fault matrix, on a real broker whose file really has other bytes.
"""

from __future__ import annotations

import asyncio

import pytest

from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.topics_admin import TopicsOnBroker, apply
from schemas.identity import shard_of
from schemas.topics import MENTIONS_RECEIVED, TOPICS
from tests.support.kafka.server import KafkaServer
from tests.support.workers import PARTITIONS, a_mention, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(180)]

SHARD = 0
SAME = [number for number in range(100, 400) if shard_of(f"x:{number}", PARTITIONS) == SHARD][:4]


async def test_a_damaged_batch_is_never_passed_over(
    own_kafka: KafkaServer, valkey: EmbeddedValkey
) -> None:
    await apply(TopicsOnBroker(bootstrap=own_kafka.bootstrap, partitions=PARTITIONS, topics=TOPICS))
    async with a_rig(own_kafka.bootstrap, valkey.url, stall_after=5.0) as rig:
        first = await rig.worker()
        await rig.ready()
        await rig.hear([a_mention(SAME[0])])
        await rig.added_all(1)
        assert await rig.stop(first) == 0
        for number in SAME[1:]:
            await rig.hear([a_mention(number)])
        words = f"my order {SAME[2]} never".encode()
        await asyncio.to_thread(
            own_kafka.damage, MENTIONS_RECEIVED.name, SHARD, words, words.swapcase()
        )

        second = await rig.worker()

        async with asyncio.timeout(90):
            code = await second.wait()
        assert code not in {0, 2}, rig.log()[-3000:]
        assert "orrupt" in rig.log() or "has stood at" in rig.log()
        passed = {a_mention(SAME[3]).mention_id, a_mention(SAME[2]).mention_id}
        assert not passed & set(await rig.added())
