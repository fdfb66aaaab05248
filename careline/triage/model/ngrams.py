"""Turns a batch of texts into hashed character n-grams and words, with numpy alone.

Promise: the same text gives the same places on every machine and in every batch. All characters of
a batch stand in one array of code points; an n-gram is a rolling hash over it, so the cost does not
grow with the number of texts. Training uses this very code.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BITS: Final = 20
BUCKETS: Final = 1 << BITS
NOWHERE: Final = BUCKETS
"""The place of what is no n-gram; its row in every table is zero."""
LENGTHS: Final = (2, 3, 4, 5)

_SPACE: Final = 32
_NEWLINE: Final = 10
_STEP: Final = np.uint32(0x01000193)
_MIX: Final = np.uint32(0x9E3779B1)
_PAIR: Final = np.uint32(0x85EBCA77)
_SHIFT: Final = np.uint32(32 - BITS)
_FOLD: Final = np.uint32(15)
_KNOWN_MAX: Final = 0x20000
_WORD_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class Grams:
    """The places of a batch: one row of `places` for each kind of n-gram, one column a character.

    Text `i` owns the columns from `starts[i]` to `starts[i + 1]`.
    """

    places: NDArray[np.intp]
    starts: NDArray[np.int64]


def grams(texts: Sequence[str]) -> Grams:
    """Return where each n-gram of each normalised text is counted."""
    joined = "\n".join([f" {text} " for text in texts]).lower()
    codes = np.frombuffer(joined.encode("utf-32-le", "replace"), dtype=np.uint32)
    breaks = np.flatnonzero(codes == _NEWLINE)
    starts = np.zeros(len(texts), dtype=np.int64)
    starts[1:] = breaks + 1
    places = np.full((len(LENGTHS) + 2, len(codes)), NOWHERE, dtype=np.intp)
    blank = (codes == _SPACE) | (codes == _NEWLINE)
    _characters(codes, blank, places)
    _words(codes, blank, starts, places)
    return Grams(places, starts)


def _characters(
    codes: NDArray[np.uint32], blank: NDArray[np.bool_], places: NDArray[np.intp]
) -> None:
    """Count the n-grams that lie within a word and the blanks around it."""
    size = len(codes)
    before = np.zeros(size + 1, dtype=np.int32)
    np.cumsum(blank, out=before[1:])
    rolling = codes * _MIX
    for row, n in enumerate(LENGTHS):
        count = size - n + 1
        if count <= 0:
            return
        rolling = rolling[:count] * _STEP + codes[n - 1 :] * _MIX
        if n == LENGTHS[0]:
            whole = ~(blank[:count] & blank[1:])
        else:
            whole = before[n - 1 : size] == before[1 : count + 1]
        places[row, :count] = np.where(whole, _bucket(rolling, n), NOWHERE)


def _words(
    codes: NDArray[np.uint32],
    blank: NDArray[np.bool_],
    starts: NDArray[np.int64],
    places: NDArray[np.intp],
) -> None:
    """Count words (runs of letters, or of signs) and pairs of neighbours, where they begin."""
    kinds = _kinds()[np.minimum(codes, _KNOWN_MAX)]
    kinds[blank] = 0
    changes = np.empty(len(codes), dtype=np.bool_)
    changes[0] = True
    np.not_equal(kinds[1:], kinds[:-1], out=changes[1:])
    begins = np.flatnonzero(changes)
    lengths = np.diff(begins, append=len(codes))
    within = np.arange(len(codes)) - np.repeat(begins, lengths)
    powers = _powers()[np.minimum(within, _WORD_MAX - 1)]
    sums = np.add.reduceat(codes * powers, begins, dtype=np.uint32)
    real = kinds[begins] != 0
    begins, sums = begins[real], sums[real]
    if not len(begins):
        return
    places[-2, begins] = _bucket(sums, 1)
    owner = np.searchsorted(starts, begins, side="right")
    pairs = _bucket(sums[:-1] * _PAIR + sums[1:], 7)
    places[-1, begins[:-1]] = np.where(owner[:-1] == owner[1:], pairs, NOWHERE)


def _bucket(hashes: NDArray[np.uint32], seed: int) -> NDArray[np.intp]:
    mixed = (hashes ^ np.uint32(seed * 0x3C6EF372 & 0xFFFFFFFF)) * _MIX
    mixed ^= mixed >> _FOLD
    mixed *= _PAIR
    return (mixed >> _SHIFT).astype(np.intp)


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.uint8]:
    """Return 1 for what words are made of and 2 for signs, by code point."""
    kinds = [1 if unicodedata.category(chr(code))[0] in "LMN" else 2 for code in range(_KNOWN_MAX)]
    return np.array([*kinds, 1], dtype=np.uint8)


@lru_cache(maxsize=1)
def _powers() -> NDArray[np.uint32]:
    step, modulus = int(_STEP), 1 << 32
    powers = [pow(step, number, modulus) for number in range(_WORD_MAX)]
    return np.array(powers, dtype=np.uint32) * _MIX
