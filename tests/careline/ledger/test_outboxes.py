"""Many outboxes go out in one round, and what fails for one shard is that shard's answer."""

from __future__ import annotations

import pytest

from careline.ledger.fence import Fence, Fenced, ScriptFailed
from careline.ledger.outboxes import BATCH, drain, drain_once
from careline.ledger.store import key
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.kafka import Producer, Unavailable
from schemas.envelope import header
from schemas.events import LOG
from tests.support.ledger import PARTITIONS, LedgerWorld
from tests.support.stories import a_mention


async def in_all_shards(world: LedgerWorld, each: int = 3) -> dict[int, Fence]:
    """Hear mentions until every shard has something to send; return the fences."""
    heard = dict.fromkeys(range(PARTITIONS), 0)
    number = 100
    while min(heard.values()) < each:
        heard[await world.hear(a_mention(str(number), root=str(number)))] += 1
        number += 1
    await world.pump()
    return {shard: await world.ledger.fence(shard) for shard in range(PARTITIONS)}


async def test_every_outbox_goes_out_in_one_round_stamped_with_its_own_epoch(
    world: LedgerWorld,
) -> None:
    fences = await in_all_shards(world)
    waiting = {shard: (await world.ledger.position(shard)).outbox for shard in fences}
    sent = await drain_once(world.ledger, world.producer, fences)
    assert sent == waiting
    assert min(waiting.values()) >= 6
    for shard, fence in fences.items():
        log = (await world.events(shard))[1:]
        assert {header(record.headers, "epoch") for record in log} == {str(fence.n)}
        position = await world.ledger.position(shard)
        assert (position.outbox, position.log) == (0, log[-1].offset)


async def test_an_empty_outbox_sends_nothing(world: LedgerWorld) -> None:
    fences = {shard: await world.ledger.fence(shard) for shard in range(PARTITIONS)}
    ends = [len(await world.events(shard)) for shard in fences]
    assert await drain_once(world.ledger, world.producer, fences) == dict.fromkeys(fences, 0)
    assert [len(await world.events(shard)) for shard in fences] == ends
    assert await drain_once(world.ledger, world.producer, {}) == {}


async def test_a_shard_under_another_fence_does_not_hold_up_the_others(world: LedgerWorld) -> None:
    fences = await in_all_shards(world)
    await world.ledger.scripts.run("set_epoch", 1, fences[1].value, "recovering:other", 0)
    sent = await drain_once(world.ledger, world.producer, fences)
    assert isinstance(sent[1], Fenced)
    assert all(isinstance(sent[shard], int) and sent[shard] for shard in (0, 2, 3))
    assert (await world.ledger.position(1)).outbox > 0


async def test_a_fence_that_falls_after_the_sending_keeps_the_entries(world: LedgerWorld) -> None:
    """The batch lands, the trim is refused: it is sent again, and void behind the new epoch."""
    fences = await in_all_shards(world)
    before = (await world.ledger.position(2)).outbox

    class Slow(Producer):
        async def send_batch(self, topic: str, partition: int, packed: object) -> int:
            first = await world.producer.send_batch(topic, partition, packed)  # type: ignore[arg-type]
            await world.ledger.scripts.run("set_epoch", 2, fences[2].value, "recovering:x", 0)
            return first

    slow = Slow("127.0.0.1:1", client_id="slow")
    sent = await drain_once(world.ledger, slow, {2: fences[2]})
    assert isinstance(sent[2], Fenced)
    assert (await world.ledger.position(2)).outbox == before


async def test_a_shard_whose_script_fails_is_told_alone(world: LedgerWorld) -> None:
    fences = await in_all_shards(world)
    await world.client.delete(key(3, "outbox"))
    await world.client.set(key(3, "outbox"), "no stream")
    sent = await drain_once(world.ledger, world.producer, fences)
    assert isinstance(sent[3], ScriptFailed)
    assert isinstance(sent[0], int)
    with pytest.raises(ScriptFailed):
        await drain(world.ledger, world.producer, 3, fences[3])


async def test_what_kafka_does_not_acknowledge_stays_in_every_outbox(
    world: LedgerWorld, embedded_kafka: EmbeddedKafka
) -> None:
    fences = await in_all_shards(world)
    waiting = {shard: (await world.ledger.position(shard)).outbox for shard in fences}
    impatient = Producer(embedded_kafka.bootstrap, client_id="test", timeout=1.0)
    await impatient.start()
    await embedded_kafka.broker_down()
    sent = await drain_once(world.ledger, impatient, fences)
    assert all(isinstance(result, Unavailable) for result in sent.values())
    assert {s: (await world.ledger.position(s)).outbox for s in fences} == waiting
    await embedded_kafka.broker_up()
    await impatient.stop()


async def test_a_long_outbox_goes_out_in_batches_and_in_order(world: LedgerWorld) -> None:
    for n in range(1000, 1000 + BATCH):
        shard = await world.hear(a_mention(str(n), root="100"))
    await world.pump()
    fence = await world.ledger.fence(shard)
    assert (await drain_once(world.ledger, world.producer, {shard: fence}))[shard] == BATCH
    assert await drain(world.ledger, world.producer, shard, fence) == 1
    versions = [
        getattr(LOG.validate_json(record.value or b""), "version", 0)
        for record in (await world.events(shard))[1:]
    ]
    assert versions == list(range(1, BATCH + 2))
