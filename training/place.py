"""Puts a built model in its place, with its card, unless the one that is there is better.

Promise: both are measured on the same dev sets of the same folder, as they run; what is kept and
why is said. A file that this code cannot read does not count, and is replaced.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from careline.triage.model.classifier import Model
from careline.triage.model.file import NAME, Artefact, read, save
from careline.triage.quality import metrics
from training import card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_HEADS = ("complaint", "complaint_to_brands", "needs_answer", "urgency")
_SENTIMENT_WEIGHT = 2.0


def worth(figures: Mapping[str, Any]) -> float:
    """Sum up in one number how good a model is on the dev sets, sentiment first."""
    names = ("umsab_val_mean", "umsab_test_ar_fr_it_pt_mean", "semeval_en_macro_recall")
    sentiment = figures["sentiment"]
    parts = [(_SENTIMENT_WEIGHT, float(sentiment[name])) for name in names if name in sentiment]
    parts += [(1.0, float(figures[head]["auc"])) for head in _HEADS if head in figures]
    return sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts)


def in_place(path: Path, folder: Path) -> float | None:
    """Return what the model in place is worth on these dev sets, or None if there is none."""
    if not path.exists():
        return None
    try:
        model = Model(read(path.read_bytes()))
    except ValueError as error:
        print(f"{path.name} in place does not count: {error}")
        return None
    return worth(metrics.evaluate(folder, model))


def put(
    path: Path, artefact: Artefact, figures: Mapping[str, Any], folder: Path, *, force: bool
) -> bool:
    """Write a model and its card, unless the one in place is better; return whether it did."""
    there = None if force else in_place(path, folder)
    if there is not None and there > worth(figures):
        print(f"{path.name} in place is better ({there:.2f}, this one {worth(figures):.2f}): kept")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    save(artefact, path)
    text = card.card(
        folder,
        figures,
        size=path.stat().st_size,
        nc=path.name == NAME,
        tower=artefact.tower is not None,
        version=artefact.version,
    )
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    return True
