"""Says in which language each text of a batch is written, all texts in step.

Promise: the answers are py3langid's own, whose tables it reads; only the walk over them is ours:
one step of its automaton for all texts at a time, so a batch costs a fraction of single calls. The
answer is `und` where the text is too short or the guess too weak.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from py3langid.langid import LanguageIdentifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

UNKNOWN: Final = "und"
BYTES_MAX: Final = 128
"""Bytes of a text that are read: enough for a sentence in any script."""
CONFIDENCE_MIN: Final = 0.2
_LETTERS_MIN: Final = 4
_ISO: Final = 2
_PARTS: Final = 16
_WHOLE_MAX: Final = 255
_BYTES: Final = 256
_NO_WORDS: Final = frozenset({"@user", "http", "__email__", "__num__", "RT", "rt"})
_SAME: Final = {
    "no": "nb",
    "nn": "nb",
    "arz": "ar",
    "ary": "ar",
    "wuu": "zh",
    "yue": "zh",
    "hbo": "he",
}
"""What ISO 639-1 has one code for, or a reader would call by one name."""
_RARE: Final = frozenset({"vo", "sa", "se", "tk", "la", "wa", "an", "ku", "ba", "tt", "qu", "dz"})
"""Left out: on social networks they are guessed wrongly far more often than they are written."""


class Languages:
    """py3langid's tables, laid out for a walk in step."""

    def __init__(self, identifier: Any | None = None) -> None:
        """Read the tables, from the package unless an identifier is given."""
        known = identifier or LanguageIdentifier.from_model_file("data/model.npz.xz")
        # The tables are large: each is made smaller, a part at a time, and given back.
        table, moves = np.asarray(known.nb_ptc), np.frombuffer(known.tk_nextmove, dtype=np.uint32)
        names = [_SAME.get(name, name) for name in known.nb_classes]
        kept = [n for n, name in enumerate(names) if len(name) == _ISO and name not in _RARE]
        self.names = tuple(dict.fromkeys(names[n] for n in kept))
        self._prior = np.asarray(known.nb_pc, dtype=np.float32)[kept]
        self._column = np.array([self.names.index(names[n]) for n in kept])
        self._feature = np.array(known.tk_output, dtype=np.int32)
        self._row = np.asarray(known.tk_row).astype(np.uint32)
        del known
        self._table, self._step = _whole(table, kept)
        del table
        self._alike, self._next = _without_doubles(moves.reshape(-1, _BYTES))
        self._next_one = memoryview(self._next)  # type: ignore[arg-type] # numpy offers its memory
        self._row *= np.uint32(max(self._alike) + 1)
        self._row_one = memoryview(self._row)  # type: ignore[arg-type] # numpy offers its memory

    def classify(self, texts: Sequence[str]) -> list[str]:
        """Return the language of each normalised text."""
        raw = [_bytes(text) for text in texts]
        scores = self._scores(raw)
        best = scores.argmax(axis=1)
        sure = scores[np.arange(len(raw)), best] >= CONFIDENCE_MIN
        return [
            self.names[name] if known and len(text) >= _LETTERS_MIN else UNKNOWN
            for text, name, known in zip(raw, best.tolist(), sure.tolist(), strict=True)
        ]

    def _scores(self, raw: list[bytes]) -> NDArray[np.float32]:
        """Return the probability of each language for each text."""
        lengths = np.array([len(text) for text in raw], dtype=np.int64)
        longest = int(lengths.max(initial=1))
        features = self._walk(raw, longest)
        features[np.arange(longest)[:, None] >= lengths[None, :]] = -1
        step, owner = np.nonzero(features >= 0)
        width = len(self._table)
        keys, number = np.unique(
            owner.astype(np.int64) * width + features[step, owner], return_counts=True
        )
        weights = np.log1p(number.astype(np.float32))
        places = keys % width
        ends = np.searchsorted(keys, np.arange(1, len(raw) + 1) * width).tolist()
        total = np.zeros((len(raw), len(self._prior)), dtype=np.float32)
        begin = 0
        for text, end in enumerate(ends):
            if end > begin:
                # One text at a time, so that its rows are still at hand when they are added up.
                rows = self._table.take(places[begin:end], axis=0)
                total[text] = weights[begin:end] @ rows.astype(np.float32)
            begin = end
        total *= self._step
        total[np.diff(ends, prepend=0) > 0] += self._prior
        total /= np.sqrt(np.maximum(lengths, 1)).astype(np.float32)[:, None]
        total -= total.max(axis=1, keepdims=True)
        np.exp(total, out=total)
        total /= total.sum(axis=1, keepdims=True)
        if len(self.names) == len(self._column):
            return total
        merged = np.zeros((len(raw), len(self.names)), dtype=np.float32)
        for number, column in enumerate(self._column.tolist()):
            merged[:, column] += total[:, number]
        return merged

    def _walk(self, raw: list[bytes], longest: int) -> NDArray[np.int32]:
        """Return the feature that each byte of each text completes, or -1."""
        if len(raw) == 1:
            return self._walk_alone(raw[0], longest)
        padded = b"".join([text.ljust(longest, b"\0") for text in raw]).translate(self._alike)
        letters = np.frombuffer(padded, dtype=np.uint8).reshape(len(raw), longest)
        columns = np.ascontiguousarray(letters.T).astype(np.uint32)
        states = np.empty((longest, len(raw)), dtype=np.uint32)
        state = np.zeros(len(raw), dtype=np.uint32)
        for number in range(longest):
            state = self._next[self._row[state] + columns[number]]
            states[number] = state
        return self._feature[states]

    def _walk_alone(self, text: bytes, longest: int) -> NDArray[np.int32]:
        """Walk with one text: a plain loop, for a step of one is too small for numpy."""
        following, rows = self._next_one, self._row_one
        states, state = [], 0
        for letter in text.ljust(longest, b"\0").translate(self._alike):
            state = following[rows[state] + letter]
            states.append(state)
        features: NDArray[np.int32] = self._feature[np.array(states)][:, None]
        return features


def _whole(table: NDArray[Any], kept: list[int]) -> tuple[NDArray[np.uint8], np.float32]:
    """Return the columns that are kept, in whole steps, row by row in memory, and a step's size.

    Counted from the smallest number on: what is added to all languages alike tells none apart.
    """
    parts = np.array_split(np.arange(len(table)), _PARTS)
    bounds = [(float(each.min()), float(each.max())) for part in parts for each in [table[part]]]
    least = min(low for low, _ in bounds)
    step = np.float32((max(high for _, high in bounds) - least) / _WHOLE_MAX)
    rows = np.empty((len(table), len(kept)), dtype=np.uint8)
    for part in parts:
        rows[part] = np.round((table[part][:, kept].astype(np.float32) - least) / step)
    return rows, step


def _without_doubles(moves: NDArray[np.uint32]) -> tuple[bytes, NDArray[np.uint32]]:
    """Return which column each byte has, and the columns that differ, row by row in memory."""
    digests = [hash(moves[:, byte].tobytes()) for byte in range(moves.shape[1])]
    first = {digest: number for number, digest in enumerate(dict.fromkeys(digests))}
    alike = bytes(first[digest] for digest in digests)
    columns = [alike.index(number) for number in range(len(first))]
    found = np.empty((len(moves), len(columns)), dtype=np.uint32)
    for part in np.array_split(np.arange(len(moves)), _PARTS):
        found[part] = moves[part][:, columns]
    return alike, found.ravel()


@lru_cache(maxsize=1)
def languages() -> Languages:
    """Return the tables, read once."""
    return Languages()


def _bytes(text: str) -> bytes:
    words = [word for word in text.split(" ") if word not in _NO_WORDS and word[:1] != "#"]
    plain = " ".join(words)
    if plain.isupper():
        plain = plain.lower()
    if not plain.isascii():
        plain = unicodedata.normalize("NFC", plain)
    return plain.encode("utf-8", "replace")[:BYTES_MAX]
