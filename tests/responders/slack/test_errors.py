"""Each of Slack's answers means one thing."""

from __future__ import annotations

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from responders.slack.errors import TABLE, Answer, Scope, SlackFailed, verdict_of


def answer(
    error: str | None, status: int = 200, headers: dict[str, str] | None = None
) -> SlackApiError:
    data: dict[str, object] = {"ok": False, "error": error} if error is not None else {}
    response = AsyncSlackResponse(
        client=AsyncWebClient(),
        http_verb="POST",
        api_url="http://127.0.0.1/api/chat.postMessage",
        req_args={},
        data=data,
        headers=headers or {},
        status_code=status,
    )
    return SlackApiError("secret words", response)


@pytest.mark.parametrize(("error", "meaning"), TABLE.items())
def test_every_row_of_the_table(error: str, meaning: tuple[Answer, Scope]) -> None:
    verdict = verdict_of(answer(error))
    if error in {"ratelimited", "rate_limited"}:
        assert (verdict.answer, verdict.reason) == (Answer.NOT_DONE, "ratelimited")
    else:
        assert (verdict.answer, verdict.scope, verdict.reason) == (*meaning, error)
    definite = verdict.answer in {Answer.NOT_DONE, Answer.BLOCKED}
    assert (verdict.retry_after > 0) is definite


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        ("a_new_error", 200, Answer.REFUSED),
        ("a_new_error", 400, Answer.REFUSED),
        ("a_new_error", 500, Answer.UNKNOWN),
        ("a_new_error", 408, Answer.UNKNOWN),
        ("a_new_error", 401, Answer.BLOCKED),
        (None, 503, Answer.UNKNOWN),
        (None, 200, Answer.UNKNOWN),
        ("internal_error", 200, Answer.UNKNOWN),
        ("ratelimited", 429, Answer.NOT_DONE),
        (None, 429, Answer.NOT_DONE),
    ],
)
def test_status_and_error_together(error: str | None, status: int, expected: Answer) -> None:
    assert verdict_of(answer(error, status)).answer is expected


def test_retry_after_is_kept() -> None:
    assert verdict_of(answer("ratelimited", 429, {"Retry-After": "30"})).retry_after == 30
    assert verdict_of(answer("ratelimited", 429, {"Retry-After": "soon"})).retry_after > 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), Answer.UNKNOWN),
        (aiohttp.ServerDisconnectedError(), Answer.UNKNOWN),
        (ConnectionResetError(), Answer.UNKNOWN),
        (AttributeError("a body that is text"), Answer.UNKNOWN),
    ],
)
def test_what_is_no_answer_is_unknown(error: Exception, expected: Answer) -> None:
    assert verdict_of(error).answer is expected


async def test_a_connection_never_made_is_certainly_not_done() -> None:
    web = AsyncWebClient(token="x", base_url="http://127.0.0.1:1/api/", retry_handlers=[])
    with pytest.raises(aiohttp.ClientConnectorError) as caught:
        await web.auth_test()
    assert verdict_of(caught.value).answer is Answer.NOT_DONE


def test_an_error_repeats_nothing_that_was_sent_or_answered() -> None:
    verdict = verdict_of(answer("secret words <!channel>" * 20))
    assert "secret words" not in str(SlackFailed("chat.postMessage", verdict))
    assert len(verdict.reason) <= 60
