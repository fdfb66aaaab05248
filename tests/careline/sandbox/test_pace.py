"""The limits of the real services, when they are switched on."""

from __future__ import annotations

from typing import Any

import pytest
import tweepy
from slack_sdk.errors import SlackApiError

from careline.sandbox import Sandbox
from careline.sandbox.common.pace import Buckets, Windows
from careline.sandbox.x.feeding import put
from tests.careline.sandbox.conftest import Control, Json


async def test_dm_events_allow_fifteen_a_window(x: Any, control: Control) -> None:
    await control.post("pace", {"x": "real"})
    for _ in range(15):
        await x.get_direct_message_events()
    with pytest.raises(tweepy.TooManyRequests) as error:
        await x.get_direct_message_events()
    headers = error.value.response.headers
    assert (headers["x-rate-limit-limit"], headers["x-rate-limit-remaining"]) == ("15", "0")


async def test_unpaced_answers_carry_the_same_headers(
    sandbox: Sandbox, control: Control, brand: Json
) -> None:
    headers = {"Authorization": f"Bearer {brand['bearer_token']}"}
    async with control.http.get(f"{sandbox.x_url}/2/users/me", headers=headers) as response:
        assert int(response.headers["x-rate-limit-remaining"]) > 100_000
        assert int(response.headers["x-rate-limit-reset"]) > 0


async def test_mentions_reach_back_800_only_in_real_pace(
    x: Any, brand: Json, control: Control, sandbox: Sandbox
) -> None:
    for number in range(900):
        put(sandbox.x.store, {"author": "jo", "text": f"@AcmeCare {number}"})
    for pace, expected in (("real", 800), ("none", 900)):
        await control.post("pace", {"x": pace})
        count, token = 0, None
        while True:
            page = await x.get_users_mentions(
                brand["id"], user_auth=True, max_results=100, pagination_token=token
            )
            count += len(page["data"])
            token = page["meta"].get("next_token")
            if token is None:
                break
        assert count == expected


async def test_a_channel_takes_one_message_a_second_after_a_short_burst(
    slack: Any, channel: str, control: Control
) -> None:
    await control.post("pace", {"slack": "real"})
    for number in range(3):
        await slack.chat_postMessage(channel=channel, text=str(number))
    with pytest.raises(SlackApiError) as error:
        await slack.chat_postMessage(channel=channel, text="one too many")
    assert error.value.response.headers["Retry-After"] == "1"
    assert (await slack.chat_postMessage(channel="dms", text="another channel"))["ok"]


async def test_a_tier_is_counted_per_method(slack: Any, control: Control) -> None:
    await control.post("pace", {"slack": "real"})
    for _ in range(20):
        await slack.users_list()
    with pytest.raises(SlackApiError, match="ratelimited"):
        await slack.users_list()
    assert (await slack.conversations_list())["ok"]


def test_a_window_opens_again() -> None:
    now = [1000.0]
    windows = Windows(clock=lambda: now[0])
    assert [windows.take("a", limit=2, seconds=900).allowed for _ in range(3)] == [
        True, True, False,
    ]  # fmt: skip
    now[0] += 900
    assert windows.take("a", limit=2, seconds=900).remaining == 1


def test_a_bucket_refills_at_its_rate() -> None:
    now = [0.0]
    buckets = Buckets(clock=lambda: now[0])
    assert buckets.wait_for("c", per_second=1, burst=1) == 0
    assert buckets.wait_for("c", per_second=1, burst=1) == 1
    now[0] += 0.25
    assert buckets.wait_for("c", per_second=1, burst=1) == 0.75
