"""Cuts the encoder's subword model down to the pieces that real posts use.

Promise: what is left cuts a text into kept pieces only; a piece that is gone becomes smaller kept
ones, never a hole. The model is a protocol buffer whose pieces are its first field; the rest is
copied as it is.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np
import sentencepiece

from training import encoder

if TYPE_CHECKING:
    from collections.abc import Iterator

SEEN_MIN: Final = 2
_SPECIAL: Final = 3
_PIECE: Final = 0x0A
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def cut(texts: list[str]) -> tuple[bytes, np.ndarray]:
    """Return the smaller model, and the old id of each of its pieces."""
    full = encoder.pieces()
    counted: Counter[int] = Counter()
    for start in range(0, len(texts), 20_000):
        for line in full.encode(texts[start : start + 20_000], num_threads=2):
            counted.update(line)
    kept = [
        number
        for number in range(full.get_piece_size())
        if number < _SPECIAL
        or counted[number] >= SEEN_MIN
        or (counted[number] and len(full.id_to_piece(number)) == 1)
    ]
    raw = (encoder.folder() / "sp.model").read_bytes()
    chosen = frozenset(kept)
    out = bytearray()
    number = 0
    for tag, field in _fields(raw):
        if tag == _PIECE:
            number += 1
            if number - 1 not in chosen:
                continue
        out += field
    return bytes(out), np.asarray(kept, dtype=np.int64)


def load(model: bytes) -> sentencepiece.SentencePieceProcessor:
    """Return a processor for a model in memory."""
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def _fields(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(raw):
        start = at
        tag, at = _varint(raw, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(raw, at)
        elif kind == _BYTES:
            length, at = _varint(raw, at)
            at += length
        else:
            at += {_FIXED64: 8, _FIXED32: 4}[kind]
        yield tag, raw[start:at]


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
