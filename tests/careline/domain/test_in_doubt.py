"""A case that nothing but a reply in doubt keeps open closes in the end; until then it waits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from careline.domain.case import CaseStatus
from careline.domain.steps import IN_DOUBT, StepKind, next_step
from schemas import commands as c
from tests.support.stories import Story, a_mention, types


def replied() -> Story:
    """Return a story whose reply is on its way."""
    story = Story()
    story.hear(a_mention())
    story.command(c.ReplyToCase, text="so sorry", covers=story.open_ids())
    return story


def in_doubt(story: Story) -> None:
    assert story.current.reply is not None
    story.outcome(story.current.reply.effect_id, c.Outcome.UNSETTLED, reason="not found")


def withdraw(story: Story) -> None:
    story.withdraw(a_mention())


def release(story: Story) -> None:
    story.command(c.ReleaseCase)


@pytest.mark.parametrize(
    "acts",
    [
        (withdraw, release, in_doubt),
        (withdraw, in_doubt, release),
        (in_doubt, withdraw, release),
        (in_doubt, release, withdraw),
    ],
    ids=lambda acts: ", ".join(act.__name__ for act in acts),
)
def test_with_nothing_open_and_no_holder_it_closes_after_a_while(
    acts: tuple[Callable[[Story], None], ...],
) -> None:
    story = replied()
    for act in acts:
        act(story)
    assert story.current.is_live
    assert story.current.reply is not None
    step = next_step(story.current)
    assert step is not None
    assert (step.kind, step.due) == (
        StepKind.FOLLOW_UP,
        story.current.reply.not_after + IN_DOUBT,
    )
    decision = story.next_step()
    assert types(decision.events) == ["reply.dropped", "case.resolved"]
    assert story.current.disposition is c.Disposition.WITHDRAWN_BY_AUTHOR
    assert story.current.reply is None


def test_until_then_a_person_may_say_what_became_of_it() -> None:
    story = replied()
    for act in (withdraw, in_doubt, release):
        act(story)
    story.pass_time(days=2)
    assert story.current.reply is not None
    story.command(c.SettleReply, effect_id=story.current.reply.effect_id, sent=True)
    assert story.current.status is CaseStatus.ANSWERED


def test_while_a_query_waits_for_it_nothing_is_given_up() -> None:
    story = replied()
    in_doubt(story)
    release(story)
    story.pass_time(days=30)
    step = next_step(story.current)
    assert step is not None
    assert step.kind is not StepKind.FOLLOW_UP
