"""The stand-in X, spoken to by the real tweepy."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
import tweepy
import tweepy.asynchronous

from careline.sandbox import Sandbox
from tests.careline.sandbox.conftest import Control, Json, Rebased

FIELDS = "author_id,conversation_id,created_at,in_reply_to_user_id,referenced_tweets,entities,lang"


async def mentions(x: Any, brand: Json, **options: Any) -> Json:
    return await x.get_users_mentions(brand["id"], user_auth=True, tweet_fields=FIELDS, **options)


async def test_oauth1_and_bearer_both_act_for_the_brand(x: Any, brand: Json) -> None:
    assert (await x.get_me())["data"]["username"] == "AcmeCare"
    assert (await x.get_me(user_auth=False))["data"]["id"] == brand["id"]


async def test_wrong_credentials_are_refused_with_a_problem(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    stranger = tweepy.asynchronous.AsyncClient("nobody")
    stranger.session = Rebased(http, sandbox.x_url)
    with pytest.raises(tweepy.Unauthorized):
        await stranger.get_user(username="AcmeCare")
    async with http.get(f"{sandbox.x_url}/2/users/me") as response:
        assert response.status == 401
        assert (await response.json())["title"] == "Unauthorized"


async def test_an_app_only_token_cannot_read_messages(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    headers = {"Authorization": "Bearer sandbox-app-bearer"}
    async with http.get(f"{sandbox.x_url}/2/dm_events", headers=headers) as response:
        assert response.status == 403


async def test_a_mention_has_only_the_fields_asked_for(
    x: Any, brand: Json, control: Control
) -> None:
    post_id = await control.mention()
    bare = await x.get_users_mentions(brand["id"], user_auth=True)
    assert set(bare["data"][0]) == {"id", "text", "edit_history_tweet_ids"}
    full = await mentions(x, brand, expansions="author_id", user_fields="created_at")
    post = full["data"][0]
    assert post["id"] == post["conversation_id"] == post_id
    assert post["entities"]["mentions"][0] == {
        "start": 0, "end": 9, "username": "AcmeCare", "id": brand["id"],
    }  # fmt: skip
    author = full["includes"]["users"][0]
    assert author["id"] == post["author_id"]
    assert author["username"] == "jo"


async def test_a_thousand_mentions_page_newest_first_without_loss(
    x: Any, brand: Json, control: Control, sandbox: Sandbox
) -> None:
    posts = [{"author": "jo", "text": f"@AcmeCare {n}"} for n in range(1000)]
    lines = "\n".join(json.dumps(post) for post in posts)
    headers = {"Content-Type": "application/x-ndjson"}
    url = f"{control.url}/sandbox/x/posts"
    async with control.http.post(url, data=lines, headers=headers) as response:
        ids = (await response.json())["ids"]
    seen: list[str] = []
    token = None
    while True:
        page = await mentions(x, brand, max_results=100, pagination_token=token)
        seen += [post["id"] for post in page["data"]]
        token = page["meta"].get("next_token")
        if token is None:
            break
    assert seen == list(reversed(ids))
    assert sandbox.x.store.backlog() == 0


async def test_since_id_gives_only_what_is_newer(x: Any, brand: Json, control: Control) -> None:
    first = await control.mention("@AcmeCare one")
    second = await control.mention("@AcmeCare two")
    page = await mentions(x, brand, since_id=first)
    assert [post["id"] for post in page["data"]] == [second]
    empty = await mentions(x, brand, since_id=second)
    assert empty == {"meta": {"result_count": 0}}


async def test_a_page_token_stays_valid_while_posts_arrive(
    x: Any, brand: Json, control: Control
) -> None:
    ids = [await control.mention(f"@AcmeCare {n}") for n in range(8)]
    page = await mentions(x, brand, max_results=5)
    await control.mention("@AcmeCare late")
    rest = await mentions(x, brand, max_results=5, pagination_token=page["meta"]["next_token"])
    assert [post["id"] for post in rest["data"]] == ids[2::-1]


async def test_a_reply_is_in_the_thread_and_on_the_own_timeline(
    x: Any, brand: Json, control: Control
) -> None:
    post_id = await control.mention()
    sent = await x.create_tweet(text="On it!", in_reply_to_tweet_id=post_id)
    own = await x.get_users_tweets(brand["id"], user_auth=True, tweet_fields=FIELDS)
    assert own["data"][0]["id"] == sent["data"]["id"]
    assert own["data"][0]["conversation_id"] == post_id
    assert own["data"][0]["referenced_tweets"] == [{"type": "replied_to", "id": post_id}]
    record = (await control.records("reply"))[0]
    assert (record["in_reply_to"], record["text"]) == (post_id, "On it!")
    found = await x.search_recent_tweets(f"conversation_id:{post_id} from:AcmeCare")
    assert [post["id"] for post in found["data"]] == [sent["data"]["id"]]


async def test_what_x_refuses_is_refused(x: Any, control: Control) -> None:
    post_id = await control.mention()
    await x.create_tweet(text="On it!", in_reply_to_tweet_id=post_id)
    with pytest.raises(tweepy.Forbidden, match="duplicate content"):
        await x.create_tweet(text="On it!", in_reply_to_tweet_id=post_id)
    with pytest.raises(tweepy.Forbidden, match="too long"):
        await x.create_tweet(text="y" * 281, in_reply_to_tweet_id=post_id)
    elsewhere = await control.mention("no handle in here")
    with pytest.raises(tweepy.Forbidden, match="not been mentioned"):
        await x.create_tweet(text="Hello!", in_reply_to_tweet_id=elsewhere)
    await control.delete(f"x/posts/{post_id}")
    with pytest.raises(tweepy.Forbidden, match="deleted"):
        await x.create_tweet(text="Still there?", in_reply_to_tweet_id=post_id)
    assert len(await control.records("reply")) == 1


async def test_an_edit_gets_a_new_id_and_both_list_all_revisions(
    x: Any, brand: Json, control: Control
) -> None:
    first = await control.mention()
    second = (await control.post(f"x/posts/{first}/edit", {"text": "@AcmeCare help!!"}))["id"]
    page = await mentions(x, brand, since_id=first)
    assert page["data"][0]["id"] == second
    assert page["data"][0]["edit_history_tweet_ids"] == [first, second]
    looked_up = await x.get_tweets([first, second], user_auth=True)
    assert all(p["edit_history_tweet_ids"] == [first, second] for p in looked_up["data"])


async def test_a_deleted_post_comes_back_as_an_error_of_the_lookup(
    x: Any, brand: Json, control: Control
) -> None:
    gone, kept = await control.mention("@AcmeCare a"), await control.mention("@AcmeCare b")
    await control.delete(f"x/posts/{gone}")
    answer = await x.get_tweets([gone, kept], user_auth=True)
    assert [post["id"] for post in answer["data"]] == [kept]
    assert answer["errors"][0]["resource_id"] == gone
    assert answer["errors"][0]["type"].endswith("/resource-not-found")
    assert [p["id"] for p in (await mentions(x, brand))["data"]] == [kept]


async def test_direct_messages_go_both_ways(x: Any, control: Control) -> None:
    await control.post("x/dms", {"from": "jo", "to": "AcmeCare", "text": "my order"})
    fields = "sender_id,created_at,dm_conversation_id"
    page = await x.get_direct_message_events(dm_event_fields=fields)
    event = page["data"][0]
    assert (event["event_type"], event["text"]) == ("MessageCreate", "my order")
    sent = await x.create_direct_message(participant_id=event["sender_id"], text="Looking.")
    assert sent["data"]["dm_conversation_id"] == event["dm_conversation_id"]
    thread = await x.get_direct_message_events(participant_id=event["sender_id"])
    assert [e["text"] for e in thread["data"]] == ["Looking.", "my order"]


async def test_garbage_is_served_inside_a_page(x: Any, brand: Json, control: Control) -> None:
    kept = await control.mention()
    line = {"kind": "garbage", "account": "AcmeCare", "item": {"nonsense": True}}
    bad = (await control.post("x/posts", line))["ids"][0]
    page = await mentions(x, brand)
    assert page["data"][0] == {"nonsense": True, "id": bad}
    assert page["data"][1]["id"] == kept


async def test_hostile_text_travels_unchanged(x: Any, brand: Json, control: Control) -> None:
    text = "@AcmeCare \x00 \ud800 \u202e <!channel>" + "x" * 1_000_000
    await control.mention(text)
    assert (await mentions(x, brand))["data"][0]["text"] == text
