"""Storms over Slack: limits, answers that drip or are cut, sockets that swallow a click.

Rows 23, 24 and 28 of the fault matrix, with short times.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from careline.runtime.tether import tethered
from responders.slack import buttons as b
from schemas.mentions import AuthorRef
from schemas.triage import Urgency
from tests.responders.slack.builders import a_mention, a_triage
from tests.responders.slack.floor import Floor, seen, words
from tests.responders.slack.test_posting import CARDS, all_posted, copies, fresh, hear
from tests.support.door import Door, Mood
from tests.support.scale import scaled
from tests.support.tls_front import Blow, TlsFront

POST = "/api/chat.postMessage"
CARDS_EACH = 3
WAITING = scaled(20, 60)
DOWN_S = scaled(1, 600)
RETRY_AFTER = scaled(2, 30)


async def test_after_a_long_time_without_slack_every_card_is_posted_once(floor: Floor) -> None:
    down = floor.sandbox.faults.add(
        {"server": "slack", "path": POST, "kind": "server_error", "accepted": False}
    )
    async with floor.responder(request_timeout=1.0, landing=0.3):
        for number in range(WAITING):
            await hear(floor, number)
        await seen(lambda: down.hits >= WAITING, within=30)
        await asyncio.sleep(DOWN_S)
        assert floor.cards() == []
        assert all(case.is_live for case in (await floor.world.cases()).values())
        floor.sandbox.faults.clear()
        await all_posted(floor, WAITING, within=scaled(60, 300))
    assert copies(floor) == dict.fromkeys(copies(floor), 1)
    assert len(floor.cards()) == WAITING


@asynccontextmanager
async def a_responder_process(floor: Floor, front: TlsFront, log: Path) -> AsyncIterator[Path]:
    """Run a responder that trusts the front's certificate; its log is a file."""
    changes = {"base_url": front.url, "request_timeout": 1.0, "landing": 0.5}
    config = floor.config.model_copy(update=changes).model_dump(mode="json")
    secrets = ("bot_token", "app_token", "redis")
    config |= {name: getattr(floor.config, name).get_secret_value() for name in secrets}
    arguments = [sys.executable, "-m", "tests.support.responder_process", json.dumps(config)]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *tethered(arguments),
            stdout=output,
            stderr=output,
            env=os.environ | {"SSL_CERT_FILE": str(front.certificate)},
            start_new_session=True,
        )
    try:
        yield log
    finally:
        process.kill()
        await process.wait()


def posts(floor: Floor) -> int:
    """Count how often a message was tried."""
    return sum(n for name, n in floor.history.requests.items() if "chat.postMessage" in name)


async def test_a_storm_of_limits_is_waited_out_as_long_as_told_and_loses_no_card(
    floor: Floor,
) -> None:
    fault = floor.sandbox.faults.add(
        {"server": "slack", "path": POST, "kind": "rate_limit", "retry_after": RETRY_AFTER}
    )
    began = time.monotonic()
    async with floor.responder(request_timeout=5.0, landing=0.5):
        for number in range(CARDS):
            await hear(floor, number)
        await seen(lambda: fault.hits > 0)
        span = 0.0
        while span < RETRY_AFTER * 1.5:
            # Counted before the time is taken: a machine that is slow allows more, never less.
            tried = posts(floor)
            span = time.monotonic() - began
            most = CARDS * (1 + span / RETRY_AFTER)
            assert tried <= most, "no card asks again before the time that Slack named"
            await asyncio.sleep(0.05)
        await seen(lambda: posts(floor) > tried, within=RETRY_AFTER + 10)
        floor.sandbox.faults.clear()
        await all_posted(floor, CARDS, within=RETRY_AFTER + 20)
    assert copies(floor) == dict.fromkeys(copies(floor), 1)
    assert len(floor.cards()) == CARDS


async def test_after_a_storm_of_limits_slack_shows_the_most_urgent_first(floor: Floor) -> None:
    """All cards of one channel, asked for in the wrong order while Slack lets none through."""
    fault = floor.sandbox.faults.add(
        {"server": "slack", "path": POST, "kind": "rate_limit", "retry_after": 3}
    )
    urgencies = (Urgency.NONE, Urgency.NORMAL, Urgency.CRITICAL) * 2
    async with floor.responder(paced=True, request_timeout=5.0):
        for number, urgency in enumerate(urgencies):
            author = AuthorRef(id=str(number), handle=f"person{number}")
            mention = a_mention(number, at=fresh(), author=author)
            await floor.world.hear(mention, a_triage(urgency=urgency))

        async def all_wait() -> bool:
            return len(await floor.world.cases()) == len(urgencies) and fault.hits > 0

        await seen(all_wait)
        floor.sandbox.faults.clear()
        await all_posted(floor, len(urgencies))
        cases = (await floor.world.cases()).values()
    shown = sorted(cases, key=lambda case: case.card.ts if case.card is not None else "")
    order = [case.obligations[0].priority for case in shown]
    # One may be at the door already when the storm ends.
    assert order[1:] == sorted(order[1:]), order
    assert copies(floor) == dict.fromkeys(copies(floor), 1)


@pytest.mark.parametrize("mood", [Mood.DRIPPING, Mood.RESET, Mood.FROZEN])
async def test_an_answer_that_drips_or_is_cut_costs_no_card_and_makes_no_second_one(
    floor: Floor, mood: Mood
) -> None:
    """The request may have been accepted each time: nobody can tell from the answer."""
    async with Door(floor.config.base_url) as door:
        async with floor.responder(base_url=door.url, request_timeout=0.8, landing=0.3):
            door.mood = mood
            for number in range(CARDS):
                await hear(floor, number)
            await seen(lambda: door.held + door.shut >= CARDS)
            door.mood = Mood.OPEN
            await all_posted(floor, CARDS)
        assert len(floor.cards()) == CARDS
        assert copies(floor) == dict.fromkeys(copies(floor), 1)


async def test_tls_connections_that_are_reset_cost_no_card_and_make_no_second_one(
    floor: Floor, tmp_path: Path
) -> None:
    front = TlsFront(floor.config.base_url, tmp_path, path=POST.encode())
    async with front, a_responder_process(floor, front, tmp_path / "responder.log") as log:
        await seen(lambda: floor.sandbox.slack.sockets.count >= 1, within=60)
        for number, blow in enumerate(Blow):
            front.blow = blow
            for one in range(CARDS_EACH):
                await hear(floor, number * CARDS_EACH + one)
            await seen(lambda blow=blow: front.struck[blow] >= CARDS_EACH)  # type: ignore[misc]
            front.blow = None
            await all_posted(floor, (number + 1) * CARDS_EACH)
    assert len(floor.cards()) == CARDS_EACH * len(Blow), log.read_text(encoding="utf-8")[-3000:]
    assert copies(floor) == dict.fromkeys(copies(floor), 1)


async def test_a_click_whose_acknowledgement_is_lost_is_one_claim_when_pressed_again(
    floor: Floor,
) -> None:
    async with floor.responder(connections=2):
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        floor.sandbox.faults.add({"kind": "cut", "server": "socket", "count": 1})
        assert not (await floor.press(card, b.CLAIM)).ok, "Slack says that it did not work"

        async def pressed() -> bool:
            return (await floor.press(card, b.CLAIM)).ok or "@ana since" in words(card)

        await seen(pressed)
        await seen(lambda: "@ana since" in words(card))
        case = await floor.case(lambda case: case.claim is not None)
        assert case.claim is not None
        assert case.claim.holder.id == f"slack:{floor.ana}"
        assert case.claims == 1
