"""Modals, menus and notes in the corners that a plain card does not reach."""

from __future__ import annotations

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from careline.sandbox import Sandbox
from tests.careline.sandbox.conftest import Case, Control, Json, modal, plain, until
from tests.careline.sandbox.test_socket import press

OPTIONS = [{"text": plain("1 hour"), "value": "1h"}, {"text": plain("1 day"), "value": "1d"}]


def field(name: str, element: Json, *, optional: bool = False) -> Json:
    return {
        "type": "input", "block_id": name, "label": plain(name), "optional": optional,
        "element": {"action_id": "v", **element},
    }  # fmt: skip


FORM = {
    **modal("form", field("when", {"type": "static_select", "options": OPTIONS}), "s07-1"),
    "notify_on_close": True,
    "external_id": "form-1",
}
FORM["blocks"] = [
    *FORM["blocks"],
    field("who", {"type": "users_select"}, optional=True),
    field("tags", {"type": "checkboxes", "options": OPTIONS}, optional=True),
    field("note", {"type": "plain_text_input", "min_length": 3, "max_length": 5}, optional=True),
]


async def menu_message(slack: Any, channel: str) -> Json:
    elements = [
        {"type": "static_select", "action_id": "pick", "options": OPTIONS},
        {"type": "users_select", "action_id": "person"},
        {"type": "button", "action_id": "go", "value": "x", "text": plain("Go"), "style": "danger"},
    ]
    posted = await slack.chat_postMessage(
        channel=channel, text="menu", blocks=[{"type": "actions", "elements": elements}]
    )
    return {"channel": channel, "ts": posted["ts"]}


@pytest.fixture
def heard(case_app: Case) -> list[Json]:
    """Every action and view that the app was told of."""
    calls: list[Json] = []

    async def note(ack: Any, body: Json) -> None:
        await ack()
        calls.append(body)

    for name in ("pick", "person"):
        case_app.app.action(name)(note)
    case_app.app.view_closed("form")(note)
    return calls


async def opened(case_app: Case, control: Control, channel: str, ana: str) -> Json:
    async def go(ack: Any, body: Json, client: Any) -> None:
        await ack()
        await client.views_open(trigger_id=body["trigger_id"], view=FORM)

    case_app.app.action("go")(go)
    where = await menu_message(case_app.client, channel)
    return (await press(control, ana, where, "go", wait_view_s=5))["view"]


async def test_menus_say_what_was_chosen(
    case_app: Case, control: Control, channel: str, ana: str, heard: list[Json]
) -> None:
    where = await menu_message(case_app.client, channel)
    await press(control, ana, where, "pick", value="1d")
    await press(control, ana, where, "person", value=ana)
    await until(lambda: len(heard) == 2)
    assert heard[0]["actions"][0]["selected_option"] == OPTIONS[1]
    assert heard[1]["actions"][0]["selected_user"] == ana
    assert heard[0]["channel"]["name"] == "care"


async def test_a_form_hands_over_every_kind_of_value(
    case_app: Case, control: Control, channel: str, ana: str
) -> None:
    seen: list[Json] = []

    async def sent(ack: Any, view: Json) -> None:
        await ack(
            response_action="update", view=modal("done", field("x", {"type": "datepicker"}), "y")
        )
        seen.append(view["state"]["values"])

    case_app.app.view("form")(sent)
    view = await opened(case_app, control, channel, ana)
    values = {"when": {"v": "1h"}, "who": {"v": ana}, "tags": {"v": ["1d"]}, "note": {"v": "ab"}}
    body = {"user": ana, "view": view["id"], "values": values}
    assert (await control.post("slack/submit", body))["errors"] == {
        "note": "Use at least 3 characters."
    }
    values["note"] = {"v": "abcdef"}
    assert "at most 5" in (await control.post("slack/submit", body))["errors"]["note"]
    values["note"] = {"v": "abc"}
    done = await control.post("slack/submit", body)
    assert done["ok"]
    assert done["view"]["callback_id"] == "done"
    state = seen[0]
    assert state["when"]["v"]["selected_option"]["value"] == "1h"
    assert state["who"]["v"]["selected_user"] == ana
    assert [option["value"] for option in state["tags"]["v"]["selected_options"]] == ["1d"]
    assert state["note"]["v"]["value"] == "abc"


async def test_closing_is_told_to_those_who_asked(
    *, case_app: Case, control: Control, channel: str, ana: str, heard: list[Json],
    sandbox: Sandbox,
) -> None:  # fmt: skip
    view = await opened(case_app, control, channel, ana)
    assert (await control.post("slack/close", {"user": ana, "view": view["id"]}))["ok"]
    await until(lambda: heard)
    assert heard[0]["type"] == "view_closed"
    assert sandbox.slack.workspace.top_view(ana) is None
    again = await control.post("slack/close", {"user": ana, "view": view["id"]})
    assert again["error"] == "no_such_view"
    gone = await control.post("slack/submit", {"user": ana, "view": view["id"]})
    assert gone["error"] == "no_such_view"


async def test_a_view_is_updated_by_hash_and_pushed_on_others(
    case_app: Case, control: Control, channel: str, ana: str, sandbox: Sandbox
) -> None:
    view = await opened(case_app, control, channel, ana)
    client, workspace = case_app.client, sandbox.slack.workspace
    with pytest.raises(SlackApiError, match="hash_conflict"):
        await client.views_update(view_id=view["id"], hash="old", view=FORM)
    newer = modal("newer", {"type": "divider"}, "z")
    await client.views_update(external_id="form-1", hash=view["hash"], view=newer)
    assert workspace.views[view["id"]].body["callback_id"] == "newer"
    for _ in range(2):
        await client.views_push(trigger_id=workspace.trigger(ana), view=newer)
    with pytest.raises(SlackApiError, match="push_limit_reached"):
        await client.views_push(trigger_id=workspace.trigger(ana), view=newer)
    with pytest.raises(SlackApiError, match="not_found"):
        await client.views_update(view_id="V0NONE", view=newer)
    top = workspace.top_view(ana)
    assert top is not None
    assert top.previous is not None


@pytest.mark.parametrize(
    "change",
    [
        {"title": plain("x" * 25)},
        {"private_metadata": "x" * 3001},
        {"submit": None},
        {"type": "window"},
        {"blocks": [{"type": "divider"}] * 101},
    ],
)
async def test_a_view_is_held_to_its_limits(
    sandbox: Sandbox, slack: Any, ana: str, change: Json
) -> None:
    trigger = sandbox.slack.workspace.trigger(ana)
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        await slack.api_call("views.open", json={"trigger_id": trigger, "view": {**FORM, **change}})


async def test_the_rest_of_the_web_api(
    slack: Any, channel: str, ana: str, sandbox: Sandbox, control: Control
) -> None:
    posted = await slack.chat_postMessage(channel=channel, text="x")
    await slack.reactions_add(channel=channel, timestamp=posted["ts"], name="eyes")
    with pytest.raises(SlackApiError, match="already_reacted"):
        await slack.reactions_add(channel=channel, timestamp=posted["ts"], name="eyes")
    page = await slack.conversations_history(channel=channel)
    assert page["messages"][0]["reactions"][0]["count"] == 1
    found = await slack.users_lookupByEmail(email="ana@example.com")
    assert found["user"]["id"] == ana
    with pytest.raises(SlackApiError, match="users_not_found"):
        await slack.users_lookupByEmail(email="eve@example.com")
    direct = await slack.conversations_open(users=ana)
    sent = await slack.chat_postMessage(channel=ana, text="psst")
    assert sent["channel"] == direct["channel"]["id"]
    await control.post("slack/channels", {"name": "care", "bot_is_member": False})
    with pytest.raises(SlackApiError, match="not_in_channel"):
        await slack.chat_postMessage(channel=channel, text="x")
    await slack.conversations_join(channel=channel)
    await slack.chat_delete(channel=channel, ts=posted["ts"])
    assert sandbox.slack.workspace.channels[channel].by_ts[posted["ts"]].deleted
    with pytest.raises(SlackApiError, match="thread_not_found"):
        await slack.conversations_replies(channel=channel, ts=posted["ts"])
    with pytest.raises(SlackApiError, match="invalid_cursor"):
        await slack.conversations_history(channel=channel, cursor="%%%")


@pytest.mark.parametrize(
    ("answer", "text", "deleted"),
    [({"text": "new", "replace_original": True}, "new", False),
     ({"delete_original": True}, "menu", True),
     ({"text": "hi all", "response_type": "in_channel"}, "menu", False)],
)  # fmt: skip
async def test_a_response_url_changes_what_was_clicked(  # noqa: PLR0913
    *, sandbox: Sandbox, control: Control, slack: Any, channel: str, ana: str, answer: Json,
    text: str, deleted: bool,
) -> None:  # fmt: skip
    where = await menu_message(slack, channel)
    key = sandbox.slack.workspace.response_url(ana, channel, where["ts"])
    url = f"{sandbox.slack_url}/response/{key}"
    async with control.http.post(url, json=answer) as response:
        assert (await response.json())["ok"]
    message = sandbox.slack.workspace.channels[channel].by_ts[where["ts"]]
    assert (message.text, message.deleted) == (text, deleted)
    count = len(sandbox.slack.workspace.channels[channel].order)
    assert count == (2 if "response_type" in answer else 1)
