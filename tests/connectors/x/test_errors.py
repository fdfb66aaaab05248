"""Every failure of a call to X becomes the error by which the caller decides; a test a row."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
import tweepy
from aiohttp import web

from connectors.errors import (
    AccessDenied,
    BudgetExhausted,
    DuplicateText,
    OutcomeUnknown,
    RateLimited,
    Refused,
    TargetGone,
)
from connectors.x.client import XClient, XSession
from connectors.x.config import XConfig
from connectors.x.errors import translate, wait_of
from tests.connectors.servers import serving

JSON = "application/json"
HTML = "text/html"


def said(detail: str) -> str:
    return '{"title": "Forbidden", "detail": "' + detail + '", "status": 403}'


ROWS = [
    (400, JSON, '{"title": "Invalid Request"}', Refused),
    (401, JSON, '{"title": "Unauthorized"}', AccessDenied),
    (401, HTML, "<h1>no</h1>", AccessDenied),
    (402, JSON, '{"title": "CreditsDepleted"}', BudgetExhausted),
    (402, HTML, "<h1>pay</h1>", BudgetExhausted),
    (
        403,
        JSON,
        said("You are not allowed to create a Tweet with duplicate content."),
        DuplicateText,
    ),
    (403, JSON, said("reply to a Tweet that is deleted or not visible to you."), TargetGone),
    (403, JSON, said("You cannot send a Direct Message to this user."), TargetGone),
    (403, JSON, said("Your account is suspended."), AccessDenied),
    (403, JSON, said("Your Tweet text is too long."), Refused),
    (403, JSON, said("you have not been mentioned or otherwise engaged"), Refused),
    (404, JSON, '{"title": "Not Found"}', TargetGone),
    (408, HTML, "<h1>timeout</h1>", OutcomeUnknown),
    (409, JSON, "{}", Refused),
    (422, HTML, "<h1>?</h1>", Refused),
    (429, JSON, '{"title": "Too Many Requests"}', RateLimited),
    (429, HTML, "<h1>slow down</h1>", RateLimited),
    (500, JSON, '{"title": "Internal"}', OutcomeUnknown),
    (502, HTML, "<h1>bad gateway</h1>", OutcomeUnknown),
    (503, HTML, "<h1>over capacity</h1>", OutcomeUnknown),
    (200, HTML, "<h1>login</h1>", OutcomeUnknown),
    (200, JSON, "[]", OutcomeUnknown),
    (200, JSON, "{", OutcomeUnknown),
]


@pytest.mark.parametrize(
    ("status", "kind", "body", "expected"), ROWS, ids=[f"{r[0]}-{n}" for n, r in enumerate(ROWS)]
)
async def test_an_answer_becomes_the_error_to_act_on(
    status: int, kind: str, body: str, expected: type[Exception]
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, content_type=kind, text=body)

    async with serving(answer) as url, XSession() as session:
        client = XClient(config(url), session)
        with pytest.raises(expected) as caught:
            await client.call("create_tweet", text="SECRET-TEXT")
        assert type(caught.value) is expected
        assert "SECRET-TEXT" not in str(caught.value)
        assert "hunter2" not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError(),
        TimeoutError(),
        ConnectionResetError(),
        ValueError("no JSON"),
        RecursionError(),
        tweepy.TweepyException("new"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_clearly_refused_is_unknown(error: Exception) -> None:
    assert type(translate(error, "create_tweet")) is OutcomeUnknown


async def test_a_refused_connection_is_unknown() -> None:
    async with XSession() as session:
        client = XClient(config("http://127.0.0.1:1"), session)
        with pytest.raises(OutcomeUnknown):
            await client.call("get_me")


@pytest.mark.parametrize(
    ("head", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"x-rate-limit-reset": "1030"}, 31.0),
        ({"x-rate-limit-reset": "900"}, 1.0),
        ({"Retry-After": "7", "x-rate-limit-reset": "1030"}, 7.0),
        ({"x-rate-limit-reset": "9999999999"}, 86_400.0),
        ({"Retry-After": "soon"}, 60.0),
        ({"Retry-After": "\u00b2", "x-rate-limit-reset": "\u00b3"}, 60.0),
        ({}, 60.0),
    ],
)
def test_the_wait_is_what_x_asks_for(head: dict[str, str], seconds: float) -> None:
    assert wait_of(head, now=1000.0) == seconds


def config(url: str, **settings: Any) -> XConfig:
    return XConfig(
        **{"account": "acme", "base_url": url, "bearer_token": "hunter2", "user_id": "1"} | settings
    )
