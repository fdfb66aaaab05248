"""Reads from a text the few plain facts that the heads of the model weigh beside its words.

Promise: one row of numbers for each text, always of the same width and between 0 and about 1; the
word lists are the ones of the rules, so both agree on what smells of harm. Cheap: look-ups only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from careline.triage import words as reading
from careline.triage.lexicon import LANGUAGES, NOTHING, Lexicon, lists

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIGNS: Final = (
    "critical",
    "high",
    "question",
    "exclamation",
    "addressed",
    "link",
    "number",
    "capitals",
    "length",
    "short",
    "handles",
)
CRITICAL: Final = SIGNS.index("critical")
_SHORT: Final = 30
_LONG: Final = 280


def signs(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the facts of each normalised text."""
    rows = [_row(text) for text in texts]
    return np.array(rows, dtype=np.float32).reshape(len(texts), len(SIGNS))


def _row(text: str) -> tuple[float, ...]:
    critical, high = _alarms(text)
    capitals = sum(map(str.isupper, text)) if not text.islower() else 0
    return (
        critical,
        high,
        1.0 if "?" in text or "\uff1f" in text or "\u061f" in text else 0.0,
        min(text.count("!"), 3) / 3,
        1.0 if text.startswith("@user") else 0.0,
        1.0 if "http" in text else 0.0,
        1.0 if any(map(str.isdigit, text)) else 0.0,
        capitals / (len(text) + 10),
        min(len(text) / _LONG, 1.5),
        1.0 if len(text) < _SHORT else 0.0,
        min(text.count("@user"), 4) / 4,
    )


def _alarms(text: str) -> tuple[float, float]:
    """Say whether words of harm, and of haste, are in the text."""
    tokens = reading.read(text).tokens
    lexicon = _lexicon()
    kinds: set[str] = set()
    for place, token in enumerate(tokens):
        entry = lexicon.entry(token)
        if entry is NOTHING:
            continue
        kinds.update(sign.kind for sign in entry.signs)
        if entry.phrases:
            kinds.update(sign.kind for sign in lexicon.phrases(tokens, place, entry))
    return float("critical" in kinds), float("high" in kinds)


@lru_cache(maxsize=1)
def _lexicon() -> Lexicon:
    """Return the words of harm and haste of all languages.

    Single words that are everyday words of another language are left out: German "die" is no harm.
    """
    every = lists()
    lexicon = Lexicon()
    common = {str(word) for name in LANGUAGES for word in every[name]["stopwords"]}
    for name in LANGUAGES:
        for kind in ("critical", "high"):
            for topic, phrases in every[name].get(kind, {}).items():
                for phrase in phrases:
                    if str(phrase).lower() not in common:
                        lexicon.add(str(phrase), kind, str(topic))
    return lexicon
