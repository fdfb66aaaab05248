"""The control API, the command lines, and X in the corners."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import tweepy

from careline.sandbox import Sandbox
from careline.sandbox.x.writing import weighted_length
from tests.careline.sandbox.conftest import Case, Control, Json, card
from tests.careline.sandbox.test_stream_files import THREAD


async def run(module: str, *options: str) -> Json:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *options, stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


async def test_the_feeder_has_a_command_line(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "s.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in THREAD))
    fed = await run(
        "careline.sandbox.feeder", "--control", sandbox.control_url, "--stream", str(file),
        "--limit", "3", "--restamp",
    )  # fmt: skip
    assert (fed["lines"], fed["customers"], fed["own"]) == (3, 2, 1)
    assert sandbox.x.store.posts[int(fed["ids"]["1"])].created_at > "2020"


async def test_the_agents_have_a_command_line(
    sandbox: Sandbox, case_app: Case, channel: str
) -> None:
    await case_app.client.chat_postMessage(channel=channel, **card("s07-1"))
    done = await run(
        "careline.sandbox.agents", "--control", sandbox.control_url, "--share", "1",
        "--seconds", "2",
    )  # fmt: skip
    assert done["replies"] == 1


async def test_history_is_filtered_by_any_fact(slack: Any, channel: str, control: Control) -> None:
    for case in ("s07-1", "s07-2", "s07-1"):
        await slack.chat_postMessage(channel=channel, **card(case))
    where = "kind=message&metadata.event_payload.key=s07-1"
    found = (await control.get(f"history?{where}"))["records"]
    assert len(found) == 2
    assert found[0]["at"] <= found[1]["at"]
    later = (await control.get(f"history?{where}&since={found[0]['seq']}"))["records"]
    assert [record["seq"] for record in later] == [found[1]["seq"]]
    assert len((await control.get("history?limit=1"))["records"]) == 1
    assert (await control.get("history"))["counts"] == {"message": 3}


async def test_lines_that_cannot_be_used_are_reported(control: Control) -> None:
    lines = [
        '{"author": "jo", "text": "@AcmeCare fine"}',
        '{"author": "jo"}',
        '{"kind": "unheard"}',
        "broken",
        '{"kind": "edit", "ref": "none", "text": "x"}',
        '{"kind": "garbage", "account": "AcmeCare", "item": 7}',
        '{"author": "jo", "text": 7}',
    ]
    headers = {"Content-Type": "application/x-ndjson"}
    url = f"{control.url}/sandbox/x/posts"
    async with control.http.post(url, data="\n".join(lines), headers=headers) as response:
        body = await response.json()
    assert body["posted"] == 1
    assert [error["line"] for error in body["errors"]] == [2, 3, 4, 5, 6, 7]
    assert (await control.delete("x/posts/12345"))["error"].startswith("KeyError")


async def test_what_was_served_when_is_known(x: Any, brand: Json, control: Control) -> None:
    post_id = await control.mention()
    assert (await control.get("x/backlog"))["backlog"] == 1
    assert (await control.get("x/backlog?below=1&timeout=0.05"))["backlog"] == 1
    await x.get_users_mentions(brand["id"], user_auth=True)
    assert list((await control.get("x/served?account=AcmeCare"))["served_at"]) == [post_id]
    assert (await control.get("x/backlog?below=1"))["backlog"] == 0
    assert "error" in await control.get("x/served?account=nobody")
    accounts = (await control.get("x/accounts"))["accounts"]
    assert [account["username"] for account in accounts] == ["AcmeCare"]


async def test_a_post_can_appear_later_than_younger_ones(
    x: Any, brand: Json, control: Control
) -> None:
    late = await control.mention("@AcmeCare late", appears_after=0.2)
    early = await control.mention("@AcmeCare early")
    page = await x.get_users_mentions(brand["id"], user_auth=True)
    assert [post["id"] for post in page["data"]] == [early]
    async with asyncio.timeout(5):
        while len(page["data"]) < 2:
            page = await x.get_users_mentions(brand["id"], user_auth=True)
    assert [post["id"] for post in page["data"]] == [early, late]


async def test_a_quote_summons_and_the_rule_can_be_switched_off(x: Any, control: Control) -> None:
    own = (await x.create_tweet(text="News!"))["data"]["id"]
    quote = await control.mention("look at that", quoted=own)
    assert (await x.create_tweet(text="Glad!", in_reply_to_tweet_id=quote))["data"]
    other = await control.mention("nothing")
    await control.post("x/settings", {"summoned_only": False})
    assert (await x.create_tweet(text="Hi!", in_reply_to_tweet_id=other))["data"]
    await x.delete_tweet(own)
    with pytest.raises(tweepy.Forbidden):
        await x.delete_tweet(quote)


async def test_parameters_out_of_range_are_refused(
    sandbox: Sandbox, http: aiohttp.ClientSession, brand: Json
) -> None:
    headers = {"Authorization": f"Bearer {brand['bearer_token']}"}
    for path in (
        f"users/{brand['id']}/mentions?max_results=4",
        f"users/{brand['id']}/mentions?since_id=abc",
        f"users/{brand['id']}/mentions?pagination_token=!!",
        "tweets",
        "tweets/search/recent",
        "dm_events?max_results=101",
    ):
        async with http.get(f"{sandbox.x_url}/2/{path}", headers=headers) as response:
            assert response.status == 400, path


async def test_what_is_not_there_is_a_partial_error(x: Any, control: Control) -> None:
    assert (await x.get_user(username="nobody"))["errors"][0]["parameter"] == "username"
    assert (await x.get_user(id=1))["errors"][0]["resource_id"] == "1"
    assert (await x.get_users_mentions(1))["errors"][0]["resource_type"] == "user"
    assert (await x.get_tweet(1))["errors"][0]["resource_type"] == "tweet"
    post_id = await control.mention()
    assert (await x.get_tweet(post_id))["data"]["id"] == post_id
    found = await x.search_recent_tweets("help from:jo")
    assert [post["id"] for post in found["data"]] == [post_id]
    assert (await x.search_recent_tweets("nothing to:jo"))["meta"]["result_count"] == 0


async def test_messages_and_accounts_that_are_refused(x: Any, control: Control) -> None:
    with pytest.raises(tweepy.Forbidden, match="cannot send"):
        await x.create_direct_message(participant_id=1, text="hi")
    with pytest.raises(tweepy.Forbidden, match="not a participant"):
        await x.create_direct_message(dm_conversation_id="1-2", text="hi")
    await control.post("x/accounts", {"username": "AcmeCare", "suspended": True})
    with pytest.raises(tweepy.Forbidden, match="suspended"):
        await x.get_me()


@pytest.mark.parametrize(
    ("text", "length"),
    [("hello", 5), ("日本", 4), ("see https://example.com/a/very/long/path", 27), ("é", 1)],
)
def test_a_text_is_counted_as_x_counts(text: str, length: int) -> None:
    assert weighted_length(text) == length


async def test_settings_that_make_no_sense_are_refused(control: Control) -> None:
    assert "error" in await control.post("pace", {"x": "fast"})
    made = await control.post("slack/users", {"users": [{"name": "eve", "id": "U0EVE"}]})
    assert made["users"][0]["id"] == "U0EVE"
    assert (await control.get("health"))["ok"]
