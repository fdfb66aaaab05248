"""Makes many short texts of few long ones, for the teachers to judge: the small tower trails them
most in languages of which there is little text.

Promise: every text is made of words of training texts of one language, and the same ones each time;
none has a label. After Tang et al. 2019 (arXiv:1903.12136, section 3.2: masking, n-gram sampling);
in place of words of the same kind, halves of two texts are put together.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from training.data import SEED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPANS: Final = ((3, 10), (2, 7))
"""Words of a span, at least and at most; with each, every way is gone once more."""
TURNS: Final = 2
LEFT_OUT: Final = 0.3
_WORDS_MIN: Final = 4
_KEPT_MIN: Final = 2


def fragments(by_language: Mapping[str, Sequence[str]]) -> list[str]:
    """Return spans of texts, thinned texts, and first halves with other texts' second halves."""
    dice = random.Random(SEED + 2)
    made: list[list[str]] = []
    for texts in by_language.values():
        split = [words for text in texts if len(words := text.split()) >= _WORDS_MIN]
        for words in split:
            for least, most in SPANS * TURNS:
                made.append(_span(words, least, most, dice))
                made.append(_thinned(words, dice))
                made.append(_crossed(words, dice.choice(split)))
    return list(dict.fromkeys(map(" ".join, made)))


def _span(words: list[str], least: int, most: int, dice: random.Random) -> list[str]:
    size = dice.randint(least, min(most, len(words)))
    begin = dice.randint(0, len(words) - size)
    return words[begin : begin + size]


def _thinned(words: list[str], dice: random.Random) -> list[str]:
    kept = [word for word in words if dice.random() >= LEFT_OUT]
    return kept if len(kept) >= _KEPT_MIN else words


def _crossed(words: list[str], other: list[str]) -> list[str]:
    return words[: len(words) // 2] + other[len(other) // 2 :]
