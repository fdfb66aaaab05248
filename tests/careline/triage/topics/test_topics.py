"""Topics: the brand's words, the nearest example, and what is emerging; nothing of it grows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from careline.triage.decision import Decision
from careline.triage.model.file import shipped
from careline.triage.rules.rulebook import Emerging, load_rulebook
from careline.triage.topics.nearness import Recent
from careline.triage.topics.spaces import Space
from schemas.triage import Triage

BRAND = """
topics:
  bikes:
    words: {en: [bicycle*, bike, bikes], de: [fahrrad*]}
    examples:
      - can I take my bicycle on the train to Hamburg
      - is there room for two bicycles on board
  catering:
    examples:
      - the restaurant car was closed and there was no food on board
      - no coffee and no food in the restaurant car again
"""


class Asking:
    """A triager for which everything is a query in English."""

    model = "asking"

    def triage(self, text: str, *, language_hint: str | None = None) -> Triage:
        _ = language_hint
        return Triage(query="?" in text or len(text) > 3, language="en", model=self.model)

    def triage_batch(self, texts: Sequence[str]) -> list[Triage]:
        return [self.triage(text) for text in texts]


@pytest.fixture
def decision(tmp_path: Path) -> Decision:
    file = tmp_path / "rules.yaml"
    file.write_text(BRAND, encoding="utf-8")
    return Decision(Asking(), load_rulebook(file))


def test_without_a_list_of_its_own_the_topics_are_those_of_the_word_lists() -> None:
    found = Decision(Asking(), load_rulebook()).triage("my parcel has not arrived, refund me")
    assert set(found.topics) >= {"refund"}
    assert {"delivery", "billing", "service"} & set(found.topics)


def test_how_somebody_writes_is_no_topic() -> None:
    found = Decision(Asking(), load_rulebook()).triage(
        "why is it closed today, third time, never again"
    )
    assert {"urgent", "repeated", "leaving"}.isdisjoint(found.topics)


def test_a_word_of_the_brand_names_its_topic(decision: Decision) -> None:
    assert decision.triage("where do bikes go?").topics == ("bikes",)
    assert decision.triage("my parcel has not arrived").topics == ()


def test_what_is_near_an_example_is_counted_under_its_topic_with_a_reason(
    decision: Decision,
) -> None:
    found = decision.triage("the restaurant car is closed, there is no food on this train")
    assert found.topics == ("catering",)
    assert any(reason.startswith("topic catering: near one of its") for reason in found.reasons)


def test_a_workflow_and_a_topic_stand_side_by_side(decision: Decision) -> None:
    found = decision.triage("refund my bike ticket")
    assert set(found.topics) == {"refund", "bikes"}


def test_queries_alike_that_no_topic_covers_are_emerging(decision: Decision) -> None:
    texts = [
        "the new login page shows a blank screen on my tablet",
        "blank screen on the login page since this morning",
        "login page is a blank screen for me too",
        "your login page shows only a blank screen",
        "login page: blank screen again",
        "still a blank screen on the login page",
    ]
    told = [decision.triage(text).topics for text in texts]
    assert told[0] == ()
    assert told[-1] == ("emerging",)
    found = decision.triage("yet another blank screen on the login page")
    assert any(reason.startswith("emerging: ") for reason in found.reasons)


def test_unlike_queries_are_not_emerging(decision: Decision) -> None:
    texts = [
        "when does the museum open on Sunday",
        "my umbrella was left under seat twelve",
        "could somebody translate the brochure into Dutch",
        "which platform for Vienna please",
        "the heating in coach four is far too strong",
        "do children under six travel for free",
        "I would like to praise the conductor of this morning",
    ]
    assert all(found.topics == () for found in decision.triage_batch(texts))


def test_one_by_one_or_in_a_batch_the_same_is_near(decision: Decision, tmp_path: Path) -> None:
    other = Decision(Asking(), load_rulebook(tmp_path / "rules.yaml"))
    texts = [f"blank screen on the login page number {n}" for n in range(8)]
    assert [each.topics for each in decision.triage_batch(texts)] == [
        other.triage(text).topics for text in texts
    ]


def test_what_is_remembered_is_a_fixed_number_of_vectors() -> None:
    recent = Recent(Emerging(among=16, alike=0.9, at_least=2))
    one = np.eye(4, dtype=np.float32)[:1]
    assert recent.alike(np.repeat(one, 40, axis=0))[-1] == 16
    other = np.eye(4, dtype=np.float32)[1:2]
    assert recent.alike(np.repeat(other, 16, axis=0)) == list(range(16))
    assert recent.alike(one) == [0]


def test_vectors_have_length_one_and_do_not_depend_on_the_batch() -> None:
    space = Space(shipped())
    texts = ["my parcel is lost", "wo ist mein Paket", "ok"]
    rows = space(texts)
    assert np.allclose((rows * rows).sum(axis=1), 1, atol=1e-5)
    for text, row in zip(texts, rows, strict=True):
        assert np.allclose(space([text])[0], row, atol=1e-5)
    assert space([""]).shape[0] == 1


def test_like_texts_are_nearer_than_unlike_ones() -> None:
    space = Space(shipped())
    rows = space(
        ["my parcel never arrived", "the parcel has never arrived", "what a lovely concert"]
    )
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2
