"""The stand-in Slack's Web API, spoken to by the real slack_sdk."""

from __future__ import annotations

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from careline.sandbox import Sandbox
from careline.sandbox.slack.blocks import faults_of
from tests.careline.sandbox.conftest import Control, card, plain

Slack = AsyncWebClient


async def refused(call: object) -> str:
    with pytest.raises(SlackApiError) as error:
        await call  # type: ignore[misc]
    return str(error.value.response["error"])


async def test_a_wrong_token_is_refused(sandbox: Sandbox, control: Control) -> None:
    wrong = AsyncWebClient(token="xoxb-other", base_url=sandbox.slack_api_url)
    assert await refused(wrong.auth_test()) == "invalid_auth"
    right = AsyncWebClient(token="xoxb-sandbox", base_url=sandbox.slack_api_url)
    assert (await right.auth_test())["user_id"] == "U0CARELINE"
    await control.post("slack/tokens", {"revoked": True})
    assert await refused(right.auth_test()) == "token_revoked"


async def test_metadata_is_shown_only_if_asked_for(slack: Slack, channel: str) -> None:
    posted = await slack.chat_postMessage(channel=channel, **card("s01-1"))
    plain_page = await slack.conversations_history(channel=channel)
    assert "metadata" not in plain_page["messages"][0]
    page = await slack.conversations_history(channel=channel, include_all_metadata=True)
    assert page["messages"][0]["ts"] == posted["ts"]
    assert page["messages"][0]["metadata"]["event_payload"] == {"key": "s01-1"}


async def test_history_pages_newest_first_within_bounds(slack: Slack, channel: str) -> None:
    all_ts = [(await slack.chat_postMessage(channel=channel, text=str(n)))["ts"] for n in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await slack.conversations_history(channel=channel, limit=3, cursor=cursor)
        seen += [message["ts"] for message in page["messages"]]
        if not page["has_more"]:
            break
        cursor = page["response_metadata"]["next_cursor"]
    assert seen == all_ts[::-1]
    part = await slack.conversations_history(channel=channel, oldest=all_ts[2], latest=all_ts[5])
    assert [m["ts"] for m in part["messages"]] == [all_ts[4], all_ts[3]]
    both = await slack.conversations_history(
        channel=channel, oldest=all_ts[2], latest=all_ts[3], inclusive=True
    )
    assert len(both["messages"]) == 2


async def test_a_thread_is_not_in_the_channel(slack: Slack, channel: str) -> None:
    parent = await slack.chat_postMessage(channel=channel, text="parent")
    metadata = {"event_type": "note", "event_payload": {"key": "n1"}}
    await slack.chat_postMessage(
        channel=channel, thread_ts=parent["ts"], text="child", metadata=metadata
    )
    page = await slack.conversations_history(channel=channel)
    assert [m["text"] for m in page["messages"]] == ["parent"]
    assert page["messages"][0]["reply_count"] == 1
    thread = await slack.conversations_replies(
        channel=channel, ts=parent["ts"], include_all_metadata=True
    )
    assert [m["text"] for m in thread["messages"]] == ["parent", "child"]
    assert thread["messages"][1]["metadata"]["event_payload"]["key"] == "n1"


async def test_an_update_without_blocks_keeps_them_and_an_empty_list_removes_them(
    slack: Slack, channel: str
) -> None:
    ts = (await slack.chat_postMessage(channel=channel, **card("s01-1")))["ts"]
    kept = await slack.chat_update(channel=channel, ts=ts, text="other text")
    assert len(kept["message"]["blocks"]) == 3
    gone = await slack.chat_update(channel=channel, ts=ts, text="no card", blocks=[])
    assert "blocks" not in gone["message"]
    assert "edited" in gone["message"]


async def test_errors_are_those_of_slack(slack: Slack, channel: str, control: Control) -> None:
    ts = (await slack.chat_postMessage(channel=channel, text="x"))["ts"]
    assert await refused(slack.chat_postMessage(channel="C0NONE", text="x")) == "channel_not_found"
    assert await refused(slack.chat_update(channel=channel, ts="1.0", text="x")) == (
        "message_not_found"
    )
    long = "x" * 4001
    assert await refused(slack.chat_update(channel=channel, ts=ts, text=long)) == "msg_too_long"
    empty = slack.api_call("chat.postMessage", json={"channel": channel})
    assert await refused(empty) == "no_text"
    assert await refused(slack.views_open(trigger_id="1.2", view=_view())) == "invalid_trigger_id"
    await control.post("slack/channels", {"name": "care", "is_archived": True})
    assert await refused(slack.chat_postMessage(channel=channel, text="x")) == "is_archived"
    assert await refused(slack.api_call("chat.unheardOf")) == "unknown_method"
    await control.post("slack/channels", {"name": "dms", "bot_is_member": False})
    assert await refused(slack.conversations_info(channel="dms")) == "channel_not_found"


async def test_channels_and_users_are_listed(slack: Slack, channel: str, ana: str) -> None:
    public = await slack.conversations_list()
    assert [c["name"] for c in public["channels"]] == ["care"]
    both = await slack.conversations_list(types="public_channel,private_channel")
    assert [c["is_private"] for c in both["channels"]] == [False, True]
    assert (await slack.users_info(user=ana))["user"]["name"] == "ana"
    assert {u["name"] for u in (await slack.users_list())["members"]} == {"careline", "ana", "ben"}
    link = await slack.chat_postMessage(channel=channel, text="x")
    found = await slack.chat_getPermalink(channel=channel, message_ts=link["ts"])
    assert found["permalink"].endswith(f"/archives/{channel}/p{link['ts'].replace('.', '')}")


async def test_an_ephemeral_note_is_in_no_history(
    slack: Slack, channel: str, ana: str, control: Control
) -> None:
    await slack.chat_postEphemeral(channel=channel, user=ana, text="taken by ben")
    assert (await slack.conversations_history(channel=channel))["messages"] == []
    assert (await control.records("ephemeral"))[0]["user"] == ana
    shown = await control.get(f"slack/changes?since=0&user={ana}")
    assert "taken by ben" in [m["text"] for m in shown["messages"]]
    other = await control.get("slack/changes?since=0&user=U0BEN")
    assert other["messages"] == []


@pytest.mark.parametrize(
    ("block", "fits"),
    [
        ({"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3000}}, True),
        ({"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}, False),
        ({"type": "header", "text": plain("x" * 151)}, False),
        ({"type": "header", "text": {"type": "mrkdwn", "text": "x"}}, False),
        ({"type": "section", "fields": [plain("x")] * 11}, False),
        ({"type": "section"}, False),
        ({"type": "section", "text": plain("")}, False),
        ({"type": "context", "elements": [plain("x")] * 11}, False),
        ({"type": "invented"}, False),
        ({"type": "divider", "block_id": "x" * 256}, False),
    ],
)
def test_a_block_is_held_to_its_limits(block: dict[str, object], fits: bool) -> None:  # noqa: FBT001
    assert (faults_of([block])[0] == "") is fits


@pytest.mark.parametrize(
    ("change", "fits"),
    [({}, True), ({"value": "x" * 2001}, False), ({"text": plain("x" * 76)}, False),
     ({"style": "blue"}, False), ({"action_id": "x" * 256}, False)],
)  # fmt: skip
def test_a_button_is_held_to_its_limits(change: dict[str, object], fits: bool) -> None:  # noqa: FBT001
    button = {"type": "button", "action_id": "a", "text": plain("Go"), **change}
    code, _ = faults_of([{"type": "actions", "elements": [button]}])
    assert (code == "") is fits


def test_the_whole_is_limited_too() -> None:
    divider = {"type": "divider"}
    assert faults_of([divider] * 50)[0] == ""
    assert faults_of([divider] * 51)[0] == "invalid_blocks"
    text = {"type": "section", "text": plain("x" * 2900)}
    assert faults_of([text] * 5)[0] == "msg_blocks_too_long"
    twice = {"type": "divider", "block_id": "b"}
    assert faults_of([twice, twice])[0] == "invalid_blocks"


async def test_a_refused_message_leaves_no_trace(
    slack: Slack, channel: str, control: Control
) -> None:
    blocks = [{"type": "header", "text": plain("x" * 151)}]
    call = slack.api_call(
        "chat.postMessage", json={"channel": channel, "text": "x", "blocks": blocks}
    )
    assert await refused(call) == "invalid_blocks"
    assert await control.records("message") == []


def _view() -> dict[str, object]:
    return {"type": "modal", "title": plain("x"), "blocks": [{"type": "divider"}]}
