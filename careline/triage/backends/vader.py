"""VADER as a backend: the baseline that everybody knows, for English.

Promise: its sentiment by its authors' own thresholds, and nothing else. It needs the extra
`careline[vader]`; without it the error says how to install it.
"""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from careline.runtime.errors import ConfigurationError
from careline.triage.backends.sentiment import Feeling
from schemas.triage import Sentiment

if TYPE_CHECKING:
    from collections.abc import Sequence

_PACKAGE: Final = "vaderSentiment"
_EDGE: Final = 0.05
"""The threshold of VADER's README."""
_TEXT_MAX: Final = 1000


class Vader:
    """VADER's analyser."""

    def __init__(self) -> None:
        """Load its lexicon. Raises ConfigurationError: it is not installed."""
        try:
            from vaderSentiment.vaderSentiment import (  # noqa: PLC0415 - an extra
                SentimentIntensityAnalyzer,
            )
        except ImportError:
            raise ConfigurationError(
                "the triage backend `vader` needs the package vaderSentiment",
                hint='install the extra: uv pip install "careline[vader]"; or set '
                "CARELINE_TRIAGE__BACKEND=default",
            ) from None
        self._analyser: Any = SentimentIntensityAnalyzer()
        self._name = f"vader-{metadata.version(_PACKAGE)}"

    @property
    def name(self) -> str:
        """Its name and version."""
        return self._name

    def feel(self, texts: Sequence[str]) -> list[Feeling]:
        """Judge several texts, in order."""
        return [self._one(text[:_TEXT_MAX]) for text in texts]

    def _one(self, text: str) -> Feeling:
        score = float(self._analyser.polarity_scores(text)["compound"])
        if score >= _EDGE:
            sentiment = Sentiment.POSITIVE
        else:
            sentiment = Sentiment.NEGATIVE if score <= -_EDGE else Sentiment.NEUTRAL
        return Feeling(sentiment, f"VADER: {score:+.2f}")
