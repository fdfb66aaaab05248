"""A running sandbox, and the clients that real applications use to speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import tweepy.asynchronous
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient
from yarl import URL

from careline.sandbox import Sandbox, SandboxConfig

Json = dict[str, Any]


class Control:
    """The control API, as a test uses it."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http

    async def post(self, path: str, body: Json) -> Json:
        async with self.http.post(f"{self.url}/sandbox/{path}", json=body) as response:
            return await response.json()

    async def get(self, path: str) -> Json:
        async with self.http.get(f"{self.url}/sandbox/{path}") as response:
            return await response.json()

    async def delete(self, path: str) -> Json:
        async with self.http.delete(f"{self.url}/sandbox/{path}") as response:
            return await response.json()

    async def mention(self, text: str = "@AcmeCare help", **fields: object) -> str:
        body = await self.post("x/posts", {"author": "jo", "text": text, **fields})
        return body["ids"][0]

    async def fault(self, **fields: object) -> Json:
        return await self.post("faults", dict(fields))

    async def records(self, kind: str) -> list[Json]:
        return (await self.get(f"history?kind={kind}"))["records"]


class Rebased:
    """What tweepy takes as a session: sends to the sandbox what is meant for X."""

    def __init__(self, http: aiohttp.ClientSession, base: str) -> None:
        self._http = http
        self._base = base

    def request(self, method: str, url: object, **options: Any) -> Any:
        target = str(url).replace("https://api.twitter.com", self._base)
        return self._http.request(method, URL(target, encoded=True), **options)


class Case:
    """A Bolt app with a claim button, a reply modal and a resolve modal: what agents work on."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.client = AsyncWebClient(
            token="xoxb-sandbox", base_url=sandbox.slack_api_url, retry_handlers=[]
        )
        self.app = AsyncApp(client=self.client)
        self.handler = AsyncSocketModeHandler(self.app, "xapp-sandbox")
        self.handler.client.web_client.base_url = sandbox.slack_api_url
        self.replies: list[tuple[str, str]] = []
        self.app.action("case_claim")(self._claim)
        self.app.action("case_reply")(self._reply)
        self.app.action("case_resolve")(self._resolve)
        self.app.view("case_reply_modal")(self._replied)
        self.app.view("case_resolve_modal")(self._resolved)

    async def _claim(self, ack: Any, body: Json, client: Any, action: Json) -> None:
        await ack()
        await self._card(client, body, action["value"], f"claimed by {body['user']['name']}")

    async def _card(self, client: Any, body: Json, case: str, state: str) -> None:
        await client.chat_update(
            channel=body["channel"]["id"],
            ts=body["message"]["ts"],
            text=state,
            blocks=card(case, state)["blocks"],
        )

    async def _reply(self, ack: Any, body: Json, client: Any, action: Json) -> None:
        await ack()
        box = {"type": "plain_text_input", "action_id": "text", "max_length": 280}
        block = {"type": "input", "block_id": "reply", "label": plain("Reply"), "element": box}
        view = modal("case_reply_modal", block, action["value"])
        await client.views_open(trigger_id=body["trigger_id"], view=view)

    async def _resolve(self, ack: Any, body: Json, client: Any, action: Json) -> None:
        await ack()
        options = [{"text": plain("Solved"), "value": "solved"}]
        box = {"type": "static_select", "action_id": "choice", "options": options}
        block = {"type": "input", "block_id": "disposition", "label": plain("Why"), "element": box}
        view = modal("case_resolve_modal", block, action["value"])
        await client.views_open(trigger_id=body["trigger_id"], view=view)

    async def _replied(self, ack: Any, view: Json) -> None:
        text = view["state"]["values"]["reply"]["text"]["value"]
        if text == "rude":
            await ack(response_action="errors", errors={"reply": "Be kind."})
            return
        await ack()
        self.replies.append((view["private_metadata"], text))

    async def _resolved(self, ack: Any, view: Json) -> None:
        await ack()
        choice = view["state"]["values"]["disposition"]["choice"]["selected_option"]["value"]
        self.replies.append((view["private_metadata"], choice))


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def modal(callback: str, block: Json, case: str) -> Json:
    return {
        "type": "modal",
        "callback_id": callback,
        "private_metadata": case,
        "title": plain("Case"),
        "submit": plain("Send"),
        "blocks": [block],
    }


def card(case: str, state: str = "open") -> Json:
    """The arguments that post a case's card."""
    buttons = [
        {"type": "button", "action_id": action, "value": case, "text": plain(label)}
        for action, label in (
            ("case_claim", "Claim"),
            ("case_reply", "Reply"),
            ("case_resolve", "Resolve"),
        )
    ]
    return {
        "text": f"case {case}: {state}",
        "blocks": [
            {"type": "header", "text": plain(f"Case {case}")},
            {"type": "section", "text": {"type": "mrkdwn", "text": f"*{state}*"}},
            {"type": "actions", "elements": buttons},
        ],
        "metadata": {"event_type": "case_card", "event_payload": {"key": case}},
    }


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    config = SandboxConfig(
        channels=("care",), private_channels=("dms",), users=("ana", "ben"), brands=("AcmeCare",)
    )
    async with Sandbox(config) as running:
        yield running


@pytest.fixture
def control(sandbox: Sandbox, http: aiohttp.ClientSession) -> Control:
    return Control(sandbox.control_url, http)


@pytest.fixture
def brand(sandbox: Sandbox) -> Json:
    return sandbox.x.store.account("AcmeCare").to_json()


@pytest.fixture
def x(sandbox: Sandbox, http: aiohttp.ClientSession, brand: Json) -> Any:
    names = ("consumer_key", "consumer_secret", "access_token", "access_token_secret")
    client = tweepy.asynchronous.AsyncClient(
        brand["bearer_token"], **{name: brand[name] for name in names}, return_type=dict
    )
    client.session = Rebased(http, sandbox.x_url)
    return client


@pytest.fixture
async def slack(sandbox: Sandbox) -> AsyncWebClient:
    return AsyncWebClient(
        token="xoxb-sandbox", base_url=sandbox.slack_api_url, retry_handlers=[], timeout=5
    )


@pytest.fixture
def channel(sandbox: Sandbox) -> str:
    return sandbox.slack.workspace.channel("care").id


@pytest.fixture
def ana(sandbox: Sandbox) -> str:
    return sandbox.slack.workspace.user("ana").id


@pytest.fixture
async def case_app(sandbox: Sandbox) -> AsyncIterator[Case]:
    app = Case(sandbox)
    await app.handler.connect_async()
    yield app
    await app.handler.close_async()


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Wait until a condition holds, and give what it gave."""
    try:
        async with asyncio.timeout(seconds):
            while not (value := condition()):
                await asyncio.sleep(0.005)
    except TimeoutError as error:
        raise AssertionError("the condition never came to hold") from error
    return value
