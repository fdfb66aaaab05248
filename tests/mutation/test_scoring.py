"""The count of mutants: what was noticed, what was missed, and how many of a hundred."""

from __future__ import annotations

from tests.mutation.scoring import Score, enough, scores_of, together

RESULTS = """
    careline.domain.ladder.x_climb__mutmut_1: killed
    careline.domain.ladder.x_climb__mutmut_2: timeout
    careline.domain.ladder.x_start__mutmut_1: survived
    careline.domain.sla.xǁClockǁrun__mutmut_1: no tests
    spinning up: 3 s
"""


def test_what_no_test_noticed_or_reached_is_missed() -> None:
    scores = scores_of(RESULTS.splitlines())
    assert scores["ladder"].noticed == 2
    assert scores["ladder"].missed == ["careline.domain.ladder.x_start__mutmut_1"]
    assert scores["sla"].share == 0.0
    assert set(scores) == {"ladder", "sla"}


def test_score_is_of_a_hundred_and_full_where_there_is_nothing_to_miss() -> None:
    assert Score().share == 100.0
    assert Score(noticed=9, missed=["one"]).share == 90.0


def test_modules_count_together_by_their_mutants_not_by_their_shares() -> None:
    whole = together(scores_of(RESULTS.splitlines()).values())
    assert (whole.noticed, whole.total, whole.share) == (2, 4, 50.0)


def test_a_module_that_was_not_measured_is_not_enough() -> None:
    scores = scores_of(RESULTS.splitlines())
    assert enough(scores, ["ladder"], floor=60.0)
    assert not enough(scores, ["ladder"], floor=90.0)
    assert not enough(scores, ["ladder", "renamed"], floor=60.0)
    assert not enough({}, ["renamed"], floor=60.0)
