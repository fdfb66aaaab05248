"""Fits a brand's calibration to what people corrected: a scale and a shift for each head.

Promise: the towers are not touched; few corrections move little, for each parameter is pulled back
to where it was; too few are refused, and a head of which too little is known stays as it is.
Needs-answer never lets less than 97 % of the queries in that it was given: rather it lets in more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from careline.runtime.errors import ConfigurationError
from careline.triage.model.calibration import (
    SCALES,
    SHIFT_MAX,
    Calibration,
    Line,
    SentimentLine,
    calibrated,
)
from careline.triage.model.file import HEADS, SENTIMENTS
from careline.triage.model.signs import CRITICAL, signs
from careline.triage.model.text import normalise
from schemas.triage import Sentiment, Urgency

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from careline.triage.model.classifier import Model

ROWS_LEAST: Final = 50
CORRECTED_LEAST: Final = 20
EACH_LEAST: Final = 10
"""Rows of each answer of a head, below which the head stays as it is."""
RECALL_LEAST: Final = 0.97
STRENGTH: Final = 5.0
"""How hard the parameters are pulled back, in rows."""
_STEPS: Final = 60
_CLOSE: Final = 1e-7
_MARGIN: Final = 1e-4
_HIGH: Final = frozenset({Urgency.HIGH, Urgency.CRITICAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A text and what people say it is; None: they say nothing of that."""

    text: str
    query: bool | None = None
    sentiment: Sentiment | None = None
    urgency: Urgency | None = None
    corrected: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """A calibration, and what it came to on the rows that it was fitted on."""

    calibration: Calibration
    figures: dict[str, Any]


def refit(model: Model, examples: Sequence[Example], *, query_from: float) -> Refit:
    """Fit to examples; ``query_from`` is the score from which the model lets a query in.

    Raises ConfigurationError: there are too few.
    """
    corrected = sum(each.corrected for each in examples)
    if len(examples) < ROWS_LEAST or corrected < CORRECTED_LEAST:
        raise ConfigurationError(
            f"{len(examples)} mentions were dealt with and {corrected} corrected: too few to learn "
            f"from (at least {ROWS_LEAST} and {CORRECTED_LEAST})",
            hint="correct more, on cards or with: careline triage label export",
        )
    texts = [normalise(each.text) for each in examples]
    probabilities, heads = model.logits_in_batches(texts)
    asked = _rows([each.query for each in examples])
    urgent = _rows([None if each.urgency is None else each.urgency in _HIGH for each in examples])
    felt = _rows([_place(each.sentiment) for each in examples])
    needs, severity = heads[:, HEADS.index("needs_answer")], heads[:, HEADS.index("severity")]
    alarming = signs(texts)[:, CRITICAL] > 0
    line = _fit_line(needs[asked.at], asked.truth)
    line = _keep_recall(
        line, needs[asked.at], asked.truth, alarming=alarming[asked.at], query_from=query_from
    )
    found = Calibration(
        model=model.version,
        sentiment=_fit_sentiment(probabilities[felt.at], felt.truth),
        needs_answer=line,
        urgency=_fit_line(severity[urgent.at], urgent.truth),
        rows=len(examples),
        corrected=corrected,
    )
    after = calibrated(found, probabilities, heads)
    figures = {
        "rows": len(examples),
        "corrected": corrected,
        "needs_answer": _binary(needs, after[1][:, HEADS.index("needs_answer")], asked)
        | {
            "recall": _let_in(found.needs_answer, needs, asked, alarming, query_from, of=1),
            "let_in_of_no_queries": _let_in(
                found.needs_answer, needs, asked, alarming, query_from, of=0
            ),
        },
        "urgency": _binary(severity, after[1][:, HEADS.index("severity")], urgent),
        "sentiment": {
            "rows": len(felt.truth),
            "loss_before": _sentiment_loss(probabilities[felt.at], felt.truth),
            "loss_after": _sentiment_loss(after[0][felt.at], felt.truth),
        },
    }
    return Refit(calibration=found, figures=figures)


@dataclass(frozen=True, slots=True)
class _Rows:
    at: NDArray[np.int64]
    truth: NDArray[np.float64]


def _rows(truth: Sequence[float | None]) -> _Rows:
    """Return the places where something is known, and what."""
    known = [(place, float(value)) for place, value in enumerate(truth) if value is not None]
    return _Rows(
        np.array([place for place, _ in known], dtype=np.int64),
        np.array([value for _, value in known], dtype=np.float64),
    )


def _place(sentiment: Sentiment | None) -> int | None:
    return None if sentiment is None else SENTIMENTS.index(sentiment.value)


def _fit_line(logits: NDArray[np.float32], truth: NDArray[np.float64]) -> Line:
    """Fit scale and shift by Newton's method; each side must be there often enough."""
    yes = int(truth.sum())
    if min(yes, len(truth) - yes) < EACH_LEAST:
        return Line()
    known = np.stack([logits.astype(np.float64), np.ones(len(logits))], axis=1)
    signs_of = np.where(truth == 1, 1.0, -1.0)

    def loss(at: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0, -signs_of * (known @ at)).sum())

    def slopes(at: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        share = _squash(known @ at)
        bend = (known * (share * (1 - share))[:, None]).T @ known
        return known.T @ (share - truth), bend

    found = _newton(np.array([1.0, 0.0]), loss, slopes)
    return Line(scale=_scale(found[0]), shift=_shift(found[1]))


def _fit_sentiment(probabilities: NDArray[np.float32], truth: NDArray[np.float64]) -> SentimentLine:
    """Fit one scale and three shifts likewise."""
    counts = np.bincount(truth.astype(np.int64), minlength=len(SENTIMENTS))
    if (counts >= EACH_LEAST).sum() < len(SENTIMENTS) - 1:
        return SentimentLine()
    size = len(SENTIMENTS)
    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-6))
    # What each class knows of a row: its own log-probability, and which class it is.
    known = np.zeros((len(logs), size, size + 1))
    known[:, :, 0] = logs
    known[:, range(size), range(1, size + 1)] = 1
    wanted = np.eye(size)[truth.astype(np.int64)]

    def loss(at: NDArray[np.float64]) -> float:
        scores = known @ at
        most = scores.max(axis=1)
        whole = most + np.log(np.exp(scores - most[:, None]).sum(axis=1))
        return float((whole - (scores * wanted).sum(axis=1)).sum())

    def slopes(at: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        share = _softmax(known @ at)
        mean = np.einsum("nk,nkp->np", share, known)
        bend = np.einsum("nk,nkp,nkq->pq", share, known, known) - mean.T @ mean
        return np.einsum("nk,nkp->p", share - wanted, known), bend

    found = _newton(np.array([1.0, *([0.0] * size)]), loss, slopes)
    first, second, third = (_shift(value) for value in found[1:])
    return SentimentLine(scale=_scale(found[0]), shift=(first, second, third))


def _newton(
    start: NDArray[np.float64],
    loss: Callable[[NDArray[np.float64]], float],
    slopes: Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Return where the loss, and the pull back to the start, are least; no step makes it worse."""

    def value(at: NDArray[np.float64]) -> float:
        return loss(at) + STRENGTH / 2 * float(((at - start) ** 2).sum())

    found, best = start.copy(), value(start)
    for _ in range(_STEPS):
        slope, bend = slopes(found)
        pulled = slope + STRENGTH * (found - start)
        step = np.linalg.solve(bend + STRENGTH * np.eye(len(start)), pulled)
        while np.abs(step).max() >= _CLOSE and value(found - step) > best:
            step = step / 2
        if np.abs(step).max() < _CLOSE:
            break
        found = found - step
        best = value(found)
    return found


def _keep_recall(
    line: Line,
    logits: NDArray[np.float32],
    truth: NDArray[np.float64],
    *,
    alarming: NDArray[np.bool_],
    query_from: float,
) -> Line:
    """Raise the shift until enough of the queries come in; words of harm come in by themselves."""
    queries = truth == 1
    missing = int(np.ceil(RECALL_LEAST * queries.sum())) - int((queries & alarming).sum())
    if missing <= 0:
        return line
    last = float(np.sort(logits[queries & ~alarming].astype(np.float64))[::-1][missing - 1])
    edge = float(np.log(query_from / (1 - query_from)))
    # A flatter scale brings in what no shift alone does.
    for scale in (line.scale, min(line.scale, 1.0), SCALES[0]):
        needed = edge - scale * last + _MARGIN
        if needed <= line.shift and scale == line.scale:
            return line
        if needed <= SHIFT_MAX:
            return Line(scale=scale, shift=needed)
    raise ConfigurationError(
        "no calibration lets 97 % of these queries in: they look like nothing that asks",
        hint="look at the labels, or teach the model itself: make model",
    )


def _let_in(
    line: Line,
    logits: NDArray[np.float32],
    asked: _Rows,
    alarming: NDArray[np.bool_],
    query_from: float,
    *,
    of: int,
) -> float | None:
    """Return which share of the queries (1) or of the others (0) comes in."""
    queries = asked.at[asked.truth == of]
    if not len(queries):
        return None
    score = _squash(line.scale * logits[queries].astype(np.float64) + line.shift)
    return round(float(((score >= query_from) | alarming[queries]).mean()), 4)


def _binary(before: NDArray[np.float32], after: NDArray[np.float32], rows: _Rows) -> dict[str, Any]:
    return {
        "rows": len(rows.truth),
        "loss_before": _loss(before[rows.at], rows.truth),
        "loss_after": _loss(after[rows.at], rows.truth),
    }


def _loss(logits: NDArray[np.float32], truth: NDArray[np.float64]) -> float | None:
    if not len(truth):
        return None
    signed = np.where(truth == 1, logits, -logits).astype(np.float64)
    return round(float(np.logaddexp(0, -signed).mean()), 4)


def _sentiment_loss(probabilities: NDArray[np.float32], truth: NDArray[np.float64]) -> float | None:
    if not len(truth):
        return None
    own = probabilities[np.arange(len(truth)), truth.astype(np.int64)].astype(np.float64)
    return round(float(-np.log(np.maximum(own, 1e-6)).mean()), 4)


def _squash(values: NDArray[np.float64]) -> NDArray[np.float64]:
    found: NDArray[np.float64] = 0.5 * (1 + np.tanh(values / 2))
    return found


def _softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    odds = np.exp(values - values.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return found


def _scale(value: float) -> float:
    return round(float(np.clip(value, *SCALES)), 4)


def _shift(value: float) -> float:
    return round(float(np.clip(value, -SHIFT_MAX, SHIFT_MAX)), 4)
