"""Cards and alerts stand once, whatever Slack does: cut, late, limited, closed, revoked."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from careline.domain.case import Case
from careline.domain.policy import Policy
from careline.runtime.clock import SystemClock
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.sandbox import Sandbox, SandboxConfig
from careline.sandbox.common.pace import Pace
from responders.slack import buttons as b
from responders.slack.app import run_slack
from responders.slack.client import SlackClient, Tag
from responders.slack.sweeper import Sweeper
from schemas.mentions import ConversationRef
from schemas.triage import MentionTriaged, Priority, Urgency
from tests.responders.slack.builders import Story, a_config, a_mention, a_triage
from tests.responders.slack.floor import Floor, a_floor, seen, words

POST = "/api/chat.postMessage"
CARDS = 6


def fresh() -> datetime:
    return datetime.now(UTC)


async def hear(floor: Floor, number: int) -> None:
    root = ConversationRef(network="x", root=str(2_000_000 + number))
    await floor.world.hear(a_mention(number, conversation=root, at=fresh()), a_triage())


async def all_posted(floor: Floor, number: int, within: float = 40.0) -> None:
    async def ask() -> bool:
        cases = (await floor.world.cases()).values()
        return len(cases) == number and all(case.card is not None for case in cases)

    await seen(ask, within)


def copies(floor: Floor) -> dict[str, int]:
    """Count what was ever accepted, by key: what readers saw, if only for a moment."""
    found: dict[str, int] = {}
    for record in floor.history.query(kind="message", limit=100_000, where={}):
        key = str((record["metadata"] or {})["event_payload"]["key"])
        found[key] = found.get(key, 0) + 1
    return found


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "cut", "probability": 0.4, "seed": 1},
        {"kind": "cut", "accepted": False, "probability": 0.4, "seed": 2},
        {"kind": "late_landing", "seconds": 0.5, "probability": 0.4, "seed": 3},
        {"kind": "late_landing", "seconds": 0.5, "answer": "error", "probability": 0.4, "seed": 4},
        {"kind": "server_error", "accepted": True, "probability": 0.5, "seed": 3},
        {"kind": "rate_limit", "retry_after": 1, "probability": 0.4, "seed": 6},
        {"kind": "refuse", "error": "internal_error", "probability": 0.4, "seed": 7},
    ],
    ids=lambda fault: f"{fault['kind']}-{fault['seed']}",
)
async def test_no_card_is_lost_or_doubled_under_faults(
    floor: Floor, fault: dict[str, object]
) -> None:
    floor.sandbox.faults.add({"server": "slack", "path": POST, **fault})
    async with floor.responder(request_timeout=1.0, landing=0.7):
        for number in range(CARDS):
            await hear(floor, number)
        await all_posted(floor, CARDS)
    assert [fault["hits"] for fault in floor.sandbox.faults.list()] != [0]
    assert copies(floor) == dict.fromkeys(copies(floor), 1)
    assert len(floor.cards()) == CARDS


async def test_a_responder_killed_while_posting_leaves_one_card_each(floor: Floor) -> None:
    floor.sandbox.faults.add({"server": "slack", "path": POST, "kind": "cut", "probability": 0.3})
    for number in range(CARDS):
        await hear(floor, number)
    for _ in range(3):
        # Cancelled at once, as near to kill -9 as one process can come: nothing is drained.
        config = floor.config.model_copy(update={"request_timeout": 1.0, "landing": 0.5})
        task = asyncio.create_task(run_slack(config, stop=asyncio.Event()))
        count = len(floor.cards())
        with suppress(AssertionError):
            await seen(lambda count=count: len(floor.cards()) > count, within=5)  # type: ignore[misc]
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    floor.sandbox.faults.clear()
    async with floor.responder(request_timeout=1.0, landing=0.5):
        await all_posted(floor, CARDS)
    assert max(copies(floor).values()) == 1
    assert len(copies(floor)) == CARDS


async def test_edits_survive_faults_and_end_at_the_last_version(floor: Floor) -> None:
    floor.sandbox.faults.add(
        {"server": "slack", "path": "/api/chat.update", "kind": "server_error", "count": 2}
    )
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        assert (await floor.press(card, b.CLAIM)).ok
        await seen(lambda: "@ana since" in words(card))


async def test_a_card_that_slack_refuses_is_posted_plainly(floor: Floor) -> None:
    fault = {"kind": "refuse", "error": "msg_blocks_too_long", "count": 1}
    floor.sandbox.faults.add({"server": "slack", "path": POST, **fault})
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        assert "case_claim" in words(card)
        assert "My parcel" not in str(card.blocks)


async def test_a_missed_deadline_is_told_step_by_step_in_the_thread(
    valkey: EmbeddedValkey, embedded_kafka: EmbeddedKafka
) -> None:
    quick = Policy(
        first_response=dict.fromkeys(Priority, timedelta(seconds=2)),
        repeat_every=timedelta(hours=1),
        partitions=4,
    )
    async with a_floor(valkey, embedded_kafka, policy=quick) as floor, floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage(urgency=Urgency.HIGH))
        card = await floor.card()
        await seen(lambda: len(floor.thread(card)) >= 2)
        told = [words(alert) for alert in floor.thread(card)]
        assert any("⚠️ *At risk*" in text for text in told)
        assert any("🔴 *Deadline missed*" in text and "backup" in text for text in told)
        await seen(lambda: "🔴 breached" in words(card))
        assert max(copies(floor).values()) == 1
    assert sum(record["pings"]["broadcast"] for record in floor.history.of("message")) == 0


class _Known:
    """A ledger that knows one case."""

    def __init__(self, case: Case) -> None:
        self.case = case

    async def read_case(self, case_id: str) -> Case | None:
        return self.case if case_id == self.case.case_id else None

    async def read_mention(self, mention_id: str, shard: int) -> MentionTriaged | None:
        del mention_id, shard

    async def reply_text(self, effect_id: str, shard: int) -> str | None:
        del effect_id, shard


async def test_a_second_copy_is_swept_and_the_known_card_stays() -> None:
    async with Sandbox(SandboxConfig(channels=("care", "ops"))) as sandbox:
        client = SlackClient(a_config(base_url=sandbox.slack_api_url))
        await client.start()
        care = await client.channel("care")
        story = Story()
        tag = Tag(key=f"card:{story.case.case_id}", case_id=story.case.case_id)
        stood = [
            await client.post(care.id, text=f"copy {n}", blocks=[], tag=tag) for n in (1, 2, 3)
        ]
        assert story.case.card is not None
        known = Story().but(
            card=type(story.case.card)(channel=care.id, ts=stood[1], shown_version=2)
        )
        sweeper = Sweeper(client, _Known(known.case), SystemClock(), landing=0.1)
        assert await sweeper.sweep() == 0
        sweeper.suspect(care.id)
        assert await sweeper.sweep() == 2
        where = sandbox.slack.workspace.channel("care")
        assert [ts for ts, one in where.by_ts.items() if not one.deleted] == [stood[1]]
        await client.stop()


async def test_slacks_own_limits_are_kept_without_a_single_refusal() -> None:
    config = SandboxConfig(channels=("care", "other", "ops"), pace=Pace.REAL)
    async with Sandbox(config) as sandbox:
        client = SlackClient(a_config(base_url=sandbox.slack_api_url, paced=True))
        await client.start()
        started = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            for name in ("care", "other"):
                channel = await client.channel(name)
                for number in range(4):
                    group.create_task(client.post(channel.id, text=str(number), blocks=[]))
        passed = asyncio.get_running_loop().time() - started
        await client.stop()
        assert sandbox.history.answers.get("slack 429", 0) == 0
        assert 1.8 <= passed < 6


@pytest.mark.parametrize("how", ["cut", "wedged"])
async def test_a_silent_socket_is_replaced_and_clicks_go_on(floor: Floor, how: str) -> None:
    sockets = floor.sandbox.slack.sockets
    sockets.ack_s = 0.5
    async with floor.responder(silent_after=0.4, connections=2):
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        if how == "cut":
            await sockets.disconnect(abort=True)
        else:
            assert sockets.wedge() == 2, "open, and not a word comes over them"
            assert not (await floor.press(card, b.CLAIM)).ok, "nobody hears the click"
        await seen(lambda: len(floor.history.of("socket_closed")) >= 2)
        await seen(lambda: sockets.count >= 1)

        async def pressed() -> bool:
            return (await floor.press(card, b.CLAIM)).ok

        await seen(pressed)
        await seen(lambda: "@ana since" in words(card))
