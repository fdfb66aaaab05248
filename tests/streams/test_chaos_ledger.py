"""A ledger that answers nothing but its own trouble is asked ever less often, and then at once."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.support.feed import Feed, all_arrived
from tests.support.scale import scaled
from tests.support.troubled_redis import TroubledRedis
from tests.support.workers import TOPIC_PARTITIONS, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TROUBLE_S: Final = scaled(3.0, 60.0)
RETRIES: Final = 8 + TROUBLE_S / 2.5
"""Of a batch: the pauses double from a tenth of a second to 5 s, and jitter may halve them."""
CALLS: Final = 25 + 6 * TROUBLE_S
"""Beside them each loop of the worker looks once or twice a second, whatever the shards."""


async def test_a_ledger_in_trouble_is_asked_less_and_less_and_the_work_goes_on_after_it(
    valkey: EmbeddedValkey,
) -> None:
    async with (
        EmbeddedKafka(TOPIC_PARTITIONS) as kafka,
        TroubledRedis(valkey.url) as door,
        a_rig(kafka.bootstrap, door.url) as rig,
    ):
        await rig.worker()
        await rig.ready()
        feed = Feed(rig)
        await feed.one()
        await rig.added_all(5)

        door.trouble = b"LOADING Valkey is loading the dataset in memory"
        await feed.one()
        await rig.until(lambda: '"waiting"' in rig.log())
        asked, waited = door.refused, rig.log().count('"waiting"')
        await asyncio.sleep(TROUBLE_S)
        asked, waited = door.refused - asked, rig.log().count('"waiting"') - waited
        door.trouble = b""

        assert 1 <= waited <= RETRIES
        assert waited <= asked <= CALLS
        await all_arrived(rig, feed)
