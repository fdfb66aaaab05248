"""The words that speak for a verdict are found, whatever somebody writes."""

from __future__ import annotations

import time

import pytest

from careline.triage.model.classifier import default_model
from careline.triage.model.evidence import WORDS_MAX, evidence


def test_the_words_that_move_a_score_are_named_with_their_sign() -> None:
    found = evidence(default_model(), "@acme they scammed me, this is fraud, help please")
    assert set(found) >= {"needs_answer", "urgency", "complaint"}
    assert any(name.startswith("sentiment:") for name in found)
    urgent = {each.word for each in found["urgency"] if each.adds > 0}
    assert urgent & {"scammed", "fraud,"}


@pytest.mark.parametrize("text", ["", " ", "a", "word " * 5000, "😡" * 5000, "\ud800", "x" * 10**6])
def test_any_text_is_explained_in_bounded_time(text: str) -> None:
    default_model()
    began = time.process_time()
    found = evidence(default_model(), text)
    assert time.process_time() - began < 3
    assert all(len(rows) <= WORDS_MAX for rows in found.values())
