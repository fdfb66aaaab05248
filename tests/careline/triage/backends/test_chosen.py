"""The settings choose backends; what is wrong with them is told at the start, and loses nobody."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from careline.runtime.errors import ConfigurationError
from careline.runtime.helper import Helper
from careline.settings import effective, load_settings
from careline.triage.backends.endpoint import EndpointConfig
from careline.triage.backends.grey_zone import GreyZone
from careline.triage.choice import TriageChoice, check_choice, chosen_decision
from careline.triage.context import Context
from careline.wiring_roles import triage_choice
from schemas.triage import Sentiment
from tests.careline.triage.backends.endpoints import KEY, a_model, slow

ENDPOINT = EndpointConfig(url="https://llm.example.com/v1", model="small-1")


def test_settings_choose_backends_and_hide_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "BACKEND": "vader",
        "CALIBRATION": "calibration.json",
        "ENDPOINT__URL": "https://llm.example.com/v1",
        "ENDPOINT__MODEL": "small-1",
        "ENDPOINT__API_KEY": KEY,
        "ENDPOINT__PER_MINUTE": "30",
    }.items():
        monkeypatch.setenv(f"CARELINE_TRIAGE__{name}", value)
    settings = load_settings()
    choice = triage_choice(settings)
    assert (choice.backend, choice.calibration) == ("vader", Path("calibration.json"))
    assert choice.endpoint is not None
    assert choice.endpoint.per_minute == 30
    assert not choice.endpoint.direct_messages
    shown = effective(settings)
    assert shown["CARELINE_TRIAGE__ENDPOINT__API_KEY"] == "***"
    assert KEY not in str(shown) + repr(settings) + repr(choice)


def test_by_default_nobody_is_asked() -> None:
    choice = triage_choice(load_settings())
    assert (choice.backend, choice.endpoint, choice.calibration) == ("default", None, None)
    check_choice(choice)


@pytest.mark.parametrize("url", ["http://llm.example.com", "llm"])
def test_an_address_that_may_not_be_called_is_named_by_its_variable(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CARELINE_TRIAGE__ENDPOINT__URL", url)
    monkeypatch.setenv("CARELINE_TRIAGE__ENDPOINT__MODEL", "m")
    with pytest.raises(ConfigurationError, match="CARELINE_TRIAGE__ENDPOINT__URL"):
        load_settings()


def test_an_endpoint_without_a_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARELINE_TRIAGE__ENDPOINT__URL", "https://llm.example.com/v1")
    with pytest.raises(ConfigurationError, match="which model"):
        load_settings()


def test_vader_feels_and_the_rest_is_the_default() -> None:
    choice = TriageChoice(backend="vader")
    check_choice(choice)
    text = "@acme I love you guys, but where is my parcel?"
    plain = chosen_decision(TriageChoice()).triage(text)
    found = chosen_decision(choice).triage(text)
    assert found.sentiment is Sentiment.POSITIVE
    assert "+vader-3" in found.model
    assert (found.query, found.urgency, found.topics) == (plain.query, plain.urgency, plain.topics)


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (TriageChoice(backend="transformers"), "needs the folder"),
        (TriageChoice(backend="transformers", transformers=Path("nowhere")), "no config.json"),
        (TriageChoice(calibration=Path("nowhere.json")), "cannot be read"),
    ],
)
def test_what_is_not_there_is_told_at_the_start_and_left_out_in_the_stream(
    choice: TriageChoice, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        check_choice(choice)
    found = chosen_decision(choice).triage("where is my parcel?")
    assert found == chosen_decision(TriageChoice()).triage("where is my parcel?")


def test_an_endpoint_stands_over_the_whole_decision() -> None:
    decision = chosen_decision(TriageChoice(endpoint=ENDPOINT))
    assert isinstance(decision, GreyZone)
    assert decision.triage("I was scammed, call the police!").query, "sure, so nobody is asked"


async def test_the_workers_process_of_triage_asks_and_goes_on() -> None:
    """As in the stream: the decision is made in a process of its own and called over a pipe."""
    texts, contexts = ["hm, well @jane_doe"] * 2, [Context(public=True), Context()]
    async with a_model() as model:
        config = ENDPOINT.model_copy(update={"url": model.url, "api_key": SecretStr(KEY)})
        choice = TriageChoice(classifier="rules", endpoint=config)
        helper = Helper("triage", partial(chosen_decision, choice))
        try:
            found = await helper.call("triage_batch", texts, contexts, within=60)
            model.misbehave = slow
            other = await helper.call("triage", "hm, well then", contexts[0], within=10)
        finally:
            await helper.close()
    assert [each.unsure for each in found] == [False, True], "what is private is not asked about"
    assert model.messages == ["hm, well [handle]", "hm, well then"]
    assert (other.unsure, other.model) == (True, "rules-1")
