"""The trained numbers: what is in the artefact, and how it is read.

Promise: reading runs no code from the file (plain arrays, no pickles), and refuses one of another
layout or of other n-gram places than this code makes. Tables are kept as int8 and multiplied by one
step size each; the rest is float32.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from careline.triage.model.ngrams import BUCKETS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

LAYOUT: Final = 2
NAME: Final = "model.npz"
FREE: Final = "model-free.npz"
"""Built without the sources whose licence is non-commercial."""
SENTIMENTS: Final = ("negative", "neutral", "positive")
HEADS: Final = ("complaint", "needs_answer", "severity", "spam")
PAIR_BUCKETS: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of small whole numbers, and what one step is worth in each column (or in all)."""

    rows: NDArray[np.int8]
    step: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tower:
    """The subword tower: vectors, one convolution, one hidden layer."""

    subwords: bytes
    """The sentencepiece model whose ids are the rows of `pieces`."""
    pieces: Table
    pairs: Table
    dense: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Artefact:
    """All that was learnt."""

    version: str
    grams: Table
    """One column for each sentiment, then each head, then the squared rarity."""
    tower: Tower | None
    """None in a quick build, of n-grams alone."""
    dense: Mapping[str, NDArray[np.float32]]
    settings: Mapping[str, Any]
    """Temperature, thresholds and whatever else is one number."""


def save(artefact: Artefact, path: Path) -> None:
    """Write an artefact; the same artefact gives the same bytes."""
    settings = {**artefact.settings, "layout": LAYOUT, "version": artefact.version}
    arrays: dict[str, NDArray[Any]] = {
        "settings": np.frombuffer(json.dumps(settings, sort_keys=True).encode(), dtype=np.uint8),
        "grams": artefact.grams.rows,
        "grams_step": artefact.grams.step,
    }
    if artefact.tower is not None:
        arrays |= _parts_of(artefact.tower)
    arrays |= {f"dense.{name}": value for name, value in artefact.dense.items()}
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    path.write_bytes(buffer.getvalue())


def read(raw: bytes) -> Artefact:
    """Return the artefact in these bytes."""
    with np.load(io.BytesIO(raw), allow_pickle=False) as file:
        found = {name: file[name] for name in file.files}
    settings = json.loads(found["settings"].tobytes())
    grams = Table(found["grams"], found["grams_step"])
    if settings["layout"] != LAYOUT or len(grams.rows) != BUCKETS:
        raise ValueError(
            f"the triage model is of layout {settings['layout']} with {len(grams.rows)} places, "
            f"this code reads layout {LAYOUT} with {BUCKETS}: build it again with make model"
        )
    return Artefact(
        version=str(settings["version"]),
        grams=grams,
        tower=_tower(found) if "subwords" in found else None,
        dense=_under(found, "dense."),
        settings=settings,
    )


@lru_cache(maxsize=2)
def shipped(name: str = NAME) -> Artefact:
    """Return an artefact that this package carries: the default, or the `FREE` one."""
    return read(shipped_bytes(name))


def shipped_bytes(name: str = NAME) -> bytes:
    """Return a file that this package carries."""
    return (resources.files("careline.triage") / "artefact" / name).read_bytes()


def _parts_of(tower: Tower) -> dict[str, NDArray[Any]]:
    parts: dict[str, NDArray[Any]] = {
        "subwords": np.frombuffer(tower.subwords, dtype=np.uint8),
        "pieces": tower.pieces.rows,
        "pieces_step": tower.pieces.step,
        "pairs": tower.pairs.rows,
        "pairs_step": tower.pairs.step,
    }
    return parts | {f"tower.{name}": value for name, value in tower.dense.items()}


def _tower(found: Mapping[str, NDArray[Any]]) -> Tower:
    return Tower(
        subwords=found["subwords"].tobytes(),
        pieces=Table(found["pieces"], found["pieces_step"]),
        pairs=Table(found["pairs"], found["pairs_step"]),
        dense=_under(found, "tower."),
    )


def _under(found: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[np.float32]]:
    return {
        name.removeprefix(prefix): value.astype(np.float32)
        for name, value in found.items()
        if name.startswith(prefix)
    }
