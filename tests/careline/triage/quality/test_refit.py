"""A brand's calibration: it follows what people corrected, a little, and loses no query."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from careline.runtime.errors import ConfigurationError
from careline.triage.choice import TriageChoice, chosen_model, chosen_triager
from careline.triage.model.calibration import (
    CalibratedModel,
    Calibration,
    Line,
    SentimentLine,
    load_calibration,
)
from careline.triage.model.classifier import Model, default_model
from careline.triage.model.file import HEADS, shipped
from careline.triage.model.text import normalise
from careline.triage.quality.refit import CORRECTED_LEAST, ROWS_LEAST, Example, Refit, refit
from schemas.triage import Sentiment, Urgency

THINGS = (
    "parcel", "router", "refund", "order", "phone", "ticket", "invoice", "password", "app", "train",
    "bill", "login", "seat", "card", "lamp", "coffee", "game", "delivery", "account", "price",
)  # fmt: skip
ASKING = "@acme where is my {}, it does not work?"
PRAISING = "thank you so much for the {}, love it!"
QUERY_FROM = float(shipped().settings["query_from"])


def examples(text: str, number: int, *, offset: int = 0, **facts: object) -> list[Example]:
    return [
        Example(text=text.format(f"{THINGS[n % 20]} {n + offset}"), corrected=True, **facts)  # type: ignore[arg-type]
        for n in range(number)
    ]


def fitted(rows: list[Example]) -> Refit:
    return refit(default_model(), rows, query_from=QUERY_FROM)


def logits(model: Model, texts: list[str], head: str) -> np.ndarray:
    return model.logits_in_batches([normalise(text) for text in texts])[1][:, HEADS.index(head)]


def test_too_few_are_refused_with_how_many_there_are() -> None:
    with pytest.raises(ConfigurationError, match="at least 50 and 20"):
        fitted(examples(ASKING, ROWS_LEAST - 1, query=True))
    few = [replace(each, corrected=False) for each in examples(ASKING, ROWS_LEAST, query=True)]
    few[:5] = examples(ASKING, 5, query=True)
    with pytest.raises(ConfigurationError, match="5 corrected") as raised:
        fitted(few)
    assert CORRECTED_LEAST > 5
    assert "careline triage label export" in raised.value.hint


def test_a_head_of_which_one_side_is_missing_stays_as_it_is() -> None:
    found = fitted(examples(ASKING, 60, query=True)).calibration
    assert (found.needs_answer, found.urgency) == (Line(), Line())
    assert found.sentiment == SentimentLine()
    assert (found.rows, found.corrected, found.model) == (60, 60, default_model().version)


def test_what_people_say_moves_the_scores_towards_it() -> None:
    rows = [
        *examples(PRAISING, 40, query=False, urgency=Urgency.HIGH, sentiment=Sentiment.NEGATIVE),
        *examples(ASKING, 40, query=False, urgency=Urgency.NORMAL, sentiment=Sentiment.POSITIVE),
        *examples(ASKING, 60, offset=50, query=True, urgency=Urgency.HIGH),
    ]
    found = fitted(rows)
    for head in ("needs_answer", "urgency", "sentiment"):
        known = found.figures[head]
        assert known["loss_after"] < known["loss_before"], head
    assert found.figures["sentiment"]["rows"] == 80


def test_a_few_corrections_move_little() -> None:
    both = [*examples(ASKING, 30, query=True), *examples(PRAISING, 30, query=False)]
    found = fitted(both).calibration
    assert abs(found.needs_answer.scale - 1) < 0.5
    assert abs(found.needs_answer.shift) < 1


@pytest.mark.parametrize("asking", [30, 200])
def test_needs_answer_never_lets_less_than_97_of_100_queries_in(asking: int) -> None:
    """Most say that it is no query; those who need an answer look just like them."""
    rows = [
        *examples(ASKING, 300, query=False),
        *examples(ASKING, asking, offset=300, query=True),
        *examples(PRAISING, asking, query=True),
        *examples(PRAISING, 300, offset=400, query=False),
    ]
    found = fitted(rows)
    assert found.figures["needs_answer"]["recall"] >= 0.97
    model = CalibratedModel(shipped(), found.calibration)
    asked = [each.text for each in rows if each.query]
    heard = [each.needs_answer for each in model.classify(asked, language=False)]
    assert sum(heard) / len(heard) >= 0.97


def test_the_order_of_scores_stays_and_other_heads_too() -> None:
    texts = [ASKING.format("x"), PRAISING.format("x"), "@acme help", "buy followers now"]
    moved = Calibration(
        model=default_model().version,
        needs_answer=Line(scale=0.5, shift=1.0),
        sentiment=SentimentLine(scale=2.0, shift=(0.5, 0.0, -0.5)),
    )
    model = CalibratedModel(shipped(), moved)
    before = logits(default_model(), texts, "needs_answer")
    after = logits(model, texts, "needs_answer")
    assert np.allclose(after, before * 0.5 + 1, atol=1e-4)
    for head in ("complaint", "severity", "spam"):
        same = logits(default_model(), texts, head)
        assert np.allclose(logits(model, texts, head), same, atol=1e-4)
    plain = default_model().classify(texts)
    calibrated = model.classify(texts)
    for one, other in zip(plain, calibrated, strict=True):
        assert sum(other.sentiment_probs.values()) == pytest.approx(1, abs=0.001)
        assert other.sentiment_probs["negative"] >= one.sentiment_probs["negative"] - 0.5


def test_none_at_all_changes_nothing() -> None:
    texts = [ASKING.format("x"), PRAISING.format("x"), "", "\ud800"]
    model = CalibratedModel(shipped(), Calibration(model=default_model().version))
    for one, other in zip(default_model().classify(texts), model.classify(texts), strict=True):
        assert (one.sentiment, one.urgency) == (other.sentiment, other.urgency)
        assert one.needs_answer_score == pytest.approx(other.needs_answer_score, abs=2e-4)


def test_it_is_written_and_read_and_refused_with_another_model(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    rows = [*examples(ASKING, 40, query=True), *examples(PRAISING, 40, query=False)]
    made = fitted(rows).calibration
    path.write_text(made.model_dump_json(), encoding="utf-8")
    assert load_calibration(path) == made
    model = chosen_model(TriageChoice(calibration=path))
    assert isinstance(model, CalibratedModel)
    other = made.model_copy(update={"model": "another-1"})
    path.write_text(other.model_dump_json(), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="was fitted on another-1"):
        chosen_model(TriageChoice(calibration=path))
    triager = chosen_triager(TriageChoice(calibration=path))
    assert triager.model == default_model().version, "the stream goes on without"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"model": "m", "needs_answer": {"scale": -1}}', '{"model":"m","extra":1}'],
)
def test_a_file_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_calibration(path)
    assert "careline triage refit" in raised.value.hint
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_calibration(tmp_path / "none.json")


def test_a_scale_that_turns_scores_around_is_none() -> None:
    with pytest.raises(ValidationError):
        Line(scale=-1.0)
