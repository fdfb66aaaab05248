"""Every fault, on both stand-ins: what the client sees, and whether the effect happened."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
import tweepy
from slack_sdk.errors import SlackApiError

from careline.sandbox import Sandbox
from careline.sandbox.common.faults import FaultPlan
from tests.careline.sandbox.conftest import Case, Control, Json, card, until
from tests.careline.sandbox.test_socket import BareSocket, press

POST = "*chat.postMessage"


async def texts(slack: Any, channel: str) -> list[str]:
    page = await slack.conversations_history(channel=channel)
    return [message["text"] for message in page["messages"]]


async def test_a_rate_limit_says_when_to_come_back(
    slack: Any, channel: str, control: Control
) -> None:
    await control.fault(kind="rate_limit", server="slack", path=POST, count=1, retry_after=7)
    with pytest.raises(SlackApiError) as error:
        await slack.chat_postMessage(channel=channel, text="a")
    assert error.value.response.status_code == 429
    assert error.value.response.headers["Retry-After"] == "7"
    await slack.chat_postMessage(channel=channel, text="b")
    assert await texts(slack, channel) == ["b"]


async def test_a_rate_limit_of_x_has_its_headers(x: Any, brand: Json, control: Control) -> None:
    await control.fault(kind="rate_limit", server="x", path="*/mentions", retry_after=60)
    with pytest.raises(tweepy.TooManyRequests) as error:
        await x.get_users_mentions(brand["id"], user_auth=True)
    assert int(error.value.response.headers["x-rate-limit-reset"]) > 0


@pytest.mark.parametrize(("accepted", "left"), [(False, []), (True, ["a"])])
async def test_a_server_error_is_html_with_or_without_effect(  # noqa: PLR0913
    slack: Any, channel: str, control: Control, *, accepted: bool, left: list[str],
    http: aiohttp.ClientSession, sandbox: Sandbox,
) -> None:  # fmt: skip
    await control.fault(
        kind="server_error", server="slack", path=POST, status=502, accepted=accepted, count=1
    )
    headers = {"Authorization": "Bearer xoxb-sandbox"}
    url, body = f"{sandbox.slack_api_url}chat.postMessage", {"channel": channel, "text": "a"}
    async with http.post(url, json=body, headers=headers) as response:
        assert (response.status, response.content_type) == (502, "text/html")
    assert await texts(slack, channel) == left


async def test_an_html_error_reaches_tweepy_as_it_does_in_life(x: Any, control: Control) -> None:
    await control.fault(kind="server_error", server="x", path="/2/users/me")
    with pytest.raises(aiohttp.ContentTypeError):
        await x.get_me()


@pytest.mark.parametrize(("accepted", "left"), [(True, ["a"]), (False, [])])
async def test_a_cut_connection_leaves_the_client_unsure(
    slack: Any, channel: str, control: Control, *, accepted: bool, left: list[str]
) -> None:
    await control.fault(kind="cut", server="slack", path=POST, count=1, accepted=accepted)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await slack.chat_postMessage(channel=channel, text="a")
    assert await texts(slack, channel) == left


async def test_a_reply_can_land_although_the_client_heard_nothing(
    x: Any, control: Control, brand: Json
) -> None:
    post_id = await control.mention()
    await control.fault(kind="cut", server="x", method="POST", path="/2/tweets", count=1)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await x.create_tweet(text="On it!", in_reply_to_tweet_id=post_id)
    own = await x.get_users_tweets(brand["id"], user_auth=True)
    assert [post["text"] for post in own["data"]] == ["On it!"]
    with pytest.raises(tweepy.Forbidden, match="duplicate"):
        await x.create_tweet(text="On it!", in_reply_to_tweet_id=post_id)


async def test_an_effect_lands_late_after_a_cut(
    slack: Any, channel: str, control: Control, sandbox: Sandbox
) -> None:
    await control.fault(kind="late_landing", server="slack", path=POST, seconds=0.2, count=1)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await slack.chat_postMessage(channel=channel, text="a")
    assert await texts(slack, channel) == []
    await until(lambda: sandbox.history.of("message"))
    assert await texts(slack, channel) == ["a"]


async def test_an_accepted_effect_can_be_seen_late(
    slack: Any, channel: str, control: Control
) -> None:
    await control.fault(
        kind="late_landing", server="slack", path=POST, seconds=0.3, answer="ok", count=1
    )
    assert (await slack.chat_postMessage(channel=channel, text="a"))["ok"]
    assert await texts(slack, channel) == []
    async with asyncio.timeout(5):
        while await texts(slack, channel) != ["a"]:
            await asyncio.sleep(0.02)


async def test_a_write_can_happen_twice(slack: Any, channel: str, control: Control) -> None:
    await control.fault(kind="duplicate", server="slack", path=POST, count=1)
    await slack.chat_postMessage(channel=channel, **card("s07-1"))
    summary = (await control.get("summary?detail=1"))["slack"]
    assert (summary["cards"], summary["keys"]) == (2, 1)
    assert summary["duplicates"] == summary["duplicates_visible"] == {"s07-1": 2}
    page = await slack.conversations_history(channel=channel)
    await slack.chat_delete(channel=channel, ts=page["messages"][0]["ts"])
    summary = (await control.get("summary"))["slack"]
    assert (summary["duplicates"], summary["duplicates_visible"]) == ({"s07-1": 2}, {})


async def test_a_page_can_list_its_items_twice(x: Any, brand: Json, control: Control) -> None:
    await control.mention()
    await control.fault(kind="duplicate", server="x", method="GET", path="*/mentions")
    page = await x.get_users_mentions(brand["id"], user_auth=True)
    assert len(page["data"]) == 2


async def test_a_stalled_server_says_nothing(slack: Any, channel: str, control: Control) -> None:
    await control.fault(kind="stall", server="slack", path=POST, count=1, accepted=True)
    slack.timeout = 1
    with pytest.raises(TimeoutError):
        await slack.chat_postMessage(channel=channel, text="a")
    assert await texts(slack, channel) == ["a"]


async def test_a_named_refusal(slack: Any, channel: str, control: Control) -> None:
    await control.fault(kind="refuse", server="slack", path=POST, error="fatal_error", count=1)
    with pytest.raises(SlackApiError, match="fatal_error"):
        await slack.chat_postMessage(channel=channel, text="a")


async def test_an_envelope_can_come_twice_and_the_click_is_one(
    control: Control, case_app: Case, channel: str, ana: str
) -> None:
    ts = (await case_app.client.chat_postMessage(channel=channel, **card("s07-1")))["ts"]
    await control.fault(kind="duplicate", server="socket", path="interactive", count=1)
    assert (await press(control, ana, {"channel": channel, "ts": ts}, "case_claim"))["ok"]
    assert len(await control.records("interaction")) == 1


@pytest.mark.parametrize("kind", ["stall", "cut"])
async def test_a_wedged_or_cut_socket_is_an_error_for_the_user(  # noqa: PLR0913
    *,
    sandbox: Sandbox, http: aiohttp.ClientSession, control: Control, slack: Any, channel: str,
    ana: str, kind: str,
) -> None:  # fmt: skip
    sandbox.slack.sockets.ack_s = 0.1
    socket = await BareSocket.open(sandbox, http)
    ts = (await slack.chat_postMessage(channel=channel, **card("s07-1")))["ts"]
    await control.fault(kind=kind, server="socket", path="interactive", count=1)
    done = await press(control, ana, {"channel": channel, "ts": ts}, "case_claim")
    assert (done["ok"], done["error"]) == (False, "no_ack")
    if kind == "cut":
        await until(lambda: socket.closed)
    else:
        assert socket.envelopes() == []
        await socket.close()


def test_the_same_seed_hits_the_same_requests() -> None:
    def hits(seed: int) -> list[bool]:
        plan = FaultPlan()
        plan.add({"kind": "cut", "server": "x", "probability": 0.3, "seed": seed})
        return [plan.pick("x", "POST", "/2/tweets") is not None for _ in range(200)]

    assert hits(1) == hits(1)
    assert hits(1) != hits(2)
    assert 30 < sum(hits(1)) < 90


async def test_faults_are_listed_and_cleared(control: Control) -> None:
    made = await control.fault(kind="cut", server="x", path="/2/tweets")
    assert [fault["id"] for fault in (await control.get("faults"))["faults"]] == [made["id"]]
    assert (await control.delete(f"faults/{made['id']}"))["cleared"] == 1
    assert (await control.get("faults"))["faults"] == []
    assert "error" in await control.fault(kind="earthquake")
    assert "error" in await control.fault(kind="cut", probability=1)
