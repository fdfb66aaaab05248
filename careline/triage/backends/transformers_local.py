"""A transformers classifier from a folder on this machine as a backend for sentiment.

Promise: nothing is ever downloaded: the model is a folder, and the library is told to look nowhere
else. Labels are read by their names (`negative`, `LABEL_0`, `1 star` … as sentiment models have
them); a model whose labels say nothing of sentiment is refused when it is loaded. It needs the
extra `careline[transformers]`; without it the error says how to install it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from careline.runtime.errors import ConfigurationError
from careline.triage.backends.sentiment import Feeling
from careline.triage.model.text import normalise
from schemas.triage import Sentiment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_NEGATIVE, _NEUTRAL, _POSITIVE = Sentiment.NEGATIVE, Sentiment.NEUTRAL, Sentiment.POSITIVE
_NAMES: Final[Mapping[str, Sentiment]] = {
    **dict.fromkeys(("negative", "neg", "1 star", "2 stars", "very negative"), _NEGATIVE),
    **dict.fromkeys(("neutral", "neu", "3 stars"), _NEUTRAL),
    **dict.fromkeys(("positive", "pos", "4 stars", "5 stars", "very positive"), _POSITIVE),
}
_BY_NUMBER: Final[Mapping[int, tuple[Sentiment, ...]]] = {
    2: (_NEGATIVE, _POSITIVE),
    3: (_NEGATIVE, _NEUTRAL, _POSITIVE),
}
"""What `LABEL_0`, `LABEL_1` … mean, by how many there are."""
_TOKENS_MAX: Final = 128
_AT_ONCE: Final = 32


class Transformers:
    """A text classifier of the library `transformers`."""

    def __init__(self, folder: Path) -> None:
        """Load the model. Raises ConfigurationError: no library, no model, or other labels."""
        if not (folder / "config.json").is_file():
            raise ConfigurationError(
                f"{folder} holds no transformers model: there is no config.json in it",
                hint="name a folder with a saved model in CARELINE_TRIAGE__TRANSFORMERS_PATH; "
                "nothing is downloaded",
            )
        try:
            from transformers import (  # noqa: PLC0415 - an extra, and slow to import
                AutoModelForSequenceClassification,
                AutoTokenizer,
                pipeline,
            )
        except ImportError:
            raise ConfigurationError(
                "the triage backend `transformers` needs the packages transformers and torch",
                hint='install the extra: uv pip install "careline[transformers]"; or set '
                "CARELINE_TRIAGE__BACKEND=default",
            ) from None
        self._classify: Any = pipeline(
            "text-classification",
            model=AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True),
            tokenizer=AutoTokenizer.from_pretrained(folder, local_files_only=True),
            device="cpu",
        )
        self._labels = sentiments_of(self._classify.model.config.id2label.values(), folder)
        self._name = f"transformers-{folder.name}"

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self._name

    def feel(self, texts: Sequence[str]) -> list[Feeling]:
        """Judge several texts, in order."""
        found = self._classify(
            [normalise(text) or "." for text in texts],
            truncation=True,
            max_length=_TOKENS_MAX,
            batch_size=_AT_ONCE,
        )
        return [feeling_of(each, self._labels, self._name) for each in found]


def feeling_of(answer: Mapping[str, Any], labels: Mapping[str, Sentiment], name: str) -> Feeling:
    """Return what one answer of the pipeline says."""
    sentiment = labels[str(answer["label"])]
    return Feeling(sentiment, f"{name}: {sentiment} ({float(answer['score']):.0%})")


def sentiments_of(labels: Iterable[str], folder: Path) -> dict[str, Sentiment]:
    """Return the sentiment of each label of a model. Raises ConfigurationError: they are others."""
    names = [str(label) for label in labels]
    by_number = _BY_NUMBER.get(len(names), ())
    found: dict[str, Sentiment] = {}
    for label in names:
        plain = label.strip().lower().replace("_", " ")
        number = plain.removeprefix("label ")
        if plain in _NAMES:
            found[label] = _NAMES[plain]
        elif number != plain and number.isdecimal() and int(number) < len(by_number):
            found[label] = by_number[int(number)]
    if len(found) < len(names) or not names:
        raise ConfigurationError(
            f"{folder} is no model of sentiment: its labels are {', '.join(names) or 'none'}",
            hint="they should be called negative, neutral, positive",
        )
    return found
