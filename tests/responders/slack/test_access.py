"""Access that is gone: a channel archived, the app removed from it, its token revoked.

Row 26 of the fault matrix: cards go elsewhere, cases stay live, and an operator hears of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from careline.domain.case import Case
from careline.domain.effects import card_effect
from careline.ledger.auditing.bounds import Bounds
from schemas.events import CaseKind
from schemas.identity import shard_of_case
from tests.responders.slack.builders import a_mention, a_triage, an_operations_story
from tests.responders.slack.floor import Floor, seen, words
from tests.responders.slack.test_posting import hear
from tests.responders.slack.test_words import alert
from tests.support.auditing import Audit

AT_ONCE = Bounds(effect_refused=timedelta(0))


async def posted(floor: Floor, kind: CaseKind, number: int = 1) -> list[Case]:
    """Wait until there are so many cases of a kind, each with its card."""

    async def ask() -> list[Case] | None:
        cases = [case for case in (await floor.world.cases()).values() if case.kind is kind]
        return cases if len(cases) == number and all(case.card for case in cases) else None

    found = await seen(ask)
    assert found is not None
    return found


def close(floor: Floor, how: str) -> None:
    if how == "archived":
        floor.care.is_archived = True
    else:
        floor.care.bot_is_member = False
        floor.care.is_private = True


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("how", ["archived", "removed"])
async def test_a_closed_channel_is_answered_by_operations_and_is_an_alarm(
    floor: Floor, how: str, when: str
) -> None:
    with capture_logs() as logs:
        await closed_and_told(floor, how, when)
    said = [one for one in logs if one["event"] == "channel closed to us, using operations"]
    assert {one["log_level"] for one in said} == {"error"}


async def closed_and_told(floor: Floor, how: str, when: str) -> None:
    if when == "before":
        close(floor, how)
    async with floor.responder():
        if when == "meanwhile":
            await hear(floor, 0)
            await floor.card("care")
            close(floor, how)
        for number in (1, 2):
            await hear(floor, number)
        # Far within the minute that the matrix allows: ``seen`` waits 15 s at most.
        cases = await posted(floor, CaseKind.CARE, 2 + (when == "meanwhile"))
        ops = floor.workspace.channel("ops").id
        moved = [case for case in cases if case.card is not None and case.card.channel == ops]
        assert len(moved) == 2
        assert all(case.is_live and case.open_obligations for case in cases)

        async def counted() -> bool:
            (told,) = await posted(floor, CaseKind.OPERATIONS)
            return told.is_live and told.count == 2

        await seen(counted)
        card = await floor.card("ops", having="closed channel acme:public")
        await seen(lambda: "*2* messages were posted in operations" in words(card))
        assert "/invite" in words(card)


@asynccontextmanager
async def a_dead_mans_switch() -> AsyncIterator[tuple[str, list[str]]]:
    """What alarms when it is not called: a server on loopback that notes its calls."""
    heard: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        heard.append(request.path)
        return web.Response()

    app = web.Application()
    app.router.add_get("/beat", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/beat", heard
    finally:
        await runner.cleanup()


async def again(floor: Floor, case: Case) -> None:
    """Have the card's effect looked at now, in place of a minute after it was blocked."""
    shard = shard_of_case(case.case_id) or 0
    where = f"{{s{shard:02d}}}:effects:slack"
    await floor.world.client.zadd(where, {card_effect(case.case_id): 0}, xx=True)


async def test_a_revoked_token_keeps_the_case_live_and_is_an_alarm_until_it_is_mended(
    floor: Floor,
) -> None:
    async with a_dead_mans_switch() as (url, heard), floor.responder():
        audit = Audit(floor.world, bounds=AT_ONCE, heartbeat=url)
        assert (await audit.auditor.round()).clean
        floor.workspace.revoked = True
        await floor.world.hear(a_mention(at=datetime.now(UTC)), a_triage())
        case = await floor.case(lambda case: case.open_obligations)

        async def alarmed() -> bool:
            await again(floor, case)
            await audit.auditor.round()
            return audit.broken("effect_gets_through") > 0

        with capture_logs() as logs:
            await seen(alarmed)
        said = [one for one in logs if one["event"] == "effect blocked"]
        assert {(one["log_level"], one["reason"]) for one in said} == {("error", "token_revoked")}
        # Slack can say nothing now: it is Prometheus and the dead man's switch that alarm.
        assert audit.metrics.value("careline_audit_findings", invariant="effect_gets_through") >= 1
        beats = len(heard)
        for _ in range(5):
            await again(floor, case)
            assert not (await audit.auditor.round()).clean
        assert len(heard) == beats, "no heartbeat while nothing gets through"
        assert floor.cards() == []
        assert (await floor.world.cases())[case.case_id].is_live

        floor.workspace.revoked = False

        async def clean() -> bool:
            for one in (await floor.world.cases()).values():
                await again(floor, one)
            return (await audit.auditor.round()).clean

        await seen(clean)
        assert audit.metrics.value("careline_audit_findings", invariant="effect_gets_through") == 0
        assert len(heard) == beats + 1
        assert len(floor.cards()) == 1
        assert await floor.card("ops", having="auditor: effect_gets_through")


def test_an_alert_of_a_closed_channel_says_how_to_open_it() -> None:
    story = an_operations_story().but(subject="closed channel acme:public: is_archived")
    shown, pings = alert(story, "step", "ops")
    assert "let the app into the channel" in shown
    assert "redrive" not in shown
    assert pings["targets"] == []
