"""Fits linear models on hashed n-grams, in the very form in which they run.

Promise: the features are those of `careline.triage.model.ngrams`, the weights come back with their
idf folded in, so that run time only adds up table rows and divides by the norm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from careline.triage.model.ngrams import BUCKETS, NOWHERE, grams

if TYPE_CHECKING:
    from collections.abc import Sequence

SEEN_MIN: Final = 2
RARITY_STEPS: Final = 127
_CHUNK: Final = 512


@dataclass(frozen=True, slots=True)
class Rarity:
    """How rare each bucket is: the squared idf as small whole numbers, and the size of a step."""

    squares: np.ndarray
    step: float
    common: np.ndarray
    """The buckets that were seen often enough to carry a weight."""

    @property
    def idf(self) -> np.ndarray:
        """Return the idf of each bucket, as run time sees it."""
        return np.sqrt(self.squares * self.step)


def counts(texts: Sequence[str]) -> sparse.csr_matrix:
    """Return how often each text has each n-gram."""
    parts = []
    for at in range(0, len(texts), _CHUNK):
        chunk = texts[at : at + _CHUNK]
        found = grams(chunk)
        width = found.places.shape[1]
        owner = np.zeros(width, dtype=np.int32)
        owner[found.starts[1:]] = 1
        owner = np.cumsum(owner, dtype=np.int32)
        real = found.places != NOWHERE
        columns = found.places[real]
        rows = np.broadcast_to(owner, found.places.shape)[real]
        ones = np.ones(len(columns), dtype=np.float32)
        parts.append(
            sparse.coo_matrix((ones, (rows, columns)), shape=(len(chunk), BUCKETS)).tocsr()
        )
    return sparse.vstack(parts, format="csr")


def rarity(counted: sparse.csr_matrix) -> Rarity:
    """Measure how rare each bucket is."""
    seen = np.bincount(counted.indices, minlength=BUCKETS)
    idf = np.log((1 + counted.shape[0]) / (1 + seen)) + 1
    squares = idf**2
    step = float(squares.max()) / RARITY_STEPS
    steps = np.clip(np.round(squares / step), 1, RARITY_STEPS).astype(np.int8)
    return Rarity(steps, step, np.flatnonzero(seen >= SEEN_MIN))


def scaled(counted: sparse.csr_matrix, rare: Rarity) -> sparse.csr_matrix:
    """Return the features: idf of each n-gram over the norm of the text."""
    squares = rare.squares.astype(np.float32) * np.float32(rare.step)
    norms = np.sqrt(np.maximum(counted @ squares, 1e-6))
    kept = counted[:, rare.common]
    idf = np.sqrt(squares[rare.common])
    return sparse.csr_matrix(sparse.diags_array(1 / norms) @ kept @ sparse.diags_array(idf))


def unfold(weights: np.ndarray, rare: Rarity) -> np.ndarray:
    """Return a table with a row for each bucket, idf folded in; the last row is for no n-gram."""
    wide = np.zeros((BUCKETS + 1, weights.shape[0]), dtype=np.float32)
    wide[rare.common] = weights.T * rare.idf[rare.common][:, None]
    return wide


def fit(
    features: sparse.csr_matrix,
    labels: np.ndarray,
    *,
    weights: np.ndarray | None = None,
    strength: float = 4.0,
    steps: int = 60,
) -> LogisticRegression:
    """Fit a logistic regression; `strength` is the inverse of the regularisation."""
    model = LogisticRegression(C=strength, max_iter=steps, tol=1e-4)
    model.fit(features, labels, sample_weight=weights)
    return model
