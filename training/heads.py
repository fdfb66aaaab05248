"""Fits the heads on top of the towers: complaint, needs-answer, severity, spam; each calibrated.

Promise: every figure here comes from rows that the fit in question had not seen (folds), and every
threshold is chosen on those. Needs-answer and urgency are learnt from `triage_dev`, whose labels a
language model gave: that is what the scores agree with, not people.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, f1_score
from sklearn.model_selection import StratifiedKFold

from careline.triage.model_signs import CRITICAL
from careline.triage.model_text import normalise
from training.data import SEED, URGENCIES, table
from training.linear import Rarity, counts, scaled, unfold

if TYPE_CHECKING:
    from pathlib import Path

FOLDS: Final = 5
RECALL_WANTED: Final = 0.975
STRENGTHS: Final = {"complaint": 8.0, "needs_answer": 4.0, "severity": 4.0, "spam": 30.0}
DENSE_SCALE: Final = 0.5
"""How far the dense features are shrunk beside n-grams: they are fewer and each says more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The texts of one head, with yes (1) or no (0)."""

    texts: list[str]
    labels: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A fitted head: a column of the n-gram table, weights of the dense features, a bias."""

    grams: np.ndarray
    dense: np.ndarray
    bias: float
    unseen: np.ndarray
    """Calibrated logits of its own examples, each from a fit that had not seen it."""


def complaints(folder: Path) -> tuple[Examples, np.ndarray]:
    """Return the examples of the complaint head, and which of them went to a brand."""
    rows = list(table(folder, "complaints_en_train.tsv.gz"))
    chatter = ("random_reply", "random_tweet")
    examples = Examples(
        texts=[normalise(row["text"]) for row in rows],
        labels=np.array([row["label"] == "complaint" for row in rows], dtype=np.int64),
    )
    return examples, np.array([row["domain"] not in chatter for row in rows])


def spam(folder: Path) -> Examples:
    """Return the examples of the spam head; posts to brands stand beside them, as no spam."""
    rows = list(table(folder, "spam_sms_train.tsv.gz"))
    chatter = list(table(folder, "complaints_en_train.tsv.gz"))
    return Examples(
        texts=[normalise(row["text"]) for row in [*rows, *chatter]],
        labels=np.array([row.get("label") == "spam" for row in [*rows, *chatter]], dtype=np.int64),
    )


def triage(folder: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return texts, whether each needs an answer, and how urgent each is (0 to 3)."""
    rows = list(table(folder, "triage_dev.tsv.gz"))
    return (
        [normalise(row["text"]) for row in rows],
        np.array([row["needs_answer"] == "yes" for row in rows], dtype=np.int64),
        np.array([URGENCIES.index(row["urgency"]) for row in rows]),
    )


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
    centre, spread = dense.mean(axis=0), dense.std(axis=0) + 0.05
    shaped = DENSE_SCALE * (dense - centre) / spread
    if extra is not None:
        shaped = np.concatenate([shaped, DENSE_SCALE * extra[:, None] / 2], axis=1)
    joined = sparse.csr_matrix(sparse.hstack([grams, sparse.csr_matrix(shaped)]))
    unseen = np.zeros(len(examples.labels))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    for train, test in folds.split(joined, examples.labels):
        model = _fit(name, joined[train], examples.labels[train])
        unseen[test] = model.decision_function(joined[test])
    slope, shift = _platt(unseen, examples.labels)
    model = _fit(name, joined, examples.labels)
    weights = model.coef_[0] * slope
    many = grams.shape[1]
    inner = weights[many : many + dense.shape[1]] * DENSE_SCALE / spread
    bias = float(model.intercept_[0] * slope + shift - inner @ centre)
    more = weights[many + dense.shape[1] :] * DENSE_SCALE / 2
    return Head(
        grams=unfold(_wide(weights[:many], used, every.shape[1]), rare)[:, 0],
        dense=np.concatenate([inner, more]).astype(np.float32),
        bias=bias,
        unseen=unseen * slope + shift,
    )


def _wide(weights: np.ndarray, used: np.ndarray, width: int) -> np.ndarray:
    """Put the weights of the columns in use where they belong."""
    wide = np.zeros((1, width))
    wide[0, used] = weights
    return wide


def _fit(name: str, features: sparse.csr_matrix, labels: np.ndarray) -> LogisticRegression:
    model = LogisticRegression(C=STRENGTHS[name], max_iter=100, class_weight="balanced")
    return model.fit(features, labels)


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
    yes = np.sort(needs[wanted == 1])
    query_from = float(yes[int((1 - RECALL_WANTED) * len(yes))]) - 1e-4
    none_below = max(
        np.arange(0.2, 0.8, 0.02), key=lambda t: f1_score(wanted, needs >= t, average="macro")
    )
    alarming = signs[:, CRITICAL] > 0
    best, chosen = -1.0, (0.5, 0.5)
    for high_from in np.arange(0.3, 0.9, 0.05):
        for critical_from in np.arange(0.0, 0.9, 0.1):
            found = levels(needs, severity, alarming, none_below, high_from, critical_from)
            kappa = cohen_kappa_score(labels, found, weights="quadratic")
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


def fold_of(text: str) -> int:
    """Return a stable number from 0 to 9 for a text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] % 10
