"""The two towers at run time, with numpy: what a batch of texts says about sentiment and the heads.

Promise: a text gets the same numbers in every batch, up to rounding; memory is bounded by the batch
and the length that `model_text` leaves. Nothing here learns.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np
import sentencepiece

from careline.triage.model_file import PAIR_BUCKETS
from careline.triage.model_ngrams import grams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from careline.triage.model_file import Table, Tower

PIECES_MAX: Final = 128
"""Subwords of a text that the tower reads."""
_PAIR_MIX: Final = np.uint32(0x9E3779B1)
_PAIR_STEP: Final = np.uint32(0x85EBCA77)
_PAIR_SHIFT: Final = np.uint32(16)


class GramTower:
    """Adds up one table row for each n-gram; the last column is the norm."""

    def __init__(self, table: Table) -> None:
        """Take the table, with one empty row more for what is no n-gram."""
        self._rows = _with_empty_row(table.rows)
        self._step = table.step

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the score of each text in each column but the last."""
        found = grams(texts)
        total = self._rows[found.places[0]].astype(np.int16)
        for places in found.places[1:]:
            total += self._rows[places]
        sums = np.add.reduceat(total, found.starts, axis=0, dtype=np.int32) * self._step
        norms = np.sqrt(np.maximum(sums[:, -1:], 1e-6))
        scores: NDArray[np.float32] = (sums[:, :-1] / norms).astype(np.float32)
        return scores


class SubwordTower:
    """Subword vectors, vectors of neighbouring pairs, one convolution, one hidden layer."""

    def __init__(self, tower: Tower) -> None:
        """Take the trained numbers; steps are multiplied into the first dense layers."""
        self._subwords = sentencepiece.SentencePieceProcessor(model_proto=tower.subwords)
        self._pieces = _with_empty_row(tower.pieces.rows)
        self._pairs = _with_empty_row(tower.pairs.rows)
        self._piece_step = float(tower.pieces.step[0])
        self._pair_step = float(tower.pairs.step[0])
        w = tower.dense
        self._conv, self._conv_bias = w["conv"] * np.float32(self._piece_step), w["conv_bias"]
        self._hidden, self._hidden_bias = w["hidden"], w["hidden_bias"]
        self._out, self._out_bias = w["out"], w["out_bias"]

    def __call__(self, texts: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return sentiment logits and the hidden layer of each text."""
        flat, starts, lengths = lay_out(self.tokenise(texts), len(self._pieces) - 1)
        vectors = self._pieces[flat].astype(np.float32)
        gone = flat == len(self._pieces) - 1
        windows = np.concatenate([vectors[:-2], vectors[1:-1], vectors[2:]], axis=1)
        heard = windows @ self._conv
        heard += self._conv_bias
        np.maximum(heard, 0, out=heard)
        heard[gone[1:-1]] = 0
        inner = starts - 1
        scale = (1 / np.sqrt(lengths)).astype(np.float32)[:, None]
        pairs = self._pairs[pair_places(flat, gone)].astype(np.float32)
        joined = np.concatenate(
            [
                np.add.reduceat(vectors[1:-1], inner, axis=0) * (scale * self._piece_step),
                np.add.reduceat(pairs[1:], inner, axis=0) * (scale * self._pair_step),
                np.add.reduceat(heard, inner, axis=0) / lengths.astype(np.float32)[:, None],
                np.maximum.reduceat(heard, inner, axis=0),
            ],
            axis=1,
        )
        hidden = joined @ self._hidden
        hidden += self._hidden_bias
        np.maximum(hidden, 0, out=hidden)
        return hidden @ self._out + self._out_bias, hidden

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Cut texts into piece ids; a text without any has one unknown piece."""
        lines: list[list[int]] = self._subwords.encode(list(texts), num_threads=1)
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


def _with_empty_row(rows: NDArray[np.int8]) -> NDArray[np.int8]:
    return np.concatenate([rows, np.zeros((1, rows.shape[1]), dtype=np.int8)])
