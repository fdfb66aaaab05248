"""Which words of a text speak for what the model says: each is left out in turn.

Promise: whatever the towers inside, the figures say what the model itself does without the word;
only the first words of a long text are tried, so the cost is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from careline.triage.model.file import HEADS, SENTIMENTS
from careline.triage.model.text import normalise

if TYPE_CHECKING:
    from careline.triage.model.classifier import Model

WORDS_MAX: Final = 60
_SHOWN: Final = 5
_LEAST: Final = 0.05
"""In logits; less than that is noise."""
_TOLD: Final = {"needs_answer": "needs_answer", "urgency": "severity", "complaint": "complaint"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A word, and how much it adds to a score, in logits; below zero it speaks against."""

    word: str
    adds: float


def evidence(model: Model, text: str) -> dict[str, list[Evidence]]:
    """Return the words that move each score most: sentiment, needs-answer, urgency, complaint."""
    words = normalise(text).split()
    tried = range(min(len(words), WORDS_MAX))
    whole = " ".join(words)
    variants = [whole, *(" ".join([*words[:n], *words[n + 1 :]]) for n in tried)]
    probabilities, heads = model.logits_in_batches(variants)
    logs = np.log(np.maximum(probabilities, 1e-6))
    felt = int(probabilities[0].argmax())
    found = {
        f"sentiment:{SENTIMENTS[felt]}": _ranked(words, logs[0, felt] - logs[1:, felt]),
    }
    for name, head in _TOLD.items():
        column = HEADS.index(head)
        found[name] = _ranked(words, heads[0, column] - heads[1:, column])
    return found


def _ranked(words: list[str], added: np.ndarray) -> list[Evidence]:
    order = sorted(range(len(added)), key=lambda place: -abs(float(added[place])))
    return [
        Evidence(word=words[place], adds=round(float(added[place]), 2))
        for place in order[:_SHOWN]
        if abs(float(added[place])) >= _LEAST
    ]
