"""The formulas by which a triage model is measured, with numpy alone.

Promise: the same definitions as scikit-learn has under these names, so that figures printed at run
time, those of a build and published ones can be set side by side. A build and a run use this code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

BINS: Final = 10


def macro_f1(truth: NDArray[Any], guess: NDArray[Any]) -> float:
    """Return the mean of each class's F1, over the classes that are true or guessed."""
    found = []
    for name in np.union1d(truth, guess):
        right = int(((truth == name) & (guess == name)).sum())
        found.append(2 * right / (int((truth == name).sum()) + int((guess == name).sum())))
    return float(np.mean(found))


def macro_recall(truth: NDArray[Any], guess: NDArray[Any]) -> float:
    """Return the mean of each true class's recall."""
    return float(np.mean([(guess[truth == name] == name).mean() for name in np.unique(truth)]))


def auc(truth: NDArray[Any], scores: NDArray[Any]) -> float:
    """Return how often a yes scores above a no; ties count half."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    yes = int((truth == 1).sum())
    no = len(truth) - yes
    return float((ranks[truth == 1].sum() - yes * (yes + 1) / 2) / (yes * no))


def kappa(truth: NDArray[Any], guess: NDArray[Any]) -> float:
    """Return the quadratic kappa of ordered levels: 1 is agreement, 0 is chance."""
    size = int(max(truth.max(), guess.max())) + 1
    seen = np.zeros((size, size))
    np.add.at(seen, (truth, guess), 1)
    chance = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / seen.sum()
    levels = np.arange(size)
    apart = (levels[:, None] - levels[None, :]) ** 2
    return float(1 - (apart * seen).sum() / (apart * chance).sum())


def calibration_error(probabilities: NDArray[Any], truth: NDArray[Any]) -> float:
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


def threshold_for(scores: NDArray[Any], truth: NDArray[Any], recall: float) -> float:
    """Return the highest threshold that lets this share of the yeses in."""
    yes = np.sort(scores[truth == 1])
    return float(yes[int((1 - recall) * len(yes))])


def specificity(scores: NDArray[Any], truth: NDArray[Any], *, recall: float) -> float:
    """Return the share of the noes that stays out where this share of the yeses comes in."""
    return float((scores[truth == 0] < threshold_for(scores, truth, recall)).mean())


def binary(scores: NDArray[Any], truth: NDArray[Any], balanced: float = 0.0) -> dict[str, float]:
    """Return macro-F1 at the balanced point (0 for logits), and the area under the curve.

    Where all rows are yes, or all are no, there is no curve.
    """
    guess = (scores > balanced).astype(int)
    found = {"macro_f1": percent(macro_f1(truth, guess))}
    if len(np.unique(truth)) > 1:
        found["auc"] = percent(auc(truth, scores))
    return found


def percent(share: float) -> float:
    """Return a share in per cent, with two digits."""
    return round(100 * float(share), 2)


def mean(values: Iterable[float]) -> float:
    """Return the mean, with two digits."""
    return round(float(np.mean(list(values))), 2)
