"""The formulas of the figures, against what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from careline.triage.quality import figures

TRUTH = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
GUESS = np.array([0, 0, 0, 1, 1, 0, 2, 2, 1, 2])


def test_macro_f1_is_the_mean_over_the_classes() -> None:
    # precision and recall: 3/4 and 3/4, 1/3 and 1/2, 3/3 and 3/4
    assert figures.macro_f1(TRUTH, GUESS) == pytest.approx((0.75 + 0.4 + 6 / 7) / 3)


def test_a_class_that_is_only_guessed_counts_as_nothing() -> None:
    assert figures.macro_f1(np.array([0, 0]), np.array([0, 1])) == pytest.approx((2 / 3) / 2)


def test_macro_recall_does_not_care_how_many_rows_a_class_has() -> None:
    assert figures.macro_recall(TRUTH, GUESS) == pytest.approx((0.75 + 0.5 + 0.75) / 3)


def test_the_area_is_the_share_of_pairs_in_order_and_ties_are_halves() -> None:
    truth = np.array([1, 1, 0, 0, 0])
    scores = np.array([0.9, 0.4, 0.4, 0.1, 0.5])
    pairs = [(y > n) + 0.5 * (y == n) for y in (0.9, 0.4) for n in (0.4, 0.1, 0.5)]
    assert figures.auc(truth, scores) == pytest.approx(sum(pairs) / 6)


def test_kappa_knows_agreement_chance_and_how_far_apart_levels_are() -> None:
    levels = np.array([0, 1, 2, 3] * 5)
    assert figures.kappa(levels, levels) == pytest.approx(1)
    assert figures.kappa(levels, np.repeat([0, 1, 2, 3], 5)) == pytest.approx(0, abs=0.25)
    near = figures.kappa(levels, np.minimum(levels + 1, 3))
    far = figures.kappa(levels, 3 - levels)
    assert far < 0 < near < 1


def test_calibration_error_is_how_far_confidence_lies_from_being_right() -> None:
    sure = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    assert figures.calibration_error(sure, np.array([0, 0, 1, 1])) == pytest.approx(0.4)
    assert figures.calibration_error(np.array([[1.0, 0.0]]), np.array([0])) == 0


def test_a_threshold_lets_in_the_share_that_is_asked_for() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 1000)
    scores = rng.normal(truth, 1)
    for recall in (0.5, 0.95, 0.99):
        least = figures.threshold_for(scores, truth, recall)
        assert (scores[truth == 1] >= least).mean() >= recall
    outside = figures.specificity(scores, truth, recall=0.95)
    assert 0 < outside < figures.specificity(scores, truth, recall=0.5)
