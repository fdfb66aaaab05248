"""In what two shards differ, and what is no difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from careline.domain.case import Case
from careline.ledger.contents import Contents, differences
from tests.support.stories import START, Story, a_mention


def an_escalated_case() -> Case:
    story = Story()
    story.hear(a_mention())
    for _ in range(3):
        story.next_step()
    return story.current


def holding(case: Case, due: datetime = START) -> Contents:
    return Contents(
        cases={case.case_id: case}, heads={case.case_id: "1:e"}, due={case.case_id: due}
    )


def found(live: Contents, rebuilt: Contents) -> list[str]:
    return list(differences(live, rebuilt, now=START, causes_since=None))


def test_the_same_case_is_no_difference_and_another_one_is_named_by_its_fields() -> None:
    case = an_escalated_case()
    assert found(holding(case), holding(case)) == []
    other = replace(case, claims=7, subject="x")
    assert found(holding(other), holding(case)) == [f"case {case.case_id}: claims, subject"]
    gone = Contents(heads=holding(case).heads, due=holding(case).due)
    assert found(gone, holding(case)) == [f"case {case.case_id}: not in the ledger"]
    assert found(holding(case), gone) == [f"case {case.case_id}: not by the log"]


def test_a_due_time_that_the_log_does_not_say_is_a_difference() -> None:
    case = an_escalated_case()
    late = holding(case, START + timedelta(minutes=1))
    assert [line.partition(" in ")[0] for line in found(late, holding(case))] == [
        f"case {case.case_id}: due {START + timedelta(minutes=1)}"
    ]


def test_a_ladder_from_before_runs_were_counted_is_no_difference() -> None:
    case = an_escalated_case()
    assert case.ladder is not None
    assert case.ladder.run > 0
    before = replace(case, ladder=replace(case.ladder, run=0))
    assert found(holding(before), holding(case)) == []


def test_a_ladder_that_differs_in_anything_else_is_one() -> None:
    case = an_escalated_case()
    assert case.ladder is not None
    wanted = [f"case {case.case_id}: ladder"]
    for wrong in (
        replace(case.ladder, run=case.ladder.run + 1),
        replace(case.ladder, run=0, next_step=9),
        None,
    ):
        assert found(holding(replace(case, ladder=wrong)), holding(case)) == wanted
    assert found(holding(case), holding(replace(case, ladder=None))) == wanted
