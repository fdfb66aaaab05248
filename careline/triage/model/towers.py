"""The two towers at run time, with numpy: what a batch of texts says about sentiment and the heads.

Promise: a text gets the same numbers in every batch, up to rounding; memory is bounded by the batch
and the length that `model_text` leaves. Nothing here learns. Both towers are laid out once for
look-ups instead of multiplications; a test holds them against plain loops in floating point.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
import sentencepiece

from careline.triage.model.file import PAIR_BUCKETS
from careline.triage.model.ngrams import Grams, grams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from careline.triage.model.file import Table, Tower

PIECES_MAX: Final = 128
"""Subwords of a text that the tower reads."""
_PAIR_MIX: Final = np.uint32(0x9E3779B1)
_PAIR_STEP: Final = np.uint32(0x85EBCA77)
_PAIR_SHIFT: Final = np.uint32(16)
_FEELINGS: Final = 3
_LOW, _MIDDLE, _THIRD = 20, 22, 21
"""Bits of a field. A text has at most 6 n-grams a character, each of at most 127 steps (254 where
two columns are subtracted): 6 * 1002 * 127 < 2**20, 6 * 1002 * 254 < 2**21, with a sign 2**22."""
_SHORT_MAX: Final = 32_000
_ROWS: Final = 4096


class GramTower:
    """Adds up one table row for each n-gram, several columns at a time in one whole number.

    A column of small whole numbers needs few bits, and sums of several columns can stand side by
    side in 64 bits: one look-up and one addition for each n-gram and word of columns. The widths
    hold for any text that `model_text` leaves, so no sum ever runs into its neighbour.
    """

    def __init__(self, table: Table) -> None:
        """Pack the table, with one empty row more for what is no n-gram."""
        rows = table.rows
        self._step = table.step
        self._width = rows.shape[1] - _FEELINGS - 1
        low = rows[:, 0].astype(np.int64)
        total = rows[:, -1].astype(np.int64)
        for column, shift in ((1, _LOW), (2, _LOW + _MIDDLE)):
            total += (rows[:, column] - low) << shift
        self._feelings = _with_empty_place(total)
        ends = range(_FEELINGS, rows.shape[1] - 1, 3)
        self._heads = [
            _with_empty_place(_packed(rows[:, at : min(at + 3, rows.shape[1] - 1)])) for at in ends
        ]

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how far each sentiment lies above negative, and the score of each head."""
        found = grams(texts)
        feelings, root = self._read(found)
        sums = [_unpacked(_summed(each, found)) for each in self._heads]
        heads = np.concatenate(sums, axis=1)[:, : self._width] * self._step[_FEELINGS:-1]
        scores: NDArray[np.float32] = np.concatenate([feelings, heads / root], axis=1)
        return scores.astype(np.float32)

    def feelings(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how far negative (that is 0), neutral and positive lie above negative."""
        return self._read(grams(texts))[0]

    def _read(self, found: Grams) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the sentiment scores, and the norm of each text."""
        total = _summed(self._feelings, found)
        squares = total & ((1 << _LOW) - 1)
        rest = (total - squares) >> _LOW
        neutral = _signed(rest, _MIDDLE)
        positive = (rest - neutral) >> _MIDDLE
        root = np.sqrt(np.maximum(squares * float(self._step[-1]), 1e-6)).astype(np.float32)
        apart = np.stack([np.zeros_like(neutral), neutral, positive], axis=1)
        scores: NDArray[np.float32] = apart.astype(np.float32) * self._step[0] / root[:, None]
        return scores, root[:, None]


class SubwordTower:
    """Subword vectors, vectors of neighbouring pairs, one convolution, one hidden layer.

    What the convolution makes of a piece as left neighbour, in the middle and as right neighbour is
    worked out once for every piece, so that a window costs two additions of small whole numbers.
    """

    def __init__(self, tower: Tower) -> None:
        """Lay the trained numbers out."""
        self._subwords = sentencepiece.SentencePieceProcessor(model_proto=tower.subwords)
        w = tower.dense
        self._width = tower.pieces.rows.shape[1]
        self._pieces = tower.pieces.rows
        self._folded, self._heard_step = _folded(tower.pieces, w["conv"], w["conv_bias"])
        self._pairs = _with_empty_row(tower.pairs.rows)
        self._piece_step = float(tower.pieces.step[0])
        self._pair_step = float(tower.pairs.step[0])
        self._hidden, self._hidden_bias = w["hidden"], w["hidden_bias"]
        self._out, self._out_bias = w["out"], w["out_bias"]

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return sentiment logits and the hidden layer of each text."""
        empty, width = len(self._pieces), self._width
        flat, starts, lengths = lay_out(self.tokenise(texts), empty)
        rows = self._folded.take(flat, axis=0)
        gone = flat == empty
        heard = rows[1:-1, :width] + rows[:-2, width : 2 * width]
        heard += rows[2:, 2 * width :]
        np.maximum(heard, 0, out=heard)
        heard[gone[1:-1]] = 0
        inner, firsts = starts - 1, np.cumsum(lengths) - lengths
        scale = (1 / np.sqrt(lengths)).astype(np.float32)[:, None]
        pairs = self._pairs.take(pair_places(flat, gone), axis=0)
        count = lengths.astype(np.float32)[:, None]
        joined = np.concatenate(
            [
                _added(self._pieces.take(flat[~gone], axis=0), firsts) * (scale * self._piece_step),
                _added(pairs[1:], inner) * (scale * self._pair_step),
                _added(heard, inner) * (self._heard_step / count),
                np.maximum.reduceat(heard, inner, axis=0) * np.float32(self._heard_step),
            ],
            axis=1,
        )
        hidden = joined @ self._hidden
        hidden += self._hidden_bias
        np.maximum(hidden, 0, out=hidden)
        return hidden @ self._out + self._out_bias, hidden

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Cut texts into piece ids; a text without any has one unknown piece."""
        lines: list[list[int]]
        if len(texts) == 1:
            # A list would start a thread, which takes longer than the text.
            lines = [self._subwords.encode(texts[0])]
        else:
            lines = self._subwords.encode(list(texts), num_threads=1)
        return [line[:PIECES_MAX] or [0] for line in lines]


def lay_out(
    lines: list[list[int]], empty: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Lay ids one after another, an empty place around each text; return where each text is."""
    lengths = np.fromiter(map(len, lines), dtype=np.int64, count=len(lines))
    starts = np.cumsum(lengths + 1) - lengths
    flat = np.full(int(starts[-1] + lengths[-1]) + 1, empty, dtype=np.int64)
    inside = np.ones(len(flat), dtype=np.bool_)
    inside[0] = False
    inside[starts + lengths] = False
    flat[inside] = np.fromiter(chain.from_iterable(lines), dtype=np.int64, count=int(lengths.sum()))
    return flat, starts, lengths


def pair_places(flat: NDArray[np.int64], gone: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where each pair of neighbours has its vector, one for every place but the last."""
    ids = flat.astype(np.uint32)
    mixed = (ids[:-1] * _PAIR_STEP + ids[1:]) * _PAIR_MIX
    mixed ^= mixed >> np.uint32(13)
    mixed *= _PAIR_STEP
    places = (mixed >> _PAIR_SHIFT).astype(np.int64)
    places[gone[:-1] | gone[1:]] = PAIR_BUCKETS
    return places


def _folded(
    pieces: Table, conv: NDArray[np.float32], bias: NDArray[np.float32]
) -> tuple[NDArray[np.int16], float]:
    """Return what each piece adds to a window: in the middle, as left and as right neighbour.

    One step for all three, small enough that their sum fits: rows of plain whole numbers.
    """
    width = pieces.rows.shape[1]
    left, middle, right = (conv[at : at + width] * pieces.step for at in range(0, 3 * width, width))
    joined = np.concatenate([middle, left, right], axis=1)
    more = np.concatenate([bias, np.zeros(2 * width, dtype=np.float32)])
    parts = np.array_split(pieces.rows, max(1, len(pieces.rows) // _ROWS))
    most = np.max([np.abs(part @ joined + more).max(axis=0) for part in parts], axis=0)
    step = float(most.reshape(3, width).sum(axis=0).max(initial=1e-6)) / _SHORT_MAX
    table = np.zeros((len(pieces.rows) + 1, 3 * width), dtype=np.int16)
    begin = 0
    for part in parts:
        table[begin : begin + len(part)] = np.round((part @ joined + more) / step)
        begin += len(part)
    return table, step


def _added(
    rows: NDArray[np.int16] | NDArray[np.int8], starts: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Add up the rows of each text."""
    sums: NDArray[np.float32] = np.add.reduceat(rows.astype(np.float32), starts, axis=0)
    return sums


def _summed(packed: NDArray[np.int64], found: Grams) -> NDArray[np.int64]:
    """Add up, for each text, what the table has for its n-grams."""
    total = packed.take(found.places[0])
    for places in found.places[1:]:
        total += packed.take(places)
    sums: NDArray[np.int64] = np.add.reduceat(total, found.starts)
    return sums


def _packed(columns: NDArray[np.int8]) -> NDArray[np.signedinteger]:
    """Put up to three columns side by side; one alone needs half the room."""
    if columns.shape[1] == 1:
        return columns[:, 0].astype(np.int32)
    total = np.zeros(len(columns), dtype=np.int64)
    for number, column in enumerate(columns.T):
        total += column.astype(np.int64) << (number * _THIRD)
    return total


def _unpacked(sums: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the three columns of sums; the third has what sign the whole has."""
    first = _signed(sums, _THIRD)
    rest = (sums - first) >> _THIRD
    second = _signed(rest, _THIRD)
    return np.stack([first, second, (rest - second) >> _THIRD], axis=1)


def _signed(values: NDArray[np.int64], bits: int) -> NDArray[np.int64]:
    """Return the lowest bits of each value, as a number with a sign."""
    half = 1 << (bits - 1)
    shaped: NDArray[np.int64] = ((values + half) & ((1 << bits) - 1)) - half
    return shaped


def _with_empty_place(values: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
    return np.append(values, values.dtype.type(0))


def _with_empty_row(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    return np.concatenate([rows, np.zeros((1, rows.shape[1]), dtype=np.int8)])
