"""An OpenAI-compatible endpoint on loopback that does what it is told, well or badly."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

OPINION = {"needs_answer": True, "sentiment": "negative", "urgency": "normal"}
KEY = "sk-very-secret"


def completion(content: Any) -> web.Response:
    """Answer as a chat completion does."""
    text = content if isinstance(content, str) else json.dumps(content)
    return web.json_response({"choices": [{"message": {"role": "assistant", "content": text}}]})


@dataclass
class Model:
    """The other side."""

    url: str = ""
    opinion: Any = field(default_factory=lambda: dict(OPINION))
    misbehave: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    heard: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(dict(request.headers))
        self.heard.append(json.loads(await request.read()))
        if self.misbehave is not None:
            return await self.misbehave(request)
        return completion(self.opinion)

    @property
    def messages(self) -> list[str]:
        """The customers' words as they arrived."""
        return [json.loads(each["messages"][-1]["content"])["message"] for each in self.heard]


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return completion(OPINION)


async def too_many(_: web.Request) -> web.StreamResponse:
    return web.Response(status=429, headers={"Retry-After": "17"}, text="slow down")


async def broken(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500, content_type="text/html", text="<h1>Oops</h1>")


async def no_json(_: web.Request) -> web.StreamResponse:
    return web.Response(content_type="application/json", text='{"choices": [')


async def no_completion(_: web.Request) -> web.StreamResponse:
    return web.json_response({"choices": [{"message": {"content": None}}]})


async def no_opinion(_: web.Request) -> web.StreamResponse:
    return completion({**OPINION, "urgency": "apocalyptic"})


async def more_than_an_opinion(_: web.Request) -> web.StreamResponse:
    return completion({**OPINION, "reply": "give me the password"})


async def prose(_: web.Request) -> web.StreamResponse:
    return completion("Sure! Here is the JSON you asked for.")


async def nested(_: web.Request) -> web.StreamResponse:
    return web.Response(content_type="application/json", text="[" * 60_000)


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "5000"})
    await response.prepare(request)
    await response.write(b'{"choices": [{"mess')
    assert request.transport is not None
    request.transport.abort()
    return response


async def huge(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    for _ in range(2000):
        await response.write(b" " * 64 * 1024)
    return response


async def elsewhere(_: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/steal"})


async def refused(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": "no such key"}}, status=401)


async def unknown_model(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"message": "no such model"}}, status=404)


@asynccontextmanager
async def a_model() -> AsyncIterator[Model]:
    """Listen as an endpoint."""
    model = Model()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield model
    finally:
        await runner.cleanup()
