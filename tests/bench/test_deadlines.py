"""The committed figures of deadlines: complete, consistent, and the same as on the page."""

from __future__ import annotations

import pytest

from bench import deadlines, report, results
from bench.percentiles import percentile


@pytest.fixture(scope="module")
def found() -> results.Results:
    return results.read(deadlines.FILE)


def test_the_page_quotes_the_committed_figures(found: results.Results) -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    assert deadlines.quoted(page, found) == page


def test_goals_and_ratios_follow_from_the_figures(found: results.Results) -> None:
    assert found["goals"] == deadlines.goals_of(found["lateness"], found["looks"])
    few, many = found["looks"]["server_us"].values()
    assert found["looks"]["ratios"] == {name: round(many[name] / few[name], 2) for name in few}


def test_it_is_the_whole_plan_that_was_measured(found: results.Results) -> None:
    plan = deadlines.FULL
    assert found["settings"]["live"] == plan.live == 100_000
    assert [int(size) for size in found["looks"]["server_us"]] == [plan.live, 10 * plan.live]
    assert found["lateness"]["steady"]["steps"] == plan.per_second * plan.seconds
    assert found["lateness"]["burst"]["steps"] == plan.burst


def test_a_page_without_its_marks_is_not_written_over(found: results.Results) -> None:
    for page in ("# A page\n", f"# A page\n{deadlines.BEGIN}\n"):
        with pytest.raises(ValueError, match="no place"):
            deadlines.quoted(page, found)


def test_a_percentile_is_one_of_the_values() -> None:
    ordered = [1.0, 2.0, 3.0, 4.0]
    assert [percentile(ordered, share) for share in (0, 50, 99, 100)] == [1.0, 3.0, 4.0, 4.0]
