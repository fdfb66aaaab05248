"""A headless Chromium driven over its own WebSocket: enough to look at a page and click.

Promise: the browser ends with the `async with`; nothing but the address given is loaded.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One open page."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self._ws = ws
        self._numbers = itertools.count(1)
        self.console: list[str] = []

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self._numbers)
        await self._ws.send_json({"id": number, "method": method, "params": params})
        async with asyncio.timeout(20):
            while True:
                message = json.loads((await self._ws.receive()).data)
                if message.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
                    self.console.append(json.dumps(message["params"]))
                if message.get("id") == number:
                    return message.get("result") or {}

    async def run(self, script: str) -> Any:
        answer = await self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, script: str, seconds: float = 15) -> Any:
        """Wait until a script gives something true, and give that."""
        try:
            async with asyncio.timeout(seconds):
                while not (value := await self.run(script)):
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            shown = await self.run("document.body?.innerText")
            raise AssertionError(f"never true: {script}\n{shown}\n{self.console}") from error
        return value

    async def screenshot(self, path: Path) -> None:
        shot = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(shot["data"]))  # noqa: ASYNC240 - one small file


@asynccontextmanager
async def open_page(url: str, *, dark: bool = False) -> AsyncIterator[Page]:
    """Open a page in a browser of its own."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
            "--disable-dev-shm-usage", "--remote-debugging-port=0", f"--user-data-dir={folder}",
            "--window-size=1280,860", "about:blank",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = await _port(Path(folder) / "DevToolsActivePort")
            async with aiohttp.ClientSession() as http:
                async with http.get(f"http://127.0.0.1:{port}/json") as response:
                    pages = await response.json()
                target = next(page for page in pages if page["type"] == "page")
                async with http.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as ws:
                    page = Page(ws)
                    for domain in ("Page", "Runtime", "Log"):
                        await page.call(f"{domain}.enable")
                    value = "dark" if dark else "light"
                    scheme = [{"name": "prefers-color-scheme", "value": value}]
                    await page.call("Emulation.setEmulatedMedia", features=scheme)
                    await page.call("Page.navigate", url=url)
                    await page.until("document.readyState === 'complete' && !!document.body")
                    yield page
        finally:
            process.terminate()
            await process.wait()


async def _port(path: Path) -> int:
    async with asyncio.timeout(20):
        while not path.exists() or not path.read_text().strip():  # noqa: ASYNC240 - a tiny file
            await asyncio.sleep(0.05)
    return int(path.read_text().splitlines()[0])  # noqa: ASYNC240 - as above
