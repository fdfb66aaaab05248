"""Replies on X: sent once, looked up when nobody knows, never repeated, refused in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from careline.domain.case import Case
from careline.domain.policy import Policy
from careline.ledger.executor import ExecutorSettings
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.kafka import GroupReader
from connectors.base import ReplyTarget
from connectors.errors import DuplicateText, OutcomeUnknown, Refused, TargetGone
from connectors.replay.replies import ReplayReplies
from connectors.replies import ReplyDesk, group_of
from connectors.x.replies import XReplies
from schemas import commands as c
from schemas.identity import case_id
from schemas.mentions import HeardRecord, MentionReceived
from schemas.topics import CASES_EVENTS
from tests.connectors.stages import XStage, x_stage
from tests.support.ledger import PARTITIONS, LedgerWorld, ledger_world, until
from tests.support.stories import ANA

QUICK = ExecutorSettings(
    request_timeout=0.6, landing=0.2, unsettled_after=4.0, search_every=0.3, blocked_pause=0.3
)
NOBODY: frozenset[str] = frozenset()


def now() -> datetime:
    return datetime.now(UTC)


def a_target(native_id: str) -> ReplyTarget:
    return ReplyTarget(native_id=native_id, conversation=native_id, direct=False)


async def test_a_reply_stands_under_what_it_answers() -> None:
    async with x_stage() as stage:
        asked = await stage.put(author="ann", text="@acme where?")
        native_id = await XReplies(stage.connector).reply(a_target(asked), "on its way")
        (sent,) = stage.sandbox.history.query(kind="reply", where={})
        assert (sent["id"], sent["in_reply_to"], sent["text"]) == (native_id, asked, "on its way")


async def test_a_direct_message_goes_into_its_conversation() -> None:
    async with x_stage() as stage:
        asked = await stage.put(kind="dm", **{"from": "ann", "to": "acme", "text": "hi"})
        page = await stage.connector.read("direct_messages", "0", sweep=False)
        root = page.records[0].conversation.root
        sender = XReplies(stage.connector)
        target = ReplyTarget(native_id=asked, conversation=root, direct=True)
        native_id = await sender.reply(target, "hello")
        found = await sender.find(target, "hello", since=now(), adopted=NOBODY)
        assert found == native_id
        (sent,) = stage.sandbox.history.query(kind="dm", where={})
        assert sent["to"] == "ann"


async def test_a_reply_is_found_by_its_words_target_and_time() -> None:
    async with x_stage() as stage:
        asked = await stage.put(author="ann", text="@acme where?")
        other = await stage.put(author="bob", text="@acme where?")
        sender = XReplies(stage.connector)
        native_id = await sender.reply(a_target(asked), "on  its way & soon https://a.example/x")
        words = "on its way &amp; soon"
        since = now() - timedelta(seconds=5)
        assert await sender.find(a_target(asked), words, since=since, adopted=NOBODY) == native_id
        adopted = frozenset({native_id})
        assert await sender.find(a_target(asked), words, since=since, adopted=adopted) is None
        assert await sender.find(a_target(other), words, since=since, adopted=NOBODY) is None
        assert await sender.find(a_target(asked), "else", since=since, adopted=NOBODY) is None
        later = now() + timedelta(hours=1)
        assert await sender.find(a_target(asked), words, since=later, adopted=NOBODY) is None


async def test_refusals_are_told_apart() -> None:
    async with x_stage() as stage:
        asked = await stage.put(author="ann", text="@acme where?")
        unsummoned = await stage.put(author="ann", text="no brand here")
        sender = XReplies(stage.connector)
        await sender.reply(a_target(asked), "the same")
        with pytest.raises(DuplicateText):
            await sender.reply(a_target(asked), "the same")
        with pytest.raises(Refused, match="only to authors who mentioned"):
            await sender.reply(a_target(unsummoned), "hello")
        with pytest.raises(TargetGone):
            await sender.reply(a_target("1"), "hello")
        with pytest.raises(Refused, match="too long"):
            await sender.reply(a_target(asked), "x" * 281)
        stage.fault(kind="cut", path="/2/tweets", method="POST")
        with pytest.raises(OutcomeUnknown):
            await sender.reply(a_target(asked), "cut off")


async def test_replies_to_a_replayed_file_are_written_down_and_found(tmp_path: Path) -> None:
    sender = ReplayReplies("replay", "acme", tmp_path / "replies.jsonl")
    since = now()
    assert await sender.find(a_target("7"), "hi", since=since, adopted=NOBODY) is None
    native_id = await sender.reply(a_target("7"), "hi")
    with (tmp_path / "replies.jsonl").open("a") as file:
        file.write('{"torn')
    assert await sender.find(a_target("7"), "hi", since=since, adopted=NOBODY) == native_id
    assert await sender.find(a_target("8"), "hi", since=since, adopted=NOBODY) is None


class Shop:
    """A ledger, the stand-in X, and a desk that sends replies."""

    def __init__(self, ledger: LedgerWorld, stage: XStage, desk: ReplyDesk) -> None:
        self.ledger, self.stage, self.desk = ledger, stage, desk

    async def asked(self, text: str) -> str:
        """Have a customer ask; return the case."""
        await self.stage.put(author="ann", text=f"@acme {text}")
        page = await self.stage.connector.read("mentions", "0", sweep=False)
        record: HeardRecord = page.records[-1]
        assert isinstance(record, MentionReceived)
        await self.ledger.hear(record)
        await self.pump()
        key = record.conversation.key
        return case_id(record.line, 1, conversation=key, partitions=PARTITIONS)

    async def reply(self, case: str, text: str, *, name: str = "r") -> None:
        """Have an agent claim the case and answer."""
        found = await self.case(case)
        facts: dict[str, Any] = {"case_id": case, "issued_at": now(), "actor": ANA}
        until_ = now() + timedelta(hours=1)
        await self.ledger.command(c.ClaimCase(command_id=f"{name}-claim", **facts))
        await self.ledger.command(
            c.ReplyToCase(
                command_id=name,
                text=text,
                covers=tuple(each.mention_id for each in found.obligations),
                not_after=until_,
                **facts,
            )
        )
        await self.pump()

    async def case(self, case: str) -> Case:
        found = await self.ledger.ledger.read_case(case)
        assert found is not None
        return found

    async def pump(self) -> None:
        """Do what a worker does."""
        await self.ledger.pump()
        await self.ledger.drain_all()

    async def settled(self, case: str) -> Case:
        """Wait until no reply of the case is in flight."""

        async def done() -> bool:
            await self.pump()
            return (await self.case(case)).reply is None

        await until(done, within=30.0, what="the reply settles")
        return await self.case(case)

    def sent(self) -> list[dict[str, Any]]:
        return self.stage.sandbox.history.query(kind="reply", where={})


@asynccontextmanager
async def a_shop(kafka: EmbeddedKafka, valkey: EmbeddedValkey) -> AsyncIterator[Shop]:
    policy = Policy(partitions=PARTITIONS)
    async with ledger_world(valkey, kafka, policy) as ledger, x_stage() as stage:
        await ledger.recover_all()
        senders = [XReplies(stage.connector)]
        events = GroupReader(kafka.bootstrap, CASES_EVENTS.name, group_of(senders), client_id="t")
        await events.start()
        desk = ReplyDesk(
            senders,
            ledger=ledger.ledger,
            producer=ledger.producer,
            events=events,
            settings=QUICK,
        )
        stop = asyncio.Event()
        task = asyncio.create_task(desk.run(stop))
        try:
            yield Shop(ledger, stage, desk)
        finally:
            stop.set()
            await asyncio.wait_for(task, 20)
            await events.stop()


async def test_an_agents_reply_reaches_x_and_the_case_knows_its_id(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_shop(embedded_kafka, valkey) as shop:
        case = await shop.asked("where is it?")
        await shop.reply(case, "on its way")
        settled = await shop.settled(case)
        (sent,) = shop.sent()
        assert settled.delivered == (sent["id"],)
        assert not settled.open_obligations


async def test_a_cut_after_x_accepted_is_adopted_and_never_repeated(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_shop(embedded_kafka, valkey) as shop:
        case = await shop.asked("where is it?")
        shop.stage.fault(kind="cut", path="/2/tweets", method="POST")
        await shop.reply(case, "on its way")
        settled = await shop.settled(case)
        (sent,) = shop.sent()
        assert settled.delivered == (sent["id"],)
        assert shop.stage.sandbox.history.requests["x POST /2/tweets"] == 1


async def test_an_error_page_and_a_late_landing_are_adopted_too(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_shop(embedded_kafka, valkey) as shop:
        case = await shop.asked("where is it?")
        shop.stage.fault(
            kind="late_landing", path="/2/tweets", method="POST", seconds=1.5, answer="error"
        )
        await shop.reply(case, "on its way")
        settled = await shop.settled(case)
        (sent,) = shop.sent()
        assert settled.delivered == (sent["id"],)
        assert shop.stage.sandbox.history.requests["x POST /2/tweets"] == 1


async def test_what_is_never_found_is_for_a_person_to_say(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_shop(embedded_kafka, valkey) as shop:
        case = await shop.asked("where is it?")
        shop.stage.fault(kind="server_error", path="/2/tweets", method="POST", accepted=False)
        await shop.reply(case, "on its way")

        async def unsettled() -> bool:
            await shop.pump()
            reply = (await shop.case(case)).reply
            return reply is not None and reply.state == "unsettled"

        await until(unsettled, within=30.0, what="the reply is unsettled")
        assert shop.sent() == []
        assert shop.stage.sandbox.history.requests["x POST /2/tweets"] == 1
        assert (await shop.case(case)).open_obligations


async def test_a_limit_is_waited_out_and_the_reply_sent_once(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_shop(embedded_kafka, valkey) as shop:
        case = await shop.asked("where is it?")
        shop.stage.fault(kind="rate_limit", path="/2/tweets", method="POST", count=1, retry_after=1)
        await shop.reply(case, "on its way")
        settled = await shop.settled(case)
        assert settled.delivered == tuple(each["id"] for each in shop.sent())
        assert len(shop.sent()) == 1


async def test_a_refusal_gives_the_case_back_with_its_query_open(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_shop(embedded_kafka, valkey) as shop:
        case = await shop.asked("where is it?")
        await shop.reply(case, "x" * 400)
        settled = await shop.settled(case)
        assert shop.sent() == []
        assert settled.open_obligations
