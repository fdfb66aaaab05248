"""JSON over HTTP as the stand-ins speak it, and supervised background work.

Promise: bodies are always ASCII JSON, so text with lone surrogates or NUL travels unchanged; a task
started here ends at the latest when its server closes. Knows no network and no case.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

Json = dict[str, Any]


def dumps(value: object) -> str:
    """Encode compactly; ASCII only, because a lone surrogate has no UTF-8."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def reply(
    value: object, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Answer with a JSON body."""
    return web.Response(
        body=dumps(value).encode("ascii"),
        status=status,
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )


def html_error(status: int) -> web.Response:
    """Answer as a front proxy does when the service behind it is gone: HTML, not JSON."""
    body = f"<html><head><title>{status}</title></head><body><h1>{status} Error</h1></body></html>"
    return web.Response(text=body, status=status, content_type="text/html")


async def read_json(request: web.Request) -> Json:
    """Read a JSON object body; anything else is a 400."""
    try:
        value = json.loads(await request.read() or b"{}")
    except (ValueError, UnicodeDecodeError) as error:
        raise web.HTTPBadRequest(text=f"body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise web.HTTPBadRequest(text="body must be a JSON object")
    return value


def truthy(value: object) -> bool:
    """Read a flag the way both APIs accept it: a JSON bool, or 1/true as a string."""
    return value is True or str(value).lower() in {"1", "true"}


class Background:
    """Named tasks that outlive their request and end with the server."""

    def __init__(self) -> None:
        """Start with nothing running."""
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Run `work` and keep a reference until it ends."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
