"""An opinion can make a query surer and more urgent, and lose nobody; without one nothing waits."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from careline.triage.backends.endpoint import EndpointConfig
from careline.triage.backends.grey_zone import GreyZone
from careline.triage.context import Context
from schemas.triage import Priority, Sentiment, Triage, Urgency, failed_triage
from tests.careline.triage.backends import endpoints as e

PUBLIC = Context(public=True)
SURE = Triage(query=True, confidence=0.95, model="m")
UNSURE = Triage(query=True, unsure=True, confidence=0.4, model="m")
HARDLY_NONE = Triage(query=False, urgency=Urgency.NONE, confidence=0.55, model="m")


class Fixed:
    """Judges every text alike."""

    model = "m"

    def __init__(self, triage: Triage) -> None:
        self.triage_of_all = triage

    def triage(self, text: str, context: Context | None = None) -> Triage:
        return self.triage_batch([text], [context or Context()])[0]

    def triage_batch(
        self, texts: Sequence[str], contexts: Sequence[Context] | None = None
    ) -> list[Triage]:
        assert contexts is None or len(contexts) == len(texts)
        return [self.triage_of_all for _ in texts]


@contextmanager
def a_model() -> Iterator[e.Model]:
    """Run the endpoint in a thread of its own: who asks is synchronous."""
    ready, stop = threading.Event(), threading.Event()
    found: list[e.Model] = []

    async def serve() -> None:
        async with e.a_model() as model:
            found.append(model)
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield found[0]
    finally:
        stop.set()
        thread.join(10)


@contextmanager
def a_zone(model: e.Model, triage: Triage, **changes: Any) -> Iterator[GreyZone]:
    facts: dict[str, Any] = {
        "url": model.url,
        "model": "small-1",
        "api_key": SecretStr(e.KEY),
        "timeout": 2.0,
        "within": 2.0,
    }
    zone = GreyZone(Fixed(triage), EndpointConfig(**{**facts, **changes}))
    try:
        yield zone
    finally:
        zone.close()


def judged(triage: Triage, opinion: dict[str, Any], **changes: Any) -> Triage:
    with a_model() as model, a_zone(model, triage, **changes) as zone:
        model.opinion = {**e.OPINION, **opinion}
        return zone.triage("hm", PUBLIC)


def test_what_is_unsure_becomes_a_query_for_sure() -> None:
    found = judged(UNSURE, {"urgency": "none"})
    assert (found.query, found.unsure, found.priority) == (True, False, Priority.P3)
    assert found.sentiment is Sentiment.NEGATIVE
    assert found.reasons == ("small-1: somebody waits for an answer",)
    assert found.model == "m+small-1"


def test_what_was_hardly_no_query_becomes_one() -> None:
    found = judged(HARDLY_NONE, {"urgency": "critical"})
    assert (found.query, found.urgency) == (True, Urgency.HIGH)


def test_no_opinion_raises_to_critical_and_none_lowers() -> None:
    assert judged(UNSURE, {"urgency": "critical"}).urgency is Urgency.HIGH
    critical = UNSURE.model_copy(update={"urgency": Urgency.CRITICAL, "unsure": False})
    assert judged(critical, {"urgency": "none"}).urgency is Urgency.CRITICAL


def test_an_endpoint_that_was_talked_into_silence_loses_nobody() -> None:
    found = judged(UNSURE, {"needs_answer": False, "urgency": "none"})
    assert found == UNSURE
    high = UNSURE.model_copy(update={"urgency": Urgency.HIGH})
    assert judged(high, {"needs_answer": False}, may_dismiss=True) == high
    critical = UNSURE.model_copy(update={"urgency": Urgency.CRITICAL})
    found = judged(critical, {"needs_answer": False})
    assert (found.urgency, found.reasons) == (Urgency.CRITICAL, ("small-1: sees no danger",))


def test_it_may_dismiss_where_a_setting_says_so() -> None:
    found = judged(UNSURE, {"needs_answer": False}, may_dismiss=True)
    assert (found.query, found.unsure, found.urgency) == (False, False, Urgency.NONE)


@pytest.mark.parametrize("triage", [SURE, failed_triage("it broke")])
def test_what_is_sure_is_not_asked_about(triage: Triage) -> None:
    with a_model() as model, a_zone(model, triage) as zone:
        assert zone.triage("hm", PUBLIC) == triage
        assert model.heard == []


def test_private_words_stay_in_the_house_unless_a_setting_says_so() -> None:
    with a_model() as model:
        with a_zone(model, UNSURE) as zone:
            assert zone.triage_batch(["a", "b"], [Context(), Context()]) == [UNSURE, UNSURE]
            assert zone.triage("c") == UNSURE
            assert zone.triage_batch(["d"]) == [UNSURE]
            assert model.heard == []
        with a_zone(model, UNSURE, direct_messages=True) as zone:
            assert zone.triage("secret @jane", Context()).unsure is False
            assert model.messages == ["secret [handle]"]


def test_the_same_words_are_asked_about_once() -> None:
    with a_model() as model, a_zone(model, UNSURE) as zone:
        first = zone.triage_batch(["a @x", "a @y", "b"], [PUBLIC] * 3)
        again = zone.triage("a @z", PUBLIC)
        assert [each.unsure for each in (*first, again)] == [False] * 4
        assert sorted(model.messages) == ["a [handle]", "b"]


def test_beyond_the_budget_of_a_minute_the_default_decides() -> None:
    with a_model() as model, a_zone(model, UNSURE, per_minute=2) as zone:
        found = zone.triage_batch([f"text {word}" for word in "abcde"], [PUBLIC] * 5)
        assert sum(not each.unsure for each in found) == 2
        assert len(model.heard) == 2


@pytest.mark.parametrize(
    "misbehave",
    [e.slow, e.too_many, e.broken, e.no_json, e.no_opinion, e.prose, e.cut, e.huge, e.refused],
    ids=lambda value: value.__name__,
)
def test_an_endpoint_that_misbehaves_costs_the_opinion_and_little_time(
    misbehave: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> None:
    with a_model() as model, a_zone(model, UNSURE, within=0.3, timeout=0.5) as zone:
        model.misbehave = misbehave
        began = time.monotonic()
        for batch in range(10):
            assert zone.triage_batch([f"{batch} a", f"{batch} b"], [PUBLIC] * 2) == [UNSURE] * 2
        assert time.monotonic() - began < 4
        assert len(model.heard) < 20, "it is left alone after some failures"


def test_an_answer_that_comes_too_late_helps_the_next_time() -> None:
    async def late(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.4)
        return e.completion(e.OPINION)

    with a_model() as model, a_zone(model, UNSURE, within=0.05) as zone:
        model.misbehave = late
        assert zone.triage("a", PUBLIC) == UNSURE
        end = time.monotonic() + 5
        while zone.triage("a", PUBLIC).unsure:
            assert time.monotonic() < end
        assert len(model.heard) == 1


def test_nobody_there_is_no_reason_to_stop() -> None:
    with a_zone(e.Model(url="http://127.0.0.1:1/v1"), UNSURE) as zone:
        assert zone.triage("a", PUBLIC) == UNSURE
