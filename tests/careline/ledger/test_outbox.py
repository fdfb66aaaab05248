"""Events leave the outbox oldest first, only when acked, stamped with their epoch."""

from __future__ import annotations

import asyncio

import pytest

from careline.ledger.fence import Fenced
from careline.ledger.outbox import Epochs, packed_event
from careline.ledger.outboxes import drain
from careline.ledger.store import key
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.errors import RetryableError
from careline.runtime.kafka import Producer
from schemas.envelope import header, pack
from schemas.events import LOG, CommandRefused, Refusal
from tests.support.ledger import LedgerWorld
from tests.support.stories import ANA, START, a_mention

REFUSED = CommandRefused(
    event_id="e1",
    case_id="s02-0000000000000000-1",
    cause_id="c1",
    cause_digest="d",
    at=START,
    actor=ANA,
    command="claim",
    reason=Refusal.NO_SUCH_CASE,
)


def test_a_stored_body_is_packed_as_the_envelope_would() -> None:
    whole = pack(
        REFUSED,
        type="command.refused.v1",
        id="e1",
        source="careline/ledger",
        subject=REFUSED.case_id,
        time=START,
        key=REFUSED.case_id,
        extensions={"epoch": "7", "parts": "1"},
    )
    quick = packed_event(REFUSED.model_dump_json().encode(), epoch=7, parts=1)
    assert (quick.key, quick.value) == (whole.key, whole.value)
    assert sorted(quick.headers) == sorted(whole.headers)


async def test_events_go_out_in_order_and_are_trimmed(world: LedgerWorld) -> None:
    for n in range(100, 140):
        shard = await world.hear(a_mention(str(n), root="100"))
    await world.pump()
    fence = await world.ledger.fence(shard)
    sent = await world.drain(shard)
    log = (await world.events(shard))[1:]
    versions = [getattr(LOG.validate_json(r.value or b""), "version", 0) for r in log]
    position = await world.ledger.position(shard)
    assert sent == 41
    assert versions == list(range(1, 42))
    assert {header(record.headers, "epoch") for record in log} == {str(fence.n)}
    assert (position.outbox, position.log) == (0, log[-1].offset)


async def test_two_senders_only_repeat(world: LedgerWorld) -> None:
    for n in range(100, 130):
        shard = await world.hear(a_mention(str(n), root="100"))
    await world.pump()
    await asyncio.gather(*(world.drain(shard) for _ in range(2)))
    log = (await world.events(shard))[1:]
    versions = [getattr(LOG.validate_json(r.value or b""), "version", 0) for r in log]
    seen: list[int] = []
    for version in versions:
        if not seen or version > seen[-1]:
            seen.append(version)
    assert seen == list(range(1, 32))
    assert (await world.ledger.position(shard)).outbox == 0


async def test_what_kafka_did_not_acknowledge_stays(
    world: LedgerWorld, embedded_kafka: EmbeddedKafka
) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    fence = await world.ledger.fence(shard)
    impatient = Producer(embedded_kafka.bootstrap, client_id="test", timeout=1.0)
    await impatient.start()
    await embedded_kafka.broker_down()
    with pytest.raises(RetryableError):
        await drain(world.ledger, impatient, shard, fence)
    assert (await world.ledger.position(shard)).outbox == 2
    await embedded_kafka.broker_up()
    await impatient.stop()
    assert await world.drain(shard) == 2


async def test_an_outbox_is_not_drained_under_another_fence(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    fence = await world.ledger.fence(shard)
    await world.ledger.scripts.run("set_epoch", shard, fence.value, "recovering:other", 0)
    with pytest.raises(Fenced):
        await drain(world.ledger, world.producer, shard, fence)
    with pytest.raises(Fenced):
        await drain(world.ledger, world.producer, shard, await world.ledger.fence(shard))
    assert await world.client.xlen(key(shard, "outbox")) == 2


def test_a_record_of_a_lower_epoch_is_void_behind_an_epoch_started() -> None:
    started = [("ce_type", b"com.careline.epoch.started.v1")]

    def of(epoch: int) -> list[tuple[str, bytes]]:
        return [("ce_type", b"com.careline.case.opened.v1"), ("ce_epoch", b"%d" % epoch)]

    epochs = Epochs()
    assert epochs.admits(0, started)
    assert epochs.admits(1, of(0))
    assert epochs.admits(2, started)
    assert not epochs.admits(3, of(0))
    assert epochs.admits(4, of(2))


def test_an_epoch_started_that_lands_behind_a_later_recovery_is_void() -> None:
    """Found by the simulation: it voided all that the recovery after it had brought about."""

    def started(known: int) -> list[tuple[str, bytes]]:
        return [("ce_type", b"com.careline.epoch.started.v1"), ("ce_epoch", b"%d" % known)]

    epochs = Epochs()
    assert epochs.admits(470, started(469))
    assert epochs.admits(471, [("ce_epoch", b"470")])
    assert not epochs.admits(495, started(468))
    assert epochs.admits(496, [("ce_epoch", b"470")])
    assert epochs.admits(497, started(496))
    assert not epochs.admits(498, [("ce_epoch", b"470")])


def test_a_reader_that_begins_in_the_middle_learns_the_epoch_from_the_records() -> None:
    epochs = Epochs()
    assert epochs.admits(8, [("ce_epoch", b"5")])
    assert not epochs.admits(9, [("ce_epoch", b"0")])
