"""Builds the triage model: `python -m training.build --data DIR`.

Promises: fixed seeds; the data folder is only read and never named in what is written; a model that
is worse on the dev sets than the one in place does not replace it; what was done is told in a model
card beside the artefact. `--work DIR` keeps the long steps, so that a build can be taken up again.
"""

from __future__ import annotations

import argparse
import json
import pickle
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np
from scipy.optimize import minimize

from careline.triage.model import Model, head_features, log_softmax
from careline.triage.model_file import HEADS, SENTIMENTS, Artefact, Table, read, save
from careline.triage.model_signs import SIGNS, signs
from careline.triage.model_towers import GramTower, SubwordTower
from training import card, heads, linear, metrics
from training.data import Row, balanced, sentiment_dev, sentiment_train, support
from training.quantise import columns

if TYPE_CHECKING:
    from collections.abc import Callable

    from careline.triage.model_file import Tower

PLACE: Final = Path(__file__).parent.parent / "careline" / "triage" / "artefact"
VERSION: Final = "careline-triage-1"
LINEAR_STEPS: Final = 50
LINEAR_STRENGTH: Final = 3.0
_T = TypeVar("_T")


class Workshop:
    """Where the long steps of one build are kept; another data folder or option needs another."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is made if needed."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def step(self, name: str, make: Callable[[], _T]) -> _T:
        """Return what a step gave before, or do it now and keep it."""
        path = self.folder / f"{name}.pickle"
        if path.exists():
            found: _T = pickle.loads(path.read_bytes())  # noqa: S301 our own file of minutes ago
            return found
        began = time.monotonic()
        made = make()
        path.write_bytes(pickle.dumps(made))
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
        return made


def build(folder: Path, shop: Workshop, *, nc: bool, linear_only: bool) -> tuple[Artefact, Any]:
    """Return a model and its figures."""
    rows = shop.step("rows", lambda: sentiment_train(folder, nc=nc))
    grams, bias, rare = shop.step("grams", lambda: sentiment_grams(rows))
    tower: Tower | None = None
    if not linear_only:
        from training.distil import distilled  # noqa: PLC0415 torch is not there in a quick build

        tower = distilled(folder, rows, shop, nc=nc)
    dev = sentiment_dev(folder)
    mix = fit_mix(dev, Table(*_quick_table(grams, rare)), bias, tower)
    artefact = provisional(grams, bias, rare, mix, tower)
    artefact, figures = with_heads(folder, artefact, grams, rare, nc=nc)
    model = Model(artefact)
    figures["sentiment"] = metrics.sentiment(model, folder)
    figures["language_accuracy"] = metrics.language(folder)
    figures["speed"] = metrics.speed(model, support(folder, nc=nc)[:4096])
    return artefact, figures


def sentiment_grams(rows: list[Row]) -> tuple[np.ndarray, np.ndarray, linear.Rarity]:
    """Fit the n-gram tower's sentiment columns."""
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


def _quick_table(grams: np.ndarray, rare: linear.Rarity) -> tuple[np.ndarray, np.ndarray]:
    """Return the table of sentiment and rarity alone, as run time reads it."""
    rows, steps = columns(grams)
    return (
        np.concatenate([rows, rare.squares[:, None]], axis=1),
        np.append(steps, np.float32(rare.step)).astype(np.float32),
    )


def fit_mix(
    dev: dict[str, list[Row]], table: Table, bias: np.ndarray, tower: Tower | None
) -> np.ndarray:
    """Return how much each tower counts, so that UMSAB's val rows are likeliest: calibrated."""
    rows = [row for name, each in dev.items() if name.startswith("umsab-val") for row in each]
    texts = [row.text for row in rows]
    truth = np.array([SENTIMENTS.index(row.label) for row in rows])
    one = log_softmax(GramTower(table)(texts) + bias)
    two = np.zeros_like(one) if tower is None else log_softmax(SubwordTower(tower)(texts)[0])

    def loss(mix: np.ndarray) -> float:
        logs = log_softmax((one * mix[0] + two * mix[1]).astype(np.float32))
        return -float(logs[np.arange(len(truth)), truth].mean())

    found = minimize(loss, np.array([0.5, 0.5]), method="Nelder-Mead")
    return np.maximum(found.x, 0).astype(np.float32)


def provisional(
    grams: np.ndarray, bias: np.ndarray, rare: linear.Rarity, mix: np.ndarray, tower: Tower | None
) -> Artefact:
    """Return a model whose heads say nothing yet."""
    empty = np.zeros((len(grams), len(HEADS)), dtype=np.float32)
    hidden = 0 if tower is None else tower.dense["hidden_bias"].shape[0]
    width = hidden + len(SENTIMENTS) + len(SIGNS)
    return Artefact(
        version=VERSION,
        grams=gram_table(grams, empty, rare),
        tower=tower,
        dense={
            "heads": np.zeros((width, len(HEADS)), dtype=np.float32),
            "bias": np.zeros(len(HEADS), dtype=np.float32),
            "mix": np.array([*mix, 0, 0], dtype=np.float32),
            "sentiment_bias": (bias * mix[0]).astype(np.float32),
        },
        settings={
            "query_from": 0.5,
            "none_below": 0.5,
            "high_from": 0.5,
            "critical_from": 0.5,
            "alarm_needs": 0.2,
        },
    )


def gram_table(sentiments: np.ndarray, more: np.ndarray, rare: linear.Rarity) -> Table:
    """Join the columns of one table; the last is the squared rarity."""
    rows, steps = columns(np.concatenate([sentiments, more], axis=1))
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
        probabilities, _, hidden = model.look(texts)
        return head_features(hidden, probabilities, signs(texts))

    complaints, to_brand = heads.complaints(folder)
    complaint = heads.fit("complaint", complaints, rare, features(complaints.texts))
    spam = heads.spam(folder)
    spam_head = heads.fit("spam", spam, rare, features(spam.texts))
    figures: dict[str, Any] = {
        "complaint": metrics.binary(complaint.unseen, complaints.labels),
        "complaint_to_brands": metrics.binary(
            complaint.unseen[to_brand], complaints.labels[to_brand]
        ),
        "spam": metrics.binary(spam_head.unseen, spam.labels),
    }
    dense = features(complaints.texts)
    fitted = {"complaint": complaint, "spam": spam_head}
    settings = dict(artefact.settings)
    extra = np.zeros(2, dtype=np.float32)
    if nc:
        texts, needs, urgency = heads.triage(folder)
        dense = features(texts)
        known = linear.counts(texts)
        norms = np.sqrt(np.maximum(known @ (rare.squares * np.float32(rare.step)), 1e-6))
        logit = (known @ complaint.grams[:-1]) / norms + dense @ complaint.dense + complaint.bias
        for name, labels in (("needs_answer", needs), ("severity", (urgency > 1).astype(int))):
            examples = heads.Examples(texts=texts, labels=labels)
            fitted[name] = heads.fit(name, examples, rare, dense, extra=logit)
        extra = np.array([fitted[n].dense[-1] for n in ("needs_answer", "severity")], np.float32)
        more, settings = _judged(fitted, texts, needs, urgency)
        figures |= more
    else:
        fitted["needs_answer"] = fitted["severity"] = complaint
    table = np.stack([fitted[name].grams[:-1] for name in HEADS], axis=1)
    width = artefact.dense["heads"].shape[0]
    weights = np.stack([fitted[name].dense[:width] for name in HEADS], axis=1)
    changed = replace(
        artefact,
        grams=gram_table(grams, table, rare),
        dense={
            **artefact.dense,
            "heads": weights.astype(np.float32),
            "bias": np.array([fitted[name].bias for name in HEADS], dtype=np.float32),
            "mix": np.concatenate([artefact.dense["mix"][:2], extra]),
        },
        settings=settings,
    )
    return changed, figures


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
        "needs_answer": metrics.binary(unseen["needs_answer"], needs)
        | {
            "specificity_at_95_recall": metrics.specificity(
                unseen["needs_answer"], needs, recall=0.95
            ),
            "operational_recall": round(float(asked[needs == 1].mean()), 4),
            "operational_specificity": round(float((~asked)[needs == 0].mean()), 4),
        },
        "urgency": metrics.binary(unseen["severity"], (urgency > 1).astype(int))
        | {
            "kappa": metrics.kappa(urgency, levels),
            "critical_rows": int((urgency == 3).sum()),
            "critical_flagged": int(((urgency == 3) & (levels > 1)).sum()),
        },
    }, chosen


def main(argv: list[str]) -> int:
    """Build, compare with what is in place, write."""
    parser = argparse.ArgumentParser(prog="training.build", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--work", type=Path, help="keeps the long steps of a build")
    parser.add_argument("--out", type=Path, default=PLACE, help="where the artefact goes")
    parser.add_argument("--no-nc", action="store_true", help="leave non-commercial sources out")
    parser.add_argument("--linear", action="store_true", help="n-grams alone: minutes, no torch")
    parser.add_argument("--force", action="store_true", help="replace a better model, too")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as spare:
        shop = Workshop(asked.work or Path(spare))
        artefact, figures = build(asked.data, shop, nc=not asked.no_nc, linear_only=asked.linear)
    name = "model-free.npz" if asked.no_nc else "model.npz"
    path: Path = asked.out / name
    if path.exists() and not asked.force:
        there = metrics.sentiment(Model(read(path.read_bytes())), asked.data)
        if there["umsab_val_mean"] > figures["sentiment"]["umsab_val_mean"]:
            print(f"{name} in place is better ({there['umsab_val_mean']} on UMSAB val): kept")
            print(json.dumps(figures, indent=1))
            return 1
    path.parent.mkdir(parents=True, exist_ok=True)
    save(artefact, path)
    text = card.card(
        asked.data,
        figures,
        size=path.stat().st_size,
        nc=not asked.no_nc,
        tower=artefact.tower is not None,
        version=artefact.version,
    )
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
