"""Measures the trained model on a data folder, in the words and figures of its model card.

Promise: the model is used as it runs, int8 and all. Of files that it was fitted on (told by their
sha256, whatever they are called) the figures are those of the build's folds, never of rows that the
model knows; `from_build` names them. What a folder does not have is not in the answer.
"""

from __future__ import annotations

import hashlib
import resource
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from careline.triage.model.classifier import LEVELS, Model, default_model
from careline.triage.model.file import SENTIMENTS, read, shipped_bytes
from careline.triage.model.language import languages
from careline.triage.model.text import normalise
from careline.triage.quality import figures, labelled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

UMSAB_TESTS: Final = ("ar", "fr", "it", "pt")
"""Whose test split the data folder has; the other four are kept apart."""
_HEADS: Final = {
    labelled.COMPLAINTS: ("complaint", "complaint_to_brands"),
    labelled.TRIAGE: ("needs_answer", "urgency"),
    labelled.SPAM: ("spam",),
}
BATCH: Final = 256
_SPEED_TEXTS: Final = 4096
_ALONE: Final = 200
_WARM: Final = 512


def evaluate(folder: Path, model: Model | None = None) -> dict[str, Any]:
    """Return every figure that a data folder allows, as plain numbers for JSON."""
    used = model or default_model()
    known = used.trained_on
    found: dict[str, Any] = {"model": used.version, "sentiment": sentiment(used, folder)}
    from_build: list[str] = []
    for name, heads in _HEADS.items():
        if not (folder / name).exists():
            continue
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if known.get(name) == digest:
            found |= {head: used.figures[head] for head in heads if head in used.figures}
            from_build += [head for head in heads if head in used.figures]
        else:
            found |= _measured(used, folder, name)
    if (folder / labelled.LANGUAGES).exists():
        found["language_accuracy"] = language(folder)
    found["from_build"] = from_build
    texts = _texts(folder)
    if texts:
        found["speed"] = speed(used, texts)
    if model is None:
        found["size"] = size()
    return found | {"memory_mb": memory()}


def sentiment(model: Model, folder: Path) -> dict[str, Any]:
    """Return macro-F1, in per cent, of each sentiment dev set, and what sums them up."""
    scores: dict[str, float] = {}
    found: dict[str, Any] = {}
    sets = labelled.sentiment_dev(folder) | labelled.other_sentiment(folder)
    for name, rows in sorted(sets.items()):
        probabilities = model.logits_in_batches([row.text for row in rows])[0]
        truth = np.array([SENTIMENTS.index(row.label) for row in rows])
        guess = probabilities.argmax(axis=1)
        if rows[0].two_class:
            forced = np.where(probabilities[:, 2] > probabilities[:, 0], 2, 0)
            found["tr_two_class_macro_f1"] = figures.percent(figures.macro_f1(truth, forced))
            continue
        scores[name] = figures.percent(figures.macro_f1(truth, guess))
        if not name.startswith(("umsab-", "extra-")):
            short = name.replace("-", "_")
            found[f"{short}_macro_recall"] = figures.percent(figures.macro_recall(truth, guess))
            found[f"{short}_ece"] = figures.percent(figures.calibration_error(probabilities, truth))
    found["macro_f1"] = scores
    wanted = {
        "umsab_val_mean": [
            f"umsab-val-{each}"
            for each in labelled.UMSAB.values()
            if each not in labelled.MISLABELLED
        ],
        "umsab_val_mean_with_mislabelled": [
            f"umsab-val-{each}" for each in labelled.UMSAB.values()
        ],
        "umsab_test_ar_fr_it_pt_mean": [f"umsab-test-{each}" for each in UMSAB_TESTS],
    }
    for name, sets_of in wanted.items():
        if all(each in scores for each in sets_of):
            found[name] = figures.mean(scores[each] for each in sets_of)
    return found


def complaint(model: Model, texts: Sequence[str], labels: Sequence[int]) -> dict[str, float]:
    """Return the figures of the complaint head, on texts that are normalised."""
    return figures.binary(model.logits_in_batches(texts)[1][:, 0], np.array(labels))


def answers(
    scores: np.ndarray, truth: np.ndarray, asked: np.ndarray, *, balanced: float
) -> dict[str, float]:
    """Return the figures of needs-answer: its scores, and whom the decision lets in."""
    return figures.binary(scores, truth, balanced) | {
        "specificity_at_95_recall": round(figures.specificity(scores, truth, recall=0.95), 3),
        "operational_recall": round(float(asked[truth == 1].mean()), 4),
        "operational_specificity": round(float((~asked)[truth == 0].mean()), 4),
    }


def urgencies(
    scores: np.ndarray, truth: np.ndarray, levels: np.ndarray, *, balanced: float
) -> dict[str, float]:
    """Return the figures of urgency: its scores, and the levels that were given."""
    critical = truth == LEVELS.index("critical")
    return figures.binary(scores, (truth >= LEVELS.index("high")).astype(int), balanced) | {
        "kappa": round(figures.kappa(truth, levels), 3),
        "critical_rows": int(critical.sum()),
        "critical_flagged": int((critical & (levels >= LEVELS.index("high"))).sum()),
    }


def language(folder: Path) -> float:
    """Return how many of the language sentences, in per cent, are named rightly."""
    rows = list(labelled.table(folder, labelled.LANGUAGES))
    known = languages()
    right = 0
    for at in range(0, len(rows), BATCH):
        chunk = rows[at : at + BATCH]
        names = known.classify([normalise(row["text"]) for row in chunk])
        right += sum(name == row["lang"] for name, row in zip(names, chunk, strict=True))
    return figures.percent(right / len(rows))


def speed(model: Model, texts: Sequence[str]) -> dict[str, float]:
    """Return texts per second of processor time, and milliseconds of one text alone."""
    model.classify(texts[:_WARM])
    model.sentiments(texts[:_WARM])
    began = time.process_time()
    model.sentiments(texts)
    middle = time.process_time()
    model.classify(texts)
    end = time.process_time()
    alone = texts[:_ALONE]
    for text in alone:
        model.classify([text])
    single = time.process_time() - end
    return {
        "sentiment_only_per_s": round(len(texts) / (middle - began)),
        "all_heads_per_s": round(len(texts) / (end - middle)),
        "single_ms": round(single / len(alone) * 1000, 3),
    }


def size() -> dict[str, float]:
    """Return how large the artefact that ships is, and how long it takes to be made ready."""
    raw = shipped_bytes()
    began = time.process_time()
    Model(read(raw))
    return {
        "artefact_mb": round(len(raw) / 1e6, 2),
        "load_s": round(time.process_time() - began, 3),
    }


def memory() -> float:
    """Return the most memory that this process has had, in megabytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / 1e6 if sys.platform == "darwin" else most / 1e3, 1)


def _measured(model: Model, folder: Path, name: str) -> dict[str, Any]:
    """Measure the heads of one file, none of whose rows the model was fitted on."""
    if name == labelled.COMPLAINTS:
        texts, labels, branded = labelled.complaints(folder)
        brands = [n for n, to_brand in enumerate(branded) if to_brand]
        return {
            "complaint": complaint(model, texts, labels),
            "complaint_to_brands": complaint(
                model, [texts[n] for n in brands], [labels[n] for n in brands]
            ),
        }
    if name == labelled.TRIAGE:
        texts, needs, urgency = labelled.triage(folder)
        found = model.classify(texts, language=False)
        return {
            "needs_answer": answers(
                np.array([each.needs_answer_score for each in found]),
                np.array(needs),
                np.array([each.needs_answer for each in found]),
                balanced=0.5,
            ),
            "urgency": urgencies(
                np.array([each.urgency_score for each in found]),
                np.array(urgency),
                np.array([LEVELS.index(each.urgency) for each in found]),
                balanced=0.5,
            ),
        }
    texts, labels = labelled.spam(folder)
    logits = model.logits_in_batches(texts)[1][:, -1]
    return {"spam": figures.binary(logits, np.array(labels))}


def _texts(folder: Path) -> list[str]:
    """Return texts to measure speed on: what customers write, else whatever there is."""
    for name in ("support_stream_twcs.jsonl.gz", "support_conversations_ibm.jsonl.gz"):
        if (folder / name).exists():
            rows = labelled.objects(folder, name)
            return [str(row["text"]) for row in rows if row["inbound"]][:_SPEED_TEXTS]
    sets = labelled.sentiment_dev(folder) | labelled.other_sentiment(folder)
    return [row.text for rows in sets.values() for row in rows][:_SPEED_TEXTS]
