"""Socket Mode, with the real Bolt and slack_sdk at the other end."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError

from careline.sandbox import Sandbox
from tests.careline.sandbox.conftest import Case, Control, Json, card, until


class BareSocket:
    """A socket that acknowledges only when told to."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.got: list[Json] = []
        self.closed = False
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, sandbox: Sandbox, http: aiohttp.ClientSession) -> BareSocket:
        headers = {"Authorization": "Bearer xapp-sandbox"}
        url = f"{sandbox.slack_api_url}apps.connections.open"
        async with http.post(url, headers=headers) as response:
            address = (await response.json())["url"]
        return cls(await http.ws_connect(address))

    async def _read(self) -> None:
        async for message in self.ws:
            self.got.append(message.json())
        self.closed = True

    def envelopes(self) -> list[Json]:
        return [message for message in self.got if "envelope_id" in message]

    async def close(self) -> None:
        await self.ws.close()
        await self._task


@pytest.fixture
async def posted(case_app: Case, channel: str) -> Json:
    answer = await case_app.client.chat_postMessage(channel=channel, **card("s07-1"))
    return {"channel": channel, "ts": answer["ts"]}


async def press(control: Control, ana: str, where: Json, action: str, **more: Any) -> Json:
    return await control.post("slack/press", {"user": ana, **where, "action_id": action, **more})


async def test_a_click_reaches_bolt_and_the_card_changes(
    sandbox: Sandbox, control: Control, posted: Json, ana: str
) -> None:
    done = await press(control, ana, posted, "case_claim")
    assert done["ok"]
    message = sandbox.slack.workspace.channels[posted["channel"]].by_ts[posted["ts"]]
    await until(lambda: message.text == "claimed by ana")
    record = (await control.records("interaction"))[0]
    assert (record["acked"], record["value"], record["user_name"]) == (True, "s07-1", "ana")


async def test_a_modal_is_opened_filled_in_and_sent(
    case_app: Case, control: Control, posted: Json, ana: str
) -> None:
    opened = await press(control, ana, posted, "case_reply", wait_view_s=5)
    view = opened["view"]["id"]
    empty = await control.post("slack/submit", {"user": ana, "view": view})
    assert empty["errors"] == {"reply": "Please complete this required field."}
    rude = {"user": ana, "view": view, "values": {"reply": {"text": "rude"}}}
    assert (await control.post("slack/submit", rude))["errors"] == {"reply": "Be kind."}
    kind = {"user": ana, "view": view, "values": {"reply": {"text": "Sorry!"}}}
    done = await control.post("slack/submit", kind)
    assert done["ok"]
    assert done["view"] is None
    assert case_app.replies == [("s07-1", "Sorry!")]


async def test_a_control_that_is_gone_cannot_be_used(
    control: Control, posted: Json, ana: str
) -> None:
    done = await press(control, ana, posted, "case_invented")
    assert (done["ok"], done["error"]) == (False, "no_such_control")
    assert await control.records("interaction") == []


async def test_without_a_socket_the_user_sees_an_error(
    sandbox: Sandbox, control: Control, ana: str, channel: str, slack: Any
) -> None:
    ts = (await slack.chat_postMessage(channel=channel, **card("s07-1")))["ts"]
    done = await press(control, ana, {"channel": channel, "ts": ts}, "case_claim")
    assert (done["ok"], done["error"]) == (False, "not_connected")
    assert sandbox.slack.sockets.count == 0


async def test_an_unacknowledged_click_is_an_error_and_never_sent_again(
    *,
    sandbox: Sandbox, http: aiohttp.ClientSession, control: Control, channel: str, ana: str,
    slack: Any,
) -> None:  # fmt: skip
    sandbox.slack.sockets.ack_s = 0.1
    socket = await BareSocket.open(sandbox, http)
    ts = (await slack.chat_postMessage(channel=channel, **card("s07-1")))["ts"]
    done = await press(control, ana, {"channel": channel, "ts": ts}, "case_claim")
    assert (done["ok"], done["error"]) == (False, "no_ack")
    envelope = socket.envelopes()[0]
    await socket.ws.send_json({"envelope_id": envelope["envelope_id"]})
    await until(lambda: sandbox.history.of("ack_ignored"))
    assert len(socket.envelopes()) == 1
    assert not (await control.records("interaction"))[0]["acked"]
    await socket.close()


async def test_each_payload_goes_to_one_of_the_sockets(
    *,
    sandbox: Sandbox, http: aiohttp.ClientSession, control: Control, channel: str, ana: str,
    slack: Any,
) -> None:  # fmt: skip
    sandbox.slack.sockets.ack_s = 0.05
    sockets = [await BareSocket.open(sandbox, http) for _ in range(3)]
    ts = (await slack.chat_postMessage(channel=channel, **card("s07-1")))["ts"]
    for _ in range(6):
        await press(control, ana, {"channel": channel, "ts": ts}, "case_claim")
    assert [len(socket.envelopes()) for socket in sockets] == [2, 2, 2]
    assert sockets[2].got[0]["num_connections"] == 3
    for socket in sockets:
        await socket.close()


async def test_a_trigger_expires_and_is_used_once(sandbox: Sandbox, slack: Any, ana: str) -> None:
    view = {
        "type": "modal", "title": {"type": "plain_text", "text": "x"},
        "blocks": [{"type": "divider"}],
    }  # fmt: skip
    trigger = sandbox.slack.workspace.trigger(ana)
    assert (await slack.views_open(trigger_id=trigger, view=view))["ok"]
    with pytest.raises(SlackApiError, match="exchanged_trigger_id"):
        await slack.views_open(trigger_id=trigger, view=view)
    sandbox.slack.workspace.trigger_s = -1
    late = sandbox.slack.workspace.trigger(ana)
    with pytest.raises(SlackApiError, match="expired_trigger_id"):
        await slack.views_open(trigger_id=late, view=view)


async def test_bolt_comes_back_after_a_refresh(
    sandbox: Sandbox, control: Control, posted: Json, ana: str
) -> None:
    assert (await control.post("slack/disconnect", {}))["sockets"] == 1
    await until(lambda: len(sandbox.history.of("socket_open")) >= 2, seconds=20)
    await until(lambda: sandbox.history.of("socket_closed"))
    assert (await press(control, ana, posted, "case_claim"))["ok"]


async def test_a_slash_command_is_acknowledged(
    sandbox: Sandbox, control: Control, case_app: Case, channel: str, ana: str
) -> None:
    async def status(ack: Any, command: Json) -> None:
        await ack(f"you said {command['text']}")

    case_app.app.command("/careline")(status)
    body = {"user": ana, "channel": channel, "line": "/careline status now"}
    assert (await control.post("slack/command", body))["ok"]
    assert sandbox.slack.workspace.ephemerals[-1].text == "you said status now"


async def test_the_home_tab_is_published_when_opened(
    sandbox: Sandbox, control: Control, case_app: Case, ana: str
) -> None:
    async def opened(event: Json, client: Any) -> None:
        view = {"type": "home", "blocks": [{"type": "divider"}]}
        await client.views_publish(user_id=event["user"], view=view)

    case_app.app.event("app_home_opened")(opened)
    assert (await control.post("slack/home", {"user": ana}))["ok"]
    await until(lambda: ana in sandbox.slack.workspace.homes)


async def test_a_response_url_answers_five_times(
    sandbox: Sandbox, control: Control, case_app: Case, ana: str, posted: Json
) -> None:
    answers: list[int] = []

    async def escalate(ack: Any, respond: Any) -> None:
        await ack()
        for number in range(6):
            answer = await respond(f"note {number}", replace_original=False)
            answers.extend([answer.status_code])

    case_app.app.action("case_resolve")(escalate)
    case_app.app._async_listeners.insert(0, case_app.app._async_listeners.pop())
    assert (await press(control, ana, posted, "case_resolve"))["ok"]
    await until(lambda: len(answers) == 6)
    assert answers == [200] * 5 + [404]
    assert len(sandbox.slack.workspace.ephemerals) == 5
