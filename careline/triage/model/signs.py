"""Reads from a text the few plain facts that the heads of the model weigh beside its words.

Promise: one row of numbers for each text, always of the same width and between 0 and about 1; the
word lists are the ones of the rules, so both agree on what smells of harm. Cheap: look-ups only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from careline.triage.lexicon.lists import LANGUAGES, Lexicon, lists
from careline.triage.lexicon.words import WORD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SIGNS: Final = (
    "critical",
    "high",
    "problem",
    "asks",
    "request",
    "answer",
    "thanks",
    "outward",
    "positive",
    "negative",
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
_KINDS: Final = (
    "critical",
    "high",
    "problem",
    "question",
    "request",
    "answer",
    "thanks",
    "outward",
)
_LEARNT: Final = frozenset({*_KINDS, "positive", "negative"})
_FEELINGS_MAX: Final = 3
_DIGIT: Final = re.compile(r"\d")
_SHORT: Final = 30
_LONG: Final = 280


def signs(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the facts of each normalised text."""
    lexicon = _lexicon()
    rows = [_row(text, lexicon) for text in texts]
    return np.array(rows, dtype=np.float32).reshape(len(texts), len(SIGNS))


def _row(text: str, lexicon: Lexicon) -> tuple[float, ...]:
    handles = text.count("@user")
    plain = text
    # `normalise` has left no other handle, address or long number, and no control character.
    if handles:
        plain = plain.replace("@user", " ")
    if "__" in plain:
        plain = plain.replace("__num__", " ").replace("__email__", " ")
    if "\u2019" in plain:
        plain = plain.replace("\u2019", "'")
    lower = plain.lower()
    capitals = sum(map(str.isupper, text)) if lower != plain else 0
    return (
        *_said(WORD.findall(lower), lexicon),
        1.0 if "?" in text or "\uff1f" in text or "\u061f" in text else 0.0,
        min(text.count("!"), 3) / 3,
        1.0 if handles and text.startswith("@user") else 0.0,
        1.0 if "http" in text else 0.0,
        1.0 if _DIGIT.search(text) else 0.0,
        capitals / (len(text) + 10),
        min(len(text) / _LONG, 1.5),
        1.0 if len(text) < _SHORT else 0.0,
        min(handles, 4) / 4,
    )


def _said(tokens: list[str], lexicon: Lexicon) -> tuple[float, ...]:
    """Say which kinds of words are in the text, and how many that please or displease."""
    kinds: set[str] = set()
    pleased = displeased = 0
    for place, entry in lexicon.known(tokens):
        for sign in entry.signs:
            kinds.add(sign.kind)
        if entry.phrases:
            for sign in lexicon.phrases(tokens, place, entry):
                kinds.add(sign.kind)
        if entry.feeling > 0:
            pleased += 1
        elif entry.feeling < 0:
            displeased += 1
    return (
        *[1.0 if kind in kinds else 0.0 for kind in _KINDS],
        min(pleased, _FEELINGS_MAX) / _FEELINGS_MAX,
        min(displeased, _FEELINGS_MAX) / _FEELINGS_MAX,
    )


@lru_cache(maxsize=1)
def _lexicon() -> Lexicon:
    """Return the words of all languages in one.

    Words that are everyday words of a language are left out for all: German "die" is no harm.
    """
    every = lists()
    lexicon = Lexicon()
    common = {str(word) for name in LANGUAGES for word in every[name]["stopwords"]}
    for name in LANGUAGES:
        kept = {
            kind: _without(content, common)
            for kind, content in every[name].items()
            if kind in _LEARNT
        }
        lexicon.learn(kept)
    return lexicon


def _without(content: Any, common: set[str]) -> Any:
    if isinstance(content, dict):
        return {topic: _without(phrases, common) for topic, phrases in content.items()}
    return [phrase for phrase in content if str(phrase).lower() not in common]
