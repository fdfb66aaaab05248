"""What the triage model has to reach, and which of the figures of `metrics` says so.

Promise: one row for each measure of the bar; a figure that a data folder does not allow is missing,
never guessed. The bar is for test sets kept apart: on a dev set it is the nearest thing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Must:
    """One measure: its name, where its figure stands, and its bound."""

    name: str
    path: tuple[str, ...]
    bound: float
    at_most: bool = False

    def is_met(self, figure: float) -> bool:
        """Tell whether a figure is on the right side."""
        return figure <= self.bound if self.at_most else figure >= self.bound


MUSTS: Final = (
    Must("English tweets, macro-recall", ("sentiment", "semeval_en_macro_recall"), 66.0),
    Must("English tweets, calibration error", ("sentiment", "semeval_en_ece"), 5.0, at_most=True),
    Must("TweetEval, macro-recall", ("sentiment", "tweeteval_macro_recall"), 66.0),
    Must("TweetEval, calibration error", ("sentiment", "tweeteval_ece"), 5.0, at_most=True),
    # Hindi is left out: its val labels are not its texts' (`labelled.MISLABELLED`).
    Must("UMSAB val, 7 languages without Hindi, macro-F1", ("sentiment", "umsab_val_mean"), 60.0),
    Must("UMSAB test ar fr it pt, macro-F1", ("sentiment", "umsab_test_ar_fr_it_pt_mean"), 60.0),
    Must("US Airline, macro-F1", ("sentiment", "macro_f1", "airline"), 67.0),
    Must("Russian telecom, macro-F1", ("sentiment", "macro_f1", "ru_telecom"), 47.0),
    Must("Turkish, two classes, macro-F1", ("sentiment", "tr_two_class_macro_f1"), 76.0),
    Must("complaint, AUC", ("complaint", "auc"), 92.0),
    Must("complaint, macro-F1", ("complaint", "macro_f1"), 83.0),
    Must("complaint to brands, AUC", ("complaint_to_brands", "auc"), 88.0),
    Must("complaint to brands, macro-F1", ("complaint_to_brands", "macro_f1"), 78.0),
    Must("needs-answer, macro-F1", ("needs_answer", "macro_f1"), 76.0),
    Must("needs-answer, AUC", ("needs_answer", "auc"), 85.0),
    Must(
        "needs-answer, specificity at 95 % recall",
        ("needs_answer", "specificity_at_95_recall"),
        0.50,
    ),
    Must("needs-answer, recall of the decision", ("needs_answer", "operational_recall"), 0.97),
    Must("urgency >= high, AUC", ("urgency", "auc"), 81.0),
    Must("urgency, 4 levels, quadratic kappa", ("urgency", "kappa"), 0.50),
    Must("language, 35 languages, accuracy", ("language_accuracy",), 90.0),
    Must("texts/s, sentiment only", ("speed", "sentiment_only_per_s"), 15_000),
    Must("texts/s, all heads", ("speed", "all_heads_per_s"), 7_000),
    Must("one text alone, ms", ("speed", "single_ms"), 2.0, at_most=True),
    Must("artefact, MB", ("size", "artefact_mb"), 15.0, at_most=True),
    Must("load, s", ("size", "load_s"), 1.0, at_most=True),
    Must("memory, MB", ("memory_mb",), 200.0, at_most=True),
)


def held_against(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each measure that a folder allowed, with its figure and whether it is met."""
    rows: list[dict[str, Any]] = []
    for must in MUSTS:
        figure = _figure(figures, must.path)
        if figure is not None:
            rows.append(
                {
                    "measure": must.name,
                    "figure": figure,
                    "must": must.bound,
                    "at_most": must.at_most,
                    "met": must.is_met(figure),
                }
            )
    rows += _critical(figures)
    return rows


def _critical(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the row of critical posts: 11 of 13 must be flagged high or more."""
    rows = _figure(figures, ("urgency", "critical_rows"))
    flagged = _figure(figures, ("urgency", "critical_flagged"))
    if not rows or flagged is None:
        return []
    bound = round(11 / 13, 3)
    share = round(flagged / rows, 3)
    return [
        {
            "measure": "critical flagged high or more, share",
            "figure": share,
            "must": bound,
            "at_most": False,
            "met": share >= bound,
        }
    ]


def _figure(figures: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    found: Any = figures
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return float(found) if isinstance(found, int | float) else None
