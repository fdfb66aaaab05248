"""The page in a real browser: a person looks, clicks, fills a form in; hostile text stays text."""

from __future__ import annotations

import os

import aiohttp
import pytest

from careline.sandbox import Sandbox
from tests.careline.sandbox.browser import CHROMIUM, open_page
from tests.careline.sandbox.conftest import Case, card, plain

needs_browser = pytest.mark.skipif(
    CHROMIUM is None and "CARELINE_TEST_REQUIRE_BROWSER" not in os.environ,
    reason="no Chromium on this machine: install your distribution's package chromium",
)
HOSTILE = "<script>document.title='pwned'</script><img src=x onerror=alert(1)> <!channel> *no*"


async def test_the_page_loads_nothing_from_elsewhere(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    async with http.get(sandbox.slack_url) as response:
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        page = await response.text()
    for name in ("page.css", "blocks.js", "page.js"):
        assert f"/page/{name}" in page
        async with http.get(f"{sandbox.slack_url}/page/{name}") as response:
            assert response.status == 200
            text = await response.text()
        assert "innerHTML" not in text
        assert "http://" not in text
        assert "https://" not in text
    async with http.get(f"{sandbox.slack_url}/page/..%2Fmodel.py") as response:
        assert response.status == 404


async def test_a_foreign_page_cannot_click(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{sandbox.slack_url}/ui/press", data={"user": "x"}) as response:
        assert response.status == 415


@needs_browser
async def test_a_person_sees_a_card_and_works_it(
    sandbox: Sandbox, case_app: Case, channel: str
) -> None:
    posted = await case_app.client.chat_postMessage(channel=channel, **card("s07-1"))
    await case_app.client.chat_postMessage(
        channel=channel, thread_ts=posted["ts"], text="opened by triage"
    )
    url = f"{sandbox.slack_url}/?channel=care&user=ana"
    async with open_page(url) as page:
        await page.until("document.body.innerText.includes('Case s07-1')")
        assert await page.run("document.body.innerText.includes('1 reply')")
        await page.run("document.querySelectorAll('.actions button')[0].click()")
        await page.until("document.body.innerText.includes('claimed by ana')")
        assert await page.run("document.body.innerText.includes('(edited)')")
        await page.run("document.querySelectorAll('.actions button')[1].click()")
        await page.until("document.getElementById('modal').open")
        await page.run("document.querySelector('#form [type=submit]').click()")
        await page.until("document.body.innerText.includes('complete this required field')")
        await page.run(
            "(() => { document.querySelector('#form input').value = 'So sorry!';"
            "document.querySelector('#form [type=submit]').click(); })()"
        )
        await page.until("!document.getElementById('modal').open")
        assert page.console == []
    assert case_app.replies == [("s07-1", "So sorry!")]


@needs_browser
@pytest.mark.parametrize("dark", [False, True])
async def test_hostile_text_is_shown_as_text(
    sandbox: Sandbox, case_app: Case, channel: str, *, dark: bool
) -> None:
    blocks = [
        {"type": "header", "text": plain(HOSTILE[:150])},
        {"type": "section", "text": plain(HOSTILE)},
        {"type": "section", "text": {"type": "mrkdwn", "text": HOSTILE.replace("<", "&lt;")}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "<javascript:alert(1)|click>"}},
        {"type": "context", "elements": [
            {"type": "mrkdwn", "text": "due <!date^1700000000^{date_num}|then>"}]},
    ]  # fmt: skip
    await case_app.client.chat_postMessage(channel=channel, text="x", blocks=blocks)
    async with open_page(f"{sandbox.slack_url}/?channel=care&user=ana", dark=dark) as page:
        await page.until("document.body.innerText.includes('due 2023-11-14')")
        assert await page.run("document.title") == "Sandbox Slack"
        for live in ("img", "script", "a", ".loud"):
            assert await page.run(f"document.querySelectorAll('.message {live}').length") == 0
        colour = await page.run("getComputedStyle(document.body).backgroundColor")
        assert colour == ("rgb(26, 29, 33)" if dark else "rgb(255, 255, 255)")
