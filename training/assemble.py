"""Puts an artefact together: n-gram tower, mix of the towers, heads, thresholds.

Promise: what is fitted here is fitted on what the towers say at run time, int8 and all. The figures
that come along are of rows that the fit in question had not seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from scipy.optimize import minimize

from careline.triage.model.classifier import Model, head_features, log_softmax
from careline.triage.model.file import HEADS, SENTIMENTS, Artefact, Table
from careline.triage.model.signs import SIGNS, signs
from careline.triage.model.towers import GramTower, SubwordTower
from careline.triage.quality import figures, labelled, metrics
from training import heads, linear
from training.data import NON_COMMERCIAL, Row, balanced
from training.quantise import columns

if TYPE_CHECKING:
    from pathlib import Path

    from careline.triage.model.file import Tower

VERSION: Final = "careline-triage-3"
FREE: Final = "-free"
LINEAR_STEPS: Final = 50
LINEAR_STRENGTH: Final = 1.0
GRAM_SOURCES: Final = frozenset({"umsab", "semeval"})
BRAND_WEIGHT: Final = 1.75
RECALL_UNLABELLED: Final = 0.995
"""Where no labels tell what needs an answer: of complaints, so that of the rest enough comes in."""
_BY_HAND: Final = {"high": 2.0, "critical": 4.0, "outward": -1.0}
"""What the signs say of severity in a build that has no labels of it."""
_SETTINGS: Final = {
    "query_from": 0.5,
    "none_below": 0.5,
    "high_from": 0.5,
    "critical_from": 0.5,
    "alarm_needs": 0.2,
}


def sentiment_grams(every: list[Row]) -> tuple[np.ndarray, np.ndarray, linear.Rarity]:
    """Fit the n-gram tower's sentiment columns.

    On UMSAB and English alone, two points of UMSAB better than on all: words of other languages
    share its buckets. What else was learnt is the subword tower's.
    """
    rows = [row for row in every if row.source in GRAM_SOURCES]
    counted = linear.counts([row.text for row in rows])
    rare = linear.rarity(counted)
    labels = np.array([SENTIMENTS.index(row.label) for row in rows])
    weights = np.array([0.5 if row.two_class else 1.0 for row in rows]) * balanced(rows)
    model = linear.fit(
        linear.scaled(counted, rare),
        labels,
        weights=weights,
        strength=LINEAR_STRENGTH,
        steps=LINEAR_STEPS,
    )
    return (
        linear.unfold(model.coef_.astype(np.float32), rare)[:-1],
        model.intercept_.astype(np.float32),
        rare,
    )


def fit_mix(
    dev: dict[str, list[Row]], table: Table, bias: np.ndarray, tower: Tower | None
) -> np.ndarray:
    """Return how much each tower counts, so that the rows held back are likeliest: calibrated.

    UMSAB's val rows and the English ones weigh alike; rows with labels of others are left out.
    """
    groups = [
        [
            row
            for name, each in dev.items()
            if name.startswith(part)
            for row in each
            if row.language not in labelled.MISLABELLED
        ]
        for part in ("umsab-val", "semeval")
    ]
    known = []
    for rows in filter(None, groups):
        texts = [row.text for row in rows]
        truth = np.array([SENTIMENTS.index(row.label) for row in rows])
        one = log_softmax(GramTower(table).feelings(texts) + bias)
        two = np.zeros_like(one) if tower is None else log_softmax(SubwordTower(tower)(texts)[0])
        known.append((truth, one, two))

    def loss(mix: np.ndarray) -> float:
        total = 0.0
        for truth, one, two in known:
            logs = log_softmax((one * mix[0] + two * mix[1]).astype(np.float32))
            total -= float(logs[np.arange(len(truth)), truth].mean())
        return total

    found = minimize(loss, np.array([0.5, 0.5]), method="Nelder-Mead")
    return np.maximum(found.x, 0).astype(np.float32)


def provisional(
    grams: np.ndarray,
    bias: np.ndarray,
    rare: linear.Rarity,
    tower: Tower | None,
    dev: dict[str, list[Row]],
) -> Artefact:
    """Return a model whose heads say nothing yet."""
    empty = np.zeros((len(grams), len(HEADS)), dtype=np.float32)
    table = gram_table(grams, empty, rare)
    mix = fit_mix(dev, table, bias, tower)
    hidden = 0 if tower is None else tower.dense["hidden_bias"].shape[0]
    width = hidden + len(SENTIMENTS) + len(SIGNS)
    return Artefact(
        version=VERSION,
        grams=table,
        tower=tower,
        dense={
            "heads": np.zeros((width, len(HEADS)), dtype=np.float32),
            "bias": np.zeros(len(HEADS), dtype=np.float32),
            "mix": np.array([*mix, 0, 0], dtype=np.float32),
            "sentiment_bias": (bias * mix[0]).astype(np.float32),
        },
        settings=dict(_SETTINGS),
    )


def gram_table(sentiments: np.ndarray, more: np.ndarray, rare: linear.Rarity) -> Table:
    """Join the columns of one table; the last is the squared rarity."""
    rows, steps = columns(np.concatenate([sentiments, more], axis=1), alike=len(SENTIMENTS))
    return Table(
        np.concatenate([rows, rare.squares[:, None]], axis=1),
        np.append(steps, np.float32(rare.step)).astype(np.float32),
    )


def with_heads(
    folder: Path, artefact: Artefact, grams: np.ndarray, rare: linear.Rarity, *, nc: bool
) -> tuple[Artefact, dict[str, Any]]:
    """Fit the heads on a model, and return it with them and their figures."""
    model = Model(artefact)

    def features(texts: list[str]) -> np.ndarray:
        found = [
            model.look(texts[at : at + metrics.BATCH]) for at in range(0, len(texts), metrics.BATCH)
        ]
        probabilities = np.concatenate([each[0] for each in found])
        hidden = np.concatenate([each[2] for each in found])
        return head_features(hidden, probabilities, signs(texts))

    fitted, found = _spoken(folder, features, rare, nc=nc)
    settings = dict(artefact.settings)
    extra = np.zeros(2, dtype=np.float32)
    if nc:
        texts, needs, urgency = labelled.triage(folder)
        dense = features(texts)
        # As the complaint head sees them where it had not learnt from them.
        logit = fitted["complaint"].unseen[-len(texts) :]
        severe = [int(level > 1) for level in urgency]
        for name, labels in (("needs_answer", needs), ("severity", severe)):
            examples = heads.Examples(texts=texts, labels=np.array(labels))
            fitted[name] = heads.fit(name, examples, rare, dense, extra=logit)
        extra = np.array([fitted[n].dense[-1] for n in ("needs_answer", "severity")], np.float32)
        more, chosen = _judged(fitted, texts, np.array(needs), np.array(urgency))
        found |= more
        settings |= chosen
    else:
        settings |= _without_labels(folder, features, rare, fitted)
    table = np.stack([fitted[name].grams[:-1] for name in HEADS], axis=1)
    width = artefact.dense["heads"].shape[0]
    weights = np.stack([fitted[name].dense[:width] for name in HEADS], axis=1)
    known_files = labelled.digests(folder)
    changed = replace(
        artefact,
        version=VERSION if nc else VERSION + FREE,
        grams=gram_table(grams, table, rare),
        dense={
            **artefact.dense,
            "heads": weights.astype(np.float32),
            "bias": np.array([fitted[name].bias for name in HEADS], dtype=np.float32),
            "mix": np.concatenate([artefact.dense["mix"][:2], extra]),
        },
        settings=settings
        | {
            "figures": found,
            "trained_on": {
                name: known_files[name]
                for name in (labelled.COMPLAINTS, labelled.TRIAGE, labelled.SPAM)
                if nc or name not in NON_COMMERCIAL
            },
        },
    )
    return changed, found


def _spoken(
    folder: Path, features: Any, rare: linear.Rarity, *, nc: bool
) -> tuple[dict[str, heads.Head], dict[str, Any]]:
    """Fit the heads of complaint and spam.

    What is said to brands weighs more than chatter, which is easily told; where its licence allows
    it, posts of the triage set that complain (or do not) help, and are not scored here.
    """
    texts, labels, branded = labelled.complaints(folder)
    to_brand, truth = np.array(branded), np.array(labels)
    more, kinds = labelled.kinds(folder) if nc else ([], [])
    complaints = heads.Examples(
        texts=texts + more,
        labels=np.array(labels + [int(kind == "complaint") for kind in kinds]),
        weights=np.concatenate([np.where(to_brand, BRAND_WEIGHT, 1.0), np.ones(len(more))]),
        helpers=len(more),
    )
    complaint = heads.fit("complaint", complaints, rare, features(complaints.texts))
    texts, labels = labelled.spam(folder)
    spams = heads.Examples(texts=texts, labels=np.array(labels))
    spam = heads.fit("spam", spams, rare, features(texts))
    unseen = complaint.unseen[: len(truth)]
    return {"complaint": complaint, "spam": spam}, {
        "complaint": figures.binary(unseen, truth),
        "complaint_to_brands": figures.binary(unseen[to_brand], truth[to_brand]),
        "spam": figures.binary(spam.unseen, spams.labels),
    }


def _without_labels(
    folder: Path, features: Any, rare: linear.Rarity, fitted: dict[str, heads.Head]
) -> dict[str, float]:
    """Fit needs-answer on what is said to brands and what is not; severity is put by hand."""
    texts, labels, branded = labelled.complaints(folder)
    dense = features(texts)
    said = heads.Examples(texts=texts, labels=np.array(branded, dtype=np.int64))
    needs = heads.fit("needs_answer", said, rare, dense)
    complaint = fitted["complaint"]
    fitted["needs_answer"] = replace(
        needs,
        grams=(needs.grams + complaint.grams) / 2,
        dense=(needs.dense + complaint.dense) / 2,
        bias=(needs.bias + complaint.bias) / 2,
        unseen=(needs.unseen + complaint.unseen) / 2,
    )
    by_hand = np.zeros_like(complaint.dense)
    by_hand[-len(SIGNS) :] = [_BY_HAND.get(name, 0.0) for name in SIGNS]
    fitted["severity"] = replace(
        complaint,
        grams=complaint.grams / 2,
        dense=complaint.dense / 2 + by_hand,
        bias=complaint.bias / 2 - 1.5,
    )
    scores = 1 / (1 + np.exp(-fitted["needs_answer"].unseen))
    lost = figures.threshold_for(scores, np.array(labels), RECALL_UNLABELLED)
    return {"query_from": round(lost - 1e-4, 4)}


def _judged(
    fitted: dict[str, heads.Head], texts: list[str], needs: np.ndarray, urgency: np.ndarray
) -> tuple[dict[str, Any], dict[str, float]]:
    """Choose the thresholds, and measure needs-answer and urgency on rows not seen."""
    unseen = {name: fitted[name].unseen for name in ("needs_answer", "severity")}
    scores = {name: 1 / (1 + np.exp(-logits)) for name, logits in unseen.items()}
    seen = signs(texts)
    chosen = heads.thresholds(scores["needs_answer"], scores["severity"], seen, urgency, needs)
    alarming = seen[:, 0] > 0
    levels = heads.levels(
        scores["needs_answer"],
        scores["severity"],
        alarming,
        chosen["none_below"],
        chosen["high_from"],
        chosen["critical_from"],
    )
    asked = (scores["needs_answer"] >= chosen["query_from"]) | alarming
    return {
        "needs_answer": metrics.answers(unseen["needs_answer"], needs, asked, balanced=0.0),
        "urgency": metrics.urgencies(unseen["severity"], urgency, levels, balanced=0.0),
    }, chosen
