"""The small trained model of triage: sentiment, complaint, needs-answer, urgency, language, spam.

Promise: pure and synchronous once built; any list of strings is welcome and gives one result each,
in order; the same text gets the same answer, up to rounding, in any batch. It needs numpy,
sentencepiece and py3langid only. What it must not be taken for: its needs-answer and urgency were
learnt from labels that a language model gave, not people (the model card says which).
"""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from careline.triage.model.file import HEADS, SENTIMENTS, read, shipped_bytes
from careline.triage.model.language import languages
from careline.triage.model.signs import CRITICAL, SIGNS, signs
from careline.triage.model.text import normalise
from careline.triage.model.towers import GramTower, SubwordTower

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from careline.triage.model.file import Artefact

BATCH: Final = 256
"""Texts that are worked on at a time; more gain nothing and cost memory."""
_DIGITS: Final = 4
_SLACK: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Result:
    """What the model says of one text; every score is a calibrated probability."""

    sentiment: Literal["negative", "neutral", "positive"]
    sentiment_probs: Mapping[str, float]
    complaint: float
    needs_answer: bool
    """The operational decision: tuned to lose next to nothing that needs an answer."""
    needs_answer_score: float
    """0.5 is the balanced point."""
    urgency: Literal["none", "normal", "high", "critical"]
    urgency_score: float
    """How likely the text is of urgency high or critical."""
    language: str
    spam: float
    alarming: bool
    """Words of harm are in it, whatever the scores say."""


class Model:
    """An artefact made ready to run; any number of threads may share one."""

    def __init__(self, artefact: Artefact) -> None:
        """Lay the tables out."""
        self.version = artefact.version
        self.figures: Mapping[str, Any] = artefact.settings.get("figures", {})
        """What the build measured on rows that the fit in question had not seen, by head."""
        self.trained_on: Mapping[str, str] = artefact.settings.get("trained_on", {})
        """The sha256 of each file that it was fitted on."""
        self._grams = GramTower(artefact.grams)
        self._subwords = None if artefact.tower is None else SubwordTower(artefact.tower)
        self._heads = artefact.dense["heads"]
        hidden = 0 if artefact.tower is None else len(artefact.tower.dense["hidden_bias"])
        if len(self._heads) != hidden + len(SENTIMENTS) + len(SIGNS):
            raise ValueError(
                f"the heads of {artefact.version} weigh {len(self._heads)} facts, this code has "
                f"{hidden + len(SENTIMENTS) + len(SIGNS)}: build the model again with make model"
            )
        self._bias = artefact.dense["bias"]
        self._mix = artefact.dense["mix"]
        self._sentiment_bias = artefact.dense["sentiment_bias"]
        self._settings = {
            name: float(value)
            for name, value in artefact.settings.items()
            if isinstance(value, int | float)
        }

    def classify(self, texts: Sequence[str], *, language: bool = True) -> list[Result]:
        """Judge texts; without `language` that is left `und`, for speed."""
        results: list[Result] = []
        for at in range(0, len(texts), BATCH):
            results += self._classify(
                [normalise(text) for text in texts[at : at + BATCH]], language
            )
        return results

    def sentiments(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return only the sentiment probabilities, one row a text."""
        rows = [np.zeros((0, len(SENTIMENTS)), dtype=np.float32)]
        for at in range(0, len(texts), BATCH):
            chunk = [normalise(text) for text in texts[at : at + BATCH]]
            rows.append(self._sentiment(self._grams.feelings(chunk), self._read(chunk)[0]))
        return np.concatenate(rows)

    def logits_in_batches(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return sentiment probabilities and the logits of the heads, of normalised texts."""
        found = [self._judge(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
        return (
            np.concatenate([each[0] for each in found]),
            np.concatenate([each[1] for each in found]),
        )

    def look(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """Return sentiment probabilities, n-gram scores and the hidden layer, of one batch."""
        scores = self._grams(texts)
        out, hidden = self._read(texts)
        return self._sentiment(scores, out), scores, hidden

    def _judge(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        probabilities, scores, hidden = self.look(texts)
        seen = signs(texts)
        dense = head_features(hidden, probabilities, seen)
        heads = scores[:, len(SENTIMENTS) :] + dense @ self._heads + self._bias
        heads[:, 1:3] += heads[:, :1] * self._mix[2:4]
        return probabilities, heads, seen

    def _read(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what the subword tower says; without one, nothing either way."""
        if self._subwords is not None:
            return self._subwords(texts)
        size = len(texts)
        return np.zeros((size, len(SENTIMENTS)), np.float32), np.zeros((size, 0), np.float32)

    def _sentiment(
        self, scores: NDArray[np.float32], out: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Mix what both towers say, as log-probabilities, and cool it to a calibrated one."""
        grams = log_softmax(scores[:, : len(SENTIMENTS)])
        mixed = grams * self._mix[0] + log_softmax(out) * self._mix[1] + self._sentiment_bias
        return np.exp(log_softmax(mixed))

    def _classify(self, texts: list[str], language: bool) -> list[Result]:  # noqa: FBT001
        probabilities, heads, seen = self._judge(texts)
        scores = (1 / (1 + np.exp(-heads))).astype(np.float32)
        best = probabilities.argmax(axis=1).tolist()
        alarming = seen[:, CRITICAL] > 0
        levels = self._levels(scores, alarming)
        names = languages().classify(texts) if language else ["und"] * len(texts)
        # Before scores are rounded for show: nothing is lost to a rounded digit.
        least = np.float32(self._settings["query_from"] - _SLACK)
        asked = (scores[:, HEADS.index("needs_answer")] >= least) | alarming
        rows = zip(
            best,
            np.round(probabilities, _DIGITS).tolist(),
            np.round(scores, _DIGITS).tolist(),
            levels,
            names,
            asked.tolist(),
            alarming.tolist(),
            strict=True,
        )
        return [
            Result(
                sentiment=SENTIMENTS[sentiment],
                sentiment_probs=dict(zip(SENTIMENTS, each, strict=True)),
                complaint=complaint,
                needs_answer=query,
                needs_answer_score=needs,
                urgency=level,
                urgency_score=severity,
                language=name,
                spam=spam,
                alarming=alarm,
            )
            for (
                sentiment,
                each,
                (complaint, needs, severity, spam),
                level,
                name,
                query,
                alarm,
            ) in rows
        ]

    def _levels(
        self, scores: NDArray[np.float32], alarming: NDArray[np.bool_]
    ) -> list[Literal["none", "normal", "high", "critical"]]:
        """Order the texts by urgency; words of harm raise a floor."""
        needs, severity = scores[:, HEADS.index("needs_answer")], scores[:, HEADS.index("severity")]
        asked = self._settings
        level = (needs >= asked["none_below"]).astype(np.int64)
        level[(level > 0) & (severity >= asked["high_from"])] = 2
        wanted = alarming & (needs >= asked["alarm_needs"])
        level[wanted] = 2
        level[wanted & (severity >= asked["critical_from"])] = 3
        return [LEVELS[each] for each in level.tolist()]


LEVELS: Final[tuple[Literal["none", "normal", "high", "critical"], ...]] = (
    "none",
    "normal",
    "high",
    "critical",
)


def head_features(
    hidden: NDArray[np.float32], probabilities: NDArray[np.float32], seen: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what the heads see beside n-grams: one row a text."""
    cooled = np.log(np.maximum(probabilities, np.float32(1e-4)))
    return np.concatenate([hidden, cooled, seen], axis=1)


def log_softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return log-probabilities, row by row."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    logs: NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


@lru_cache(maxsize=1)
def default_model() -> Model:
    """Return the model that this package carries, made ready once."""
    languages()  # first, for reading its tables takes more than keeping them
    _give_back()
    found = Model(read(shipped_bytes()))
    _give_back()
    return found


def _give_back() -> None:
    """Give the system what reading tables took: glibc would keep 50 MB of holes between them."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def classify_batch(texts: Sequence[str]) -> list[Result]:
    """Judge texts with the model that this package carries."""
    return default_model().classify(texts)
