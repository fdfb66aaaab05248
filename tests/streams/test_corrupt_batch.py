"""Batches on the broker's disk are damaged: nobody passes over them, until a person says so.

Row 14 of the fault matrix, on a real broker whose files really have other bytes.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from redis.asyncio import Redis

from careline.ledger.audit import audit
from careline.ledger.letters import Letters, redrive
from careline.ledger.store import Ledger
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.topics_admin import TopicsOnBroker, apply
from schemas.identity import shard_of
from schemas.mentions import MentionReceived
from schemas.topics import (
    DEAD_LETTERS,
    MENTIONS_RECEIVED,
    MENTIONS_TRIAGED,
    TOPICS,
)
from tests.support.command import Ran, careline
from tests.support.kafka.server import KafkaServer
from tests.support.workers import PARTITIONS, Rig, a_mention, a_rig

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(240)]

SHARD = 0
CONFIG = """
brands: [{name: Acme, accounts: [{handle: acme}]}]
channels: {mentions: care, direct_messages: care-dms}
ops_channel: ops
people: {ana: {slack: U012AB3CD}}
"""
WHY = "the disk is gone"
FIRST, RETRIAGED, LOST, BEHIND = (
    a_mention(number)
    for number in [each for each in range(100, 400) if shard_of(f"x:{each}", PARTITIONS) == SHARD][
        :4
    ]
)
NEIGHBOUR = a_mention(
    next(each for each in range(400, 900) if shard_of(f"x:{each}", PARTITIONS) != SHARD)
)


class Desk:
    """A person at a shell."""

    def __init__(self, rig: Rig, folder: Path) -> None:
        (folder / "careline.yaml").write_text(CONFIG, encoding="utf-8")
        self._folder = folder
        self._settings = {
            "KAFKA__BOOTSTRAP_SERVERS": rig.bootstrap,
            "KAFKA__PARTITIONS": str(PARTITIONS),
            "REDIS__URL": str(rig.options["redis_url"]),
        }

    async def run(self, *words: str) -> Ran:
        return await asyncio.to_thread(careline, *words, cwd=self._folder, **self._settings)

    async def skip(self, topic: str, first: int, last: int) -> Ran:
        told = ("--from", str(first), "--to", str(last), "--as", "ana", "--reason", WHY)
        return await self.run("topics", "skip", topic, str(SHARD), *told)


def wound(topic: str, mention: MentionReceived) -> tuple[str, int, bytes, bytes]:
    words = f"my order {mention.native_id} never".encode()
    return topic, SHARD, words, words.swapcase()


async def skipped(rig: Rig) -> list[dict[str, bytes]]:
    """The headers of the letters of what was skipped."""
    letters = [dict(each.headers) for each in await rig.records(DEAD_LETTERS.name)]
    return [each for each in letters if each.get("reason") == b"skipped"]


async def opened(rig: Rig) -> list[str]:
    """What the operations cases are about."""
    return [each.subject for each in await rig.events() if each.type == "case.opened"]


async def test_a_damaged_batch_is_never_passed_over_until_a_person_skips_it(
    own_kafka: KafkaServer, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    await apply(TopicsOnBroker(bootstrap=own_kafka.bootstrap, partitions=PARTITIONS, topics=TOPICS))
    async with a_rig(own_kafka.bootstrap, valkey.url) as rig, Redis.from_url(valkey.url) as redis:
        desk = Desk(rig, tmp_path)
        first = await rig.worker()
        await rig.ready()
        for number, mention in enumerate((FIRST, RETRIAGED), 1):
            await rig.hear([mention])
            await rig.added_all(number)
        assert await rig.stop(first) == 0
        for mention in (LOST, BEHIND, NEIGHBOUR):
            await rig.hear([mention])
        wounds = wound(MENTIONS_RECEIVED.name, LOST), wound(MENTIONS_TRIAGED.name, RETRIAGED)
        await asyncio.to_thread(own_kafka.damage, *wounds)
        await redis.flushall()  # so that the damaged triaged record has to be read once more

        second = await rig.worker()

        # Its neighbours go on; it waits, and a person is told.
        await rig.added_all(3)
        await rig.until(lambda: "its partition waits" in rig.log() and "shard waits" in rig.log())
        refused = await desk.skip(MENTIONS_RECEIVED.name, 2, 3)
        assert (refused.code, "offset 3 can be read" in refused.error) == (2, True), refused.err
        assert BEHIND.mention_id not in await rig.added()
        assert await skipped(rig) == []

        for topic, at in ((MENTIONS_TRIAGED.name, 1), (MENTIONS_RECEIVED.name, 2)):
            ran = await desk.skip(topic, at, at)
            assert ran.code == 0, ran.err

        found = await rig.added_all(4)
        assert sorted(found) == sorted(
            each.mention_id for each in (FIRST, RETRIAGED, BEHIND, NEIGHBOUR)
        )
        assert second.returncode is None, "no restart was needed"
        assert len(await skipped(rig)) == 2
        wanted = {
            f"{topic}: {why}"
            for topic, why in (
                (MENTIONS_RECEIVED.name, "damaged"),
                (MENTIONS_RECEIVED.name, f"skipped by ana: {WHY}"),
                (MENTIONS_TRIAGED.name, f"skipped by ana: {WHY}"),
            )
        }
        async with asyncio.timeout(60):
            while not wanted <= set(await opened(rig)):
                await asyncio.sleep(0.2)

        # Nothing of what was only triaged is lost, and what could be made out can be put back.
        ledger = Ledger(redis, partitions=PARTITIONS)
        kept = await ledger.read_mention(RETRIAGED.mention_id, SHARD)
        assert kept is not None
        assert isinstance(kept.heard, MentionReceived)
        assert kept.heard.text == RETRIAGED.text
        letters = Letters(rig.reader, partitions=PARTITIONS)
        (found,) = (x for x in await letters.all() if x.topic == MENTIONS_RECEIVED.name)
        letter = await letters.one(found.id)
        assert letter is not None
        assert (letter.by, letter.because) == ("ana", WHY)
        await redrive(letter, rig.producer, partitions=PARTITIONS)
        assert LOST.mention_id in await rig.added_all(5)
        balance = await audit(ledger, rig.reader, partitions=PARTITIONS)
        assert (balance.closes, balance.queries) == (True, 5), balance.problems
