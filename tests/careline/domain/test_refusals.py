"""What is refused although the case is there: nothing is covered that is open."""

from __future__ import annotations

import pytest

from careline.domain.codec import dump_line, load_line
from careline.domain.draft import Decision
from schemas import commands as c
from schemas.events import Refusal
from tests.support.stories import Story, a_mention, an_own_post


def answered() -> Story:
    """A case whose only query the brand has answered, in the network's own app."""
    story = Story()
    mention = a_mention("100")
    story.hear(mention)
    story.brand_posts(an_own_post(mention), mention)
    assert story.current.open_obligations == ()
    return story


def reason(decision: Decision) -> Refusal | None:
    return decision.refusal.reason if decision.refusal else None


def test_a_reply_that_covers_only_what_is_answered_is_refused() -> None:
    story = answered()
    decision = story.command(c.ReplyToCase, text="On it", covers=("x:acme:100",))
    assert reason(decision) is Refusal.NOTHING_COVERED
    assert decision.events == ()


def test_a_reply_that_covers_nothing_is_a_further_word_after_the_answer() -> None:
    decision = answered().command(c.ReplyToCase, text="One more thing", covers=())
    assert reason(decision) is None
    assert [event.type for event in decision.events] == ["case.claimed", "reply.requested"]


@pytest.mark.parametrize("covers", [(), ("x:acme:999",)])
def test_while_something_is_open_a_reply_has_to_cover_some_of_it(covers: tuple[str, ...]) -> None:
    story = Story()
    story.hear(a_mention("100"))
    decision = story.command(c.ReplyToCase, text="On it", covers=covers)
    assert reason(decision) is Refusal.NOTHING_COVERED


def test_nobody_is_told_of_a_case_that_waits_for_nobody() -> None:
    decision = answered().command(c.EscalateCase)
    assert reason(decision) is Refusal.NOTHING_COVERED
    assert decision.events == ()


@pytest.mark.parametrize("covers", [(), ("x:acme:999",)])
def test_while_something_is_open_a_resolution_has_to_cover_some_of_it(
    covers: tuple[str, ...],
) -> None:
    story = Story()
    story.hear(a_mention("100"))
    decision = story.command(c.ResolveCase, covers=covers, disposition=c.Disposition.SPAM)
    assert reason(decision) is Refusal.NOTHING_COVERED
    assert decision.events == ()


def test_a_line_is_read_as_it_was_stored() -> None:
    line = answered().line
    assert line.answered_up_to is not None
    assert load_line(dump_line(line)) == line
