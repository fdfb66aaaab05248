"""Other libraries say how authors feel; what they cannot say, or say too late, is the default's."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Sequence
from importlib import util
from pathlib import Path
from typing import Any

import pytest

from careline.runtime.errors import ConfigurationError
from careline.triage.backends.sentiment import Feeling, WithFeeler
from careline.triage.backends.transformers_local import Transformers, feeling_of, sentiments_of
from careline.triage.backends.vader import Vader
from careline.triage.lexicon.triager import RuleTriager
from schemas.triage import Sentiment

GLAD = Feeling(Sentiment.POSITIVE, "test: glad")


class Fixed:
    name = "test-1"

    def feel(self, texts: Sequence[str]) -> list[Feeling]:
        return [GLAD for _ in texts]


class Broken:
    name = "broken"

    def feel(self, texts: Sequence[str]) -> list[Feeling]:
        raise RuntimeError(texts[0])


class Short:
    name = "short"

    def feel(self, texts: Sequence[str]) -> list[Feeling]:
        return [GLAD][: len(texts) - 1]


class Hanging:
    name = "hanging"

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.asked = 0

    def feel(self, texts: Sequence[str]) -> list[Feeling]:
        self.asked += 1
        self.go_on.wait(20)
        return [GLAD for _ in texts]


def test_the_feeling_is_the_librarys_and_all_else_the_triagers() -> None:
    triager = WithFeeler(RuleTriager(), Fixed(), within=5)
    (found,) = triager.triage_batch(["@acme my parcel is broken, where is my refund?"])
    plain = RuleTriager().triage("@acme my parcel is broken, where is my refund?")
    assert (found.sentiment, found.model) == (Sentiment.POSITIVE, "rules-1+test-1")
    assert found.reasons == (*plain.reasons, "test: glad")
    assert (found.query, found.urgency, found.topics) == (plain.query, plain.urgency, plain.topics)
    assert triager.triage("hello", language_hint="de").language == "de"


@pytest.mark.parametrize("feeler", [Broken(), Short()], ids=lambda each: each.name)
def test_one_that_fails_leaves_the_default(
    feeler: Broken | Short, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    triager = WithFeeler(RuleTriager(), feeler, within=5)
    assert triager.triage("secret words") == RuleTriager().triage("secret words")
    assert "secret words" not in caplog.text + "".join(capfd.readouterr())


def test_one_that_hangs_costs_its_time_once() -> None:
    feeler = Hanging()
    triager = WithFeeler(RuleTriager(), feeler, within=0.2)
    began = time.monotonic()
    for _ in range(20):
        assert triager.triage("hello").model == "rules-1"
    assert time.monotonic() - began < 2
    assert (feeler.asked, triager.given_up) == (1, 20)
    feeler.go_on.set()
    end = time.monotonic() + 10
    while triager.triage("hello").model == "rules-1":
        assert time.monotonic() < end, "it is asked again once it has come back"


def test_vader_says_what_its_authors_thresholds_say() -> None:
    vader = Vader()
    assert vader.name.startswith("vader-3")
    found = vader.feel(["I love it, thank you!", "This is horrible.", "The box is blue.", ""])
    assert [each.sentiment for each in found] == [
        Sentiment.POSITIVE,
        Sentiment.NEGATIVE,
        Sentiment.NEUTRAL,
        Sentiment.NEUTRAL,
    ]
    assert found[0].reason.startswith("VADER: +0.")
    vader.feel(["a" * 1_000_000, "!" * 1_000_000, "\ud800", "😡" * 50_000])


def test_a_folder_without_a_model_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Transformers(tmp_path)
    assert "no config.json" in str(raised.value)
    assert "CARELINE_TRIAGE__TRANSFORMERS_PATH" in raised.value.hint


@pytest.mark.skipif(
    util.find_spec("transformers") is not None, reason="transformers is installed here"
)
def test_without_the_library_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        Transformers(tmp_path)
    assert "needs the packages transformers and torch" in str(raised.value)
    assert "careline[transformers]" in raised.value.hint


@pytest.mark.skipif(
    util.find_spec("transformers") is None,
    reason='a real pipeline needs the extra: uv pip install "careline[transformers]"',
)
def test_a_model_from_a_folder_judges_texts(tmp_path: Path) -> None:
    library: Any = importlib.import_module("transformers")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad"]
    (tmp_path / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    library.BertTokenizerFast(vocab_file=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path)
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    names = dict(enumerate(("negative", "neutral", "positive")))
    config = library.BertConfig(
        vocab_size=len(words), intermediate_size=8, id2label=names, num_labels=len(names), **shape
    )
    library.BertForSequenceClassification(config).save_pretrained(tmp_path)
    feelings = Transformers(tmp_path).feel(["good", "", "bad " * 1000])
    assert len(feelings) == 3
    assert all(f"transformers-{tmp_path.name}: " in each.reason for each in feelings)


@pytest.mark.parametrize(
    ("labels", "sentiments"),
    [
        (["negative", "neutral", "positive"], "negative neutral positive"),
        (["LABEL_0", "LABEL_1", "LABEL_2"], "negative neutral positive"),
        (["LABEL_0", "LABEL_1"], "negative positive"),
        (["NEGATIVE", "POSITIVE"], "negative positive"),
        (
            ["1 star", "2 stars", "3 stars", "4 stars", "5 stars"],
            "negative negative neutral positive positive",
        ),
    ],
)
def test_labels_are_read_by_their_names(labels: list[str], sentiments: str) -> None:
    found = sentiments_of(labels, Path("model"))
    assert [found[label].value for label in labels] == sentiments.split()
    said = feeling_of({"label": labels[0], "score": 0.8712}, found, "transformers-x")
    assert said == Feeling(Sentiment.NEGATIVE, "transformers-x: negative (87%)")


@pytest.mark.parametrize("labels", [["toxic", "fine"], [], ["LABEL_0", "x"], ["LABEL_7"]])
def test_labels_of_something_else_are_refused(labels: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="no model of sentiment"):
        sentiments_of(labels, Path("model"))
