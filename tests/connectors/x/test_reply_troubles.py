"""Replies that X refuses for what they say, or for who says it: played to their end."""

from __future__ import annotations

from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.connectors.x.test_replies import a_shop
from tests.support.ledger import until


async def test_a_text_that_stands_already_elsewhere_is_refused_and_the_query_stays_open(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_shop(embedded_kafka, valkey) as shop:
        first = await shop.asked("where is mine?")
        await shop.reply(first, "on its way", name="one")
        assert (await shop.settled(first)).delivered
        second = await shop.asked("and mine?")
        await shop.reply(second, "on its way", name="two")

        settled = await shop.settled(second)

        assert settled.open_obligations
        assert settled.delivered == ()
        assert len(shop.sent()) == 1


async def test_a_duplicate_after_a_cut_is_our_own_reply_and_never_a_second_one(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    """X accepted it, and shows it too late for the first search: the next attempt is a 403."""
    async with a_shop(embedded_kafka, valkey) as shop:
        case = await shop.asked("where is it?")
        shop.stage.fault(kind="cut", path="/2/tweets", method="POST", count=1)
        shop.stage.fault(
            kind="server_error", path="/2/users/*/tweets", method="GET", accepted=False, count=4
        )
        await shop.reply(case, "on its way")

        settled = await shop.settled(case)

        (sent,) = shop.sent()
        assert settled.delivered == (sent["id"],)
        assert not settled.open_obligations


async def test_a_suspended_account_keeps_its_replies_until_it_is_back_and_sends_each_once(
    embedded_kafka: EmbeddedKafka, valkey: EmbeddedValkey
) -> None:
    async with a_shop(embedded_kafka, valkey) as shop:
        case = await shop.asked("where is it?")
        account = shop.stage.sandbox.x.store.account("acme")
        account.suspended = True
        await shop.reply(case, "on its way")

        async def tried_again() -> bool:
            await shop.pump()
            return shop.stage.sandbox.history.requests["x POST /2/tweets"] >= 3

        await until(tried_again, within=20.0, what="some attempts")
        waiting = await shop.case(case)
        assert waiting.is_live
        assert waiting.open_obligations
        assert shop.sent() == []
        account.suspended = False

        settled = await shop.settled(case)

        (sent,) = shop.sent()
        assert settled.delivered == (sent["id"],)
