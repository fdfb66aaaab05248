"""Measures a model on the dev sets of a data folder, in the words and figures of the triage guide.

Promise: the model is used as it runs, int8 and all; no figure is of rows that it was trained on,
but for those of complaint, needs-answer and urgency, which are of folds and come from the build.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.metrics import cohen_kappa_score, f1_score, recall_score, roc_auc_score

from careline.triage.model_file import SENTIMENTS
from careline.triage.model_language import languages
from careline.triage.model_text import normalise
from training.data import sentiment_dev, table

if TYPE_CHECKING:
    from pathlib import Path

    from careline.triage.model import Model

UMSAB: Final = ("ar", "en", "fr", "de", "hi", "it", "pt", "es")
BINS: Final = 10
_LANGUAGE_BATCH: Final = 256


def sentiment(model: Model, folder: Path) -> dict[str, Any]:
    """Return macro-F1, in per cent, of each sentiment dev set, and their means."""
    scores: dict[str, float] = {}
    found: dict[str, Any] = {}
    everything: list[tuple[np.ndarray, np.ndarray]] = []
    for name, rows in sorted(sentiment_dev(folder).items()):
        probabilities = model.logits_in_batches([row.text for row in rows])[0]
        truth = np.array([SENTIMENTS.index(row.label) for row in rows])
        guess = probabilities.argmax(axis=1)
        if rows[0].two_class:
            forced = np.where(probabilities[:, 2] > probabilities[:, 0], 2, 0)
            found["tr_two_class_macro_f1"] = _percent(f1_score(truth, forced, average="macro"))
            continue
        scores[name] = _percent(f1_score(truth, guess, average="macro"))
        if name == "semeval-en":
            found["semeval_en_macro_recall"] = _percent(recall_score(truth, guess, average="macro"))
            found["semeval_en_ece"] = _percent(calibration_error(probabilities, truth))
        if name.startswith("umsab-"):
            everything.append((probabilities, truth))
    found["macro_f1"] = scores
    found["umsab_val_mean"] = _mean(scores[f"umsab-val-{each}"] for each in UMSAB)
    found["umsab_test_ar_fr_it_pt_mean"] = _mean(
        scores[f"umsab-test-{each}"] for each in ("ar", "fr", "it", "pt")
    )
    joined = np.concatenate([p for p, _ in everything]), np.concatenate([t for _, t in everything])
    found["umsab_ece"] = _percent(calibration_error(*joined))
    return found


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Return the expected calibration error over ten bins of confidence."""
    confidence, guess = probabilities.max(axis=1), probabilities.argmax(axis=1)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    right = guess == truth
    total = 0.0
    for number in range(BINS):
        inside = place == number
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    return float(total)


def binary(logits: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Return macro-F1 at the balanced point, and the area under the curve."""
    return {
        "macro_f1": _percent(f1_score(truth, logits > 0, average="macro")),
        "auc": _percent(roc_auc_score(truth, logits)),
    }


def specificity(scores: np.ndarray, truth: np.ndarray, *, recall: float) -> float:
    """Return the share of the noes that stays out where this share of the yeses comes in."""
    yes = np.sort(scores[truth == 1])
    threshold = yes[int((1 - recall) * len(yes))]
    return round(float((scores[truth == 0] < threshold).mean()), 3)


def kappa(truth: np.ndarray, guess: np.ndarray) -> float:
    """Return the quadratic kappa of ordered levels."""
    return round(float(cohen_kappa_score(truth, guess, weights="quadratic")), 3)


def language(folder: Path) -> float:
    """Return how many of the language sentences, in per cent, are named rightly."""
    rows = list(table(folder, "langid_dev.tsv.gz"))
    known = languages()
    right = 0
    for at in range(0, len(rows), _LANGUAGE_BATCH):
        chunk = rows[at : at + _LANGUAGE_BATCH]
        names = known.classify([normalise(row["text"]) for row in chunk])
        right += sum(name == row["lang"] for name, row in zip(names, chunk, strict=True))
    return _percent(right / len(rows))


def speed(model: Model, texts: list[str]) -> dict[str, float]:
    """Return texts per second of processor time, and milliseconds of one text alone."""
    model.classify(texts[:256])
    began = time.process_time()
    model.sentiments(texts)
    middle = time.process_time()
    model.classify(texts)
    end = time.process_time()
    for text in texts[:200]:
        model.classify([text])
    alone = time.process_time() - end
    return {
        "sentiment_only_per_s": round(len(texts) / (middle - began)),
        "all_heads_per_s": round(len(texts) / (end - middle)),
        "single_ms": round(alone / 200 * 1000, 3),
    }


def _percent(share: float) -> float:
    return round(100 * float(share), 2)


def _mean(values: Any) -> float:
    return round(float(np.mean(list(values))), 2)
