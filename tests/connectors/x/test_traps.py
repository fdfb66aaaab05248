"""The six traps of tweepy, each with the test that we do not step into it.

Trap 2 (a callback that raises ends the stream in silence) is avoided by not using the stream; the
test holds us to that.
"""

from __future__ import annotations

import gc
import logging
import time
import warnings
from pathlib import Path

import pytest
from aiohttp import web
from tweepy.asynchronous import AsyncClient

import connectors.x
from connectors.errors import BudgetExhausted, OutcomeUnknown, RateLimited
from connectors.x.client import XClient, XSession
from tests.connectors.servers import serving
from tests.connectors.stages import x_config, x_stage
from tests.connectors.x.test_errors import config

OAUTH_1 = {
    "bearer_token": None,
    "consumer_key": "sandbox-consumer",
    "consumer_secret": "sandbox-consumer-secret",
    "access_token": "1-sandbox",
    "access_token_secret": "sandbox-secret-acme",
}


async def test_trap_1_requests_go_to_the_configured_host() -> None:
    async with x_stage() as stage:
        assert stage.sandbox.history.requests["x GET /2/users/me"] == 1


async def test_trap_1_signed_requests_go_there_too_and_stay_as_they_were_signed() -> None:
    async with x_stage() as stage:
        account = stage.sandbox.x.store.account("acme")
        secrets = {**OAUTH_1, "access_token": account.access_token}
        async with XSession() as session:
            client = XClient(x_config(stage.sandbox, **secrets), session)
            body = await client.call(
                "get_users_mentions", str(account.id), start_time="2026-01-01T00:00:00Z"
            )
    assert body["meta"]["result_count"] == 0


def test_trap_2_no_stream_of_tweepy_is_used() -> None:
    folder = Path(connectors.x.__file__).parent
    for module in folder.glob("*.py"):
        assert "StreamingClient" not in module.read_text(encoding="utf-8"), module
    assert "streaming: no" in (folder / "quality.yaml").read_text(encoding="utf-8")


async def test_trap_3_a_server_error_in_html_is_one_of_our_errors() -> None:
    async with x_stage() as stage:
        stage.fault(kind="server_error", status=503, path="/2/users/*/mentions", count=1)
        with pytest.raises(OutcomeUnknown):
            await stage.connector.read("mentions", "0", sweep=False)
        await stage.connector.read("mentions", "0", sweep=False)


async def test_trap_4_a_limit_without_a_reset_makes_one_request_and_then_rests() -> None:
    requests = 0

    async def refuse(_request: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        return web.json_response({"title": "Too Many Requests"}, status=429)

    async with serving(refuse) as url, XSession() as session:
        client = XClient(config(url), session)
        for _ in range(3):
            with pytest.raises(RateLimited) as caught:
                await client.call("get_users_mentions", "1")
            assert caught.value.retry_after is not None
            assert caught.value.retry_after > 50
    assert requests == 1


async def test_trap_4_the_last_allowed_answer_already_makes_us_rest() -> None:
    requests = 0

    async def nearly_none(_request: web.Request) -> web.Response:
        nonlocal requests
        requests += 1
        reset = str(int(time.time()) + 900)
        heads = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": reset}
        return web.json_response({"meta": {"result_count": 0}}, headers=heads)

    async with serving(nearly_none) as url, XSession() as session:
        client = XClient(config(url), session)
        await client.call("get_users_mentions", "1")
        with pytest.raises(RateLimited):
            await client.call("get_users_mentions", "1")
        await client.call("get_users_tweets", "1")
    assert requests == 2


async def test_trap_5_a_spent_budget_is_told_apart() -> None:
    async def unpaid(_request: web.Request) -> web.Response:
        return web.json_response({"title": "CreditsDepleted"}, status=402)

    async with serving(unpaid) as url, XSession() as session:
        with pytest.raises(BudgetExhausted) as caught:
            await XClient(config(url), session).call("get_users_mentions", "1")
    assert caught.value.retry_after


async def test_trap_6_one_session_is_used_again_and_nothing_leaks_when_requests_fail() -> None:
    peers: set[object] = set()

    async def fail(request: web.Request) -> web.Response:
        peers.add(request.transport)
        return web.Response(status=500, text="<h1>no</h1>", content_type="text/html")

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        async with serving(fail) as url, XSession() as session:
            client = XClient(config(url), session)
            for _ in range(20):
                with pytest.raises(OutcomeUnknown):
                    await client.call("get_me")
        gc.collect()
    assert len(peers) == 1


async def test_trap_7_tweepys_debug_log_of_bodies_and_tokens_stays_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with x_stage() as stage:
        store = stage.sandbox.x.store
        ann = store.account("ann")
        pair = sorted((ann.id, store.account("acme").id))
        await stage.connector.client.call(
            "create_direct_message", dm_conversation_id=f"{pair[0]}-{pair[1]}", text="PRIVATE-WORDS"
        )
    assert "PRIVATE-WORDS" not in caplog.text
    assert "sandbox-bearer" not in caplog.text


def test_tweepy_still_has_the_traps_that_we_work_around() -> None:
    """If this fails, tweepy has changed: look whether a work-around can go."""
    source = Path(AsyncClient.__module__.replace(".", "/") + ".py")
    text = next(p for p in _site_packages() if (p / source).exists()).joinpath(source).read_text()
    assert 'url = "https://api.twitter.com" + route' in text
    assert "session = self.session or aiohttp.ClientSession()" in text


def _site_packages() -> list[Path]:
    return [Path(AsyncClient.request.__code__.co_filename).parents[2]]
