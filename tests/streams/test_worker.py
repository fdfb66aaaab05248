"""A real worker on real sockets: what is heard becomes cases, whatever else the topic holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from schemas.envelope import Packed, header
from schemas.identity import shard_of
from schemas.mentions import MentionReceived
from schemas.topics import DEAD_LETTERS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import TRIAGED, MentionTriaged, RecordSkipped
from tests.support.scale import scaled
from tests.support.workers import PARTITIONS, TOPIC_PARTITIONS, Rig, a_mention, a_rig, heard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

POISONED = scaled(40, 2000)
"""Good records, each behind five that nobody can read."""


@pytest.fixture
async def rig(valkey: EmbeddedValkey) -> AsyncIterator[Rig]:
    """A rig on an embedded Kafka with all topics."""
    async with (
        EmbeddedKafka(TOPIC_PARTITIONS) as kafka,
        a_rig(kafka.bootstrap, valkey.url) as found,
    ):
        yield found


async def test_what_is_heard_becomes_cases_in_order(rig: Rig) -> None:
    worker = await rig.worker()
    await rig.ready()
    mentions = [a_mention(number) for number in range(300)]
    await rig.hear(mentions)

    added = await rig.added_all(300)

    assert sorted(added) == sorted(mention.mention_id for mention in mentions)
    received = await rig.records(MENTIONS_RECEIVED.name)
    triaged = await rig.records(MENTIONS_TRIAGED.name)
    assert [
        (each.partition, str(each.offset), header(each.headers, "id")) for each in received
    ] == [
        (
            each.partition,
            header(each.headers, "sourceoffset"),
            (header(each.headers, "id") or "").removesuffix(":triaged"),
        )
        for each in triaged
    ]
    for before, after in zip(received, triaged, strict=True):
        body = TRIAGED.validate_json(after.value or b"")
        assert isinstance(body, MentionTriaged)
        assert body.heard == MentionReceived.model_validate_json(before.value or b"")
        assert body.triage is not None
        assert body.triage.query
    assert listening(worker.pid) == []
    assert await rig.stop(worker) == 0


async def test_poison_is_put_aside_and_its_neighbours_go_on(rig: Rig) -> None:
    await rig.worker()
    await rig.ready()
    poison = (b"", b"\x80\x04pickle", b'{"kind":"received"}', b"[" * 5000, b'{"kind":"new"}')
    sent = 0
    for number in range(POISONED):
        partition, packed = heard(a_mention(number))
        bad = [
            Packed(key=packed.key, value=value, headers=[("ce_id", b"\xff\xfe")])
            for value in poison
        ]
        sent += len(bad)
        await rig.producer.send_batch(MENTIONS_RECEIVED.name, partition, [*bad, packed])
    misplaced, packed = heard(a_mention(POISONED + 1))
    await rig.producer.send(MENTIONS_RECEIVED.name, (misplaced + 1) % PARTITIONS, packed)

    added = await rig.added_all(POISONED)

    assert len(set(added)) == POISONED
    letters = await rig.records(DEAD_LETTERS.name)
    assert len({(header_of(each, "partition"), header_of(each, "offset")) for each in letters}) == (
        sent + 1
    )
    assert {each.value for each in letters} >= set(poison)
    bodies = [
        TRIAGED.validate_json(r.value or b"") for r in await rig.records("mentions.triaged.v1")
    ]
    skipped = [body for body in bodies if isinstance(body, RecordSkipped)]
    assert len(skipped) == sent + 1
    assert "wrong_partition" in {body.reason for body in skipped}
    opened = await opened_operations(rig, {body.reason for body in skipped})
    assert opened, "poison ends up in front of a person"


async def test_a_triager_that_breaks_or_hangs_costs_no_mention(valkey: EmbeddedValkey) -> None:
    async with (
        EmbeddedKafka(TOPIC_PARTITIONS) as kafka,
        a_rig(
            kafka.bootstrap, valkey.url, hostile=True, triage_budget=2.0, triage_budget_each=0.5
        ) as rig,
    ):
        await rig.worker()
        await rig.ready()
        texts = {3: "please hang with this", 7: "will it crash?"}
        await rig.hear(a_mention(number, texts.get(number, "")) for number in range(20))

        assert len(set(await rig.added_all(20))) == 20
        bodies = [
            TRIAGED.validate_json(r.value or b"") for r in await rig.records(MENTIONS_TRIAGED.name)
        ]
        by_id = {b.heard.native_id: b.triage for b in bodies if isinstance(b, MentionTriaged)}
        for number in texts:
            triage = by_id[str(number)]
            assert triage is not None
            assert triage.failed
            assert not any("please" in reason for reason in triage.reasons)
        assert "will it crash" not in rig.log()


@pytest.mark.parametrize("before", [1, 0], ids=["in the middle", "from the very first on"])
async def test_what_triage_skipped_is_triaged_on_the_spot(rig: Rig, before: int) -> None:
    same = [number for number in range(200) if shard_of(f"x:{number}", PARTITIONS) == 0][:8]
    first = await rig.worker()
    await rig.ready()
    await rig.hear(a_mention(number) for number in same[:before])
    await rig.added_all(before)
    assert await rig.stop(first) == 0
    await rig.hear(a_mention(number) for number in same[before:7])
    await pretend_handled(rig, MENTIONS_RECEIVED.name, 0, up_to=7)
    await rig.hear([a_mention(same[7])])

    await rig.worker()
    added = await rig.added_all(8)

    assert sorted(added) == sorted(a_mention(number).mention_id for number in same)
    assert len(await rig.records(MENTIONS_TRIAGED.name)) == before + 1
    assert "triage passed records over" in rig.log()


async def test_deadlines_fire(valkey: EmbeddedValkey) -> None:
    async with (
        EmbeddedKafka(TOPIC_PARTITIONS) as kafka,
        a_rig(kafka.bootstrap, valkey.url, target_s=2) as rig,
    ):
        await rig.worker()
        await rig.ready()
        await rig.hear(a_mention(number) for number in range(10))
        await rig.added_all(10)

        async def breached() -> set[str]:
            return {e.mention_id for e in await rig.events() if e.type == "case.breached"}

        async with asyncio.timeout(20):
            while len(await breached()) < 10:
                await asyncio.sleep(0.2)


async def pretend_handled(rig: Rig, topic: str, partition: int, *, up_to: int) -> None:
    """Commit an offset for the workers' group, as Faust would after losing what came before."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=rig.bootstrap,
        group_id="careline-worker",
        enable_auto_commit=False,
    )
    await consumer.start()
    where = TopicPartition(topic, partition)
    try:
        async with asyncio.timeout(20):
            while where not in consumer.assignment():
                await asyncio.sleep(0.05)
        await consumer.commit({where: up_to})
    finally:
        await consumer.stop()


async def opened_operations(rig: Rig, reasons: set[str]) -> list[Any]:
    """Wait until an operations case stands open for each of the reasons."""
    async with asyncio.timeout(30):
        while True:
            opened = [
                each
                for each in await rig.events()
                if each.type == "case.opened" and each.kind == "operations"
            ]
            if all(any(reason in each.subject for each in opened) for reason in reasons):
                return opened
            await asyncio.sleep(0.2)


def header_of(record: Any, name: str) -> bytes | None:
    return dict(record.headers).get(name)


def listening(pid: int) -> list[str]:
    """The TCP ports on which a process listens, as the kernel tells anybody."""
    own = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        target = str(descriptor.readlink())
        if target.startswith("socket:["):
            own.add(target[8:-1])
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    ]
    return [fields[1] for fields in lines if fields[3] == "0A" and fields[9] in own]
