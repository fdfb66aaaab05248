"""Slack is down: the ladder's second path tells people, once, and Slack catches up without a flood.

Fault matrix, row 25.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from careline.domain.policy import LadderStep, Policy
from careline.ledger.store import key
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from responders.notify.app import run_notify
from responders.notify.config import NotifyConfig, Webhook
from schemas.envelope import unpack
from schemas.events import LOG, AlertPosted, EffectFailed
from schemas.triage import Priority
from tests.responders.notify.receiver import SECRET, Receiver, a_receiver
from tests.responders.slack.builders import SECRET_WORDS, a_mention, a_triage
from tests.responders.slack.floor import Floor, a_floor, seen
from tests.support.ledger import PARTITIONS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

POLICY = Policy(
    partitions=PARTITIONS,
    first_response=dict.fromkeys(Priority, timedelta(seconds=1)),
    ladder=(LadderStep(name="pager", notify="webhook:pager", after=timedelta(0)),),
)
STALL = {"kind": "stall", "server": "slack", "seconds": 600}


@pytest.fixture
async def floor(valkey: EmbeddedValkey, embedded_kafka: EmbeddedKafka) -> AsyncIterator[Floor]:
    async with a_floor(valkey, embedded_kafka, policy=POLICY) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver() as found:
        yield found


@asynccontextmanager
async def second_path(floor: Floor, receiver: Receiver) -> AsyncIterator[None]:
    """Run the role; leaving stops it cleanly."""
    config = NotifyConfig(
        kafka=floor.config.kafka,
        redis=floor.config.redis,
        partitions=PARTITIONS,
        webhooks={"pager": Webhook(url=SecretStr(receiver.url), secret=SecretStr(SECRET))},
        request_timeout=1.0,
        landing=0.2,
    )
    stop = asyncio.Event()
    task = asyncio.create_task(run_notify(config, stop=stop), name="second path")
    try:
        yield
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await task


async def outcomes(floor: Floor) -> list[AlertPosted | EffectFailed]:
    """Return what became of the second path's effects."""
    return [
        body
        for shard in range(PARTITIONS)
        for record in await floor.world.events(shard)
        if isinstance(body := unpack(LOG, record.value), AlertPosted | EffectFailed)
        and body.effect_id.startswith("notify:")
    ]


async def left(floor: Floor) -> int:
    """Count the second path's effects without an outcome."""
    counts = [await floor.world.client.zcard(key(n, "effects:notify")) for n in range(PARTITIONS)]
    return sum(counts)


async def test_while_slack_is_down_a_webhook_tells_of_the_missed_deadline(
    floor: Floor, receiver: Receiver
) -> None:
    async with floor.responder(), second_path(floor, receiver):
        floor.sandbox.faults.add(STALL)
        await floor.world.hear(a_mention(text=SECRET_WORDS, at=datetime.now(UTC)), a_triage())
        calls = await seen(lambda: list(receiver.calls), within=30)
        case = await floor.case(lambda case: case.ladder is not None)
        ((key_of_call, body),) = calls
        assert body["case"] == case.case_id
        assert body["breached"] is True
        assert body["priority"] == "P2"
        assert SECRET_WORDS not in str(body)
        assert "4929" not in str(body)
        assert case.card is None, "Slack has taken nothing"
        assert floor.cards() == []
        (told,) = await seen(lambda: outcomes(floor))
        assert told.effect_id == key_of_call
        assert isinstance(told, AlertPosted)
        assert await seen(lambda: _nothing_left(floor))

        floor.sandbox.faults.clear()
        await floor.card()
        await floor.case(lambda case: case.card is not None)
        assert len(floor.cards()) == 1
        assert len(receiver.calls) == 1, "and the webhook is not told again by Slack's return"


async def _nothing_left(floor: Floor) -> bool:
    return await left(floor) == 0


async def test_a_receiver_that_fails_is_told_again_under_the_same_id(
    floor: Floor, receiver: Receiver
) -> None:
    receiver.status = 500
    async with second_path(floor, receiver):
        await floor.world.hear(a_mention(at=datetime.now(UTC)), a_triage())
        await seen(lambda: len(receiver.calls) >= 2, within=40)
        assert await outcomes(floor) == []
        receiver.status = 200
        (told,) = await seen(lambda: outcomes(floor), within=40)
        assert {key_of_call for key_of_call, _ in receiver.calls} == {told.effect_id}


async def test_a_receiver_that_says_no_is_told_nothing_more_and_the_case_knows(
    floor: Floor, receiver: Receiver
) -> None:
    receiver.status = 400
    async with second_path(floor, receiver):
        await floor.world.hear(a_mention(at=datetime.now(UTC)), a_triage())
        (told,) = await seen(lambda: outcomes(floor), within=30)
    assert isinstance(told, EffectFailed)
    assert "HTTP 400" in told.reason
    assert "hunter2" not in told.reason
    case = await floor.case(lambda case: case.ladder is not None)
    assert case.open_obligations, "the case stays live"
