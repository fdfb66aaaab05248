"""Only what an operator may mean is called: https, or this machine; no redirect, no proxy."""

from __future__ import annotations

import pytest
from aiohttp import web

from careline.runtime.outbound import checked_url, is_loopback, outbound_session


@pytest.mark.parametrize(
    "url",
    ["https://a.example/x?t=1", "http://127.0.0.1:8/x", "http://localhost/", "http://[::1]:9/"],
)
def test_https_and_this_machine_may_be_called(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://a.example/", "ftp://a.example/", "//a.example/", "a.example", ""),
        *("https://u:p@a.example/", "https:///x", "http://10.0.0.1/", "http://0x7f000001.x/"),
        "http://[::1",
    ],
)
def test_all_else_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValueError) as refused:
        checked_url(url)
    assert not url or url not in str(refused.value)


def test_a_name_is_this_machine_only_if_it_says_so() -> None:
    assert is_loopback("127.9.9.9")
    assert not is_loopback("localhost.example")


async def test_a_session_keeps_no_cookie_and_uses_no_proxy() -> None:
    cookies: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        cookies.append(request.headers.get("cookie", ""))
        response = web.Response()
        response.set_cookie("who", "me")
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with outbound_session(timeout=5) as session:
        assert session.trust_env is False
        for _ in range(2):
            async with session.get(url, allow_redirects=False) as got:
                assert got.status == 200
    await runner.cleanup()
    assert cookies == ["", ""]
