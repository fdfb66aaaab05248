"""Fits the heads on top of the towers: complaint, needs-answer, severity, spam; each calibrated.

Promise: every figure here comes from rows that the fit in question had not seen (folds), and every
threshold is chosen on those. Needs-answer and urgency are learnt from `triage_dev`, whose labels a
language model gave: that is what the scores agree with, not people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from careline.triage.model.file import SENTIMENTS
from careline.triage.model.signs import CRITICAL, SIGNS
from careline.triage.quality import figures
from training.data import SEED
from training.linear import Rarity, counts, scaled, unfold

FOLDS: Final = 10
RECALL_WANTED: Final = 0.98
"""A little more than is asked for: posts of another week are not quite those of these rows."""
EXTRA_SCALE: Final = 0.25
STRENGTHS: Final = {"complaint": 4.0, "needs_answer": 4.0, "severity": 4.0, "spam": 30.0}
DENSE_SCALES: Final = {
    "complaint": (0.05, 0.3),
    "needs_answer": (0.1, 0.5),
    "severity": (0.1, 0.5),
    "spam": (0.1, 0.5),
}
"""How far the subword tower's layer, and what is known beside it, are shrunk beside n-grams: they
are fewer, each says more, and the layer's many columns fit anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The texts of one head, with yes (1) or no (0)."""

    texts: list[str]
    labels: np.ndarray
    weights: np.ndarray | None = None
    helpers: int = 0
    """So many of the last rows are learnt from beside the others, and never scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A fitted head: a column of the n-gram table, weights of the dense features, a bias."""

    grams: np.ndarray
    dense: np.ndarray
    bias: float
    unseen: np.ndarray
    """Calibrated logits of its own examples, helpers too, each from a fit that had not seen it."""


def fit(
    name: str,
    examples: Examples,
    rare: Rarity,
    dense: np.ndarray,
    extra: np.ndarray | None = None,
) -> Head:
    """Fit one head; `extra` is a logit of another head, known beforehand and weighed along."""
    every = scaled(counts(examples.texts), rare)
    used = np.unique(every.indices)
    grams = every[:, used]
    centre = dense.mean(axis=0)
    scale = _scales(name, dense.shape[1]) / (dense.std(axis=0) + 0.05)
    shaped = (dense - centre) * scale
    if extra is not None:
        shaped = np.concatenate([shaped, extra[:, None] * EXTRA_SCALE], axis=1)
    joined = sparse.csr_matrix(sparse.hstack([grams, sparse.csr_matrix(shaped)]))
    labels = examples.labels
    weights = np.ones(len(labels)) if examples.weights is None else examples.weights
    unseen = np.zeros(len(labels))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for train, test in folds.split(joined, labels):
        model = _fit(name, joined[train], labels[train], weights[train])
        unseen[test] = model.decision_function(joined[test])
    scored = len(labels) - examples.helpers
    slope, shift = _platt(unseen[:scored], labels[:scored])
    model = _fit(name, joined, labels, weights)
    found = model.coef_[0] * slope
    many = grams.shape[1]
    inner = found[many : many + dense.shape[1]] * scale
    bias = float(model.intercept_[0] * slope + shift - inner @ centre)
    more = found[many + dense.shape[1] :] * EXTRA_SCALE
    return Head(
        grams=unfold(_wide(found[:many], used, every.shape[1]), rare)[:, 0],
        dense=np.concatenate([inner, more]).astype(np.float32),
        bias=bias,
        unseen=unseen * slope + shift,
    )


def _wide(weights: np.ndarray, used: np.ndarray, width: int) -> np.ndarray:
    """Put the weights of the columns in use where they belong."""
    wide = np.zeros((1, width))
    wide[0, used] = weights
    return wide


def _scales(name: str, width: int) -> np.ndarray:
    """Return the scale of each dense feature: the tower's layer comes first."""
    layer, beside = DENSE_SCALES[name]
    scales = np.full(width, layer)
    scales[-(len(SENTIMENTS) + len(SIGNS)) :] = beside
    return scales


def _fit(
    name: str, features: sparse.csr_matrix, labels: np.ndarray, weights: np.ndarray
) -> LogisticRegression:
    model = LogisticRegression(C=STRENGTHS[name], max_iter=150, class_weight="balanced")
    return model.fit(features, labels, sample_weight=weights)


def _platt(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return slope and shift that make logits calibrated where yes and no weigh alike.

    The classes are balanced on purpose: 0.5 is then the balanced point that triage asks for.
    """
    model = LogisticRegression(C=100.0, class_weight="balanced")
    model.fit(logits[:, None], labels)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def thresholds(
    needs: np.ndarray,
    severity: np.ndarray,
    signs: np.ndarray,
    labels: np.ndarray,
    wanted: np.ndarray,
) -> dict[str, float]:
    """Choose the thresholds of needs-answer and urgency on scores of unseen rows."""
    query_from = figures.threshold_for(needs, wanted, RECALL_WANTED) - 1e-4
    none_below = max(
        np.arange(0.2, 0.8, 0.02), key=lambda t: figures.macro_f1(wanted, (needs >= t).astype(int))
    )
    alarming = signs[:, CRITICAL] > 0
    best, chosen = -1.0, (0.5, 0.5)
    for high_from in np.arange(0.3, 0.9, 0.05):
        for critical_from in np.arange(0.0, 0.9, 0.1):
            found = levels(needs, severity, alarming, none_below, high_from, critical_from)
            kappa = figures.kappa(labels, found)
            if kappa > best:
                best, chosen = kappa, (float(high_from), float(critical_from))
    return {
        "query_from": round(query_from, 4),
        "none_below": round(float(none_below), 4),
        "high_from": round(chosen[0], 4),
        "critical_from": round(chosen[1], 4),
        "alarm_needs": 0.2,
    }


def levels(
    needs: np.ndarray,
    severity: np.ndarray,
    alarming: np.ndarray,
    none_below: float,
    high_from: float,
    critical_from: float,
) -> np.ndarray:
    """Return the level of each text, as run time does."""
    level = (needs >= none_below).astype(int)
    level[(level > 0) & (severity >= high_from)] = 2
    wanted = alarming & (needs >= 0.2)
    level[wanted] = 2
    level[wanted & (severity >= critical_from)] = 3
    return level
