"""What follows if a person finds a query where triage found none, or corrects what is answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from careline.domain.case import CaseStatus, ObligationStatus
from careline.domain.decide import Decision, decide_overlooked
from careline.domain.effects import Intent
from careline.domain.policy import Policy, Rule
from careline.domain.steps import next_due
from schemas import commands as c
from schemas import events as e
from schemas.mentions import MentionReceived
from schemas.targets import TargetKind
from schemas.triage import Priority, Sentiment, Urgency
from tests.support.stories import ANA, START, Story, a_mention, a_triage, an_own_post, types

HOUR = timedelta(hours=1)
NO_QUERY = a_triage(query=False, urgency=Urgency.NONE, sentiment=Sentiment.POSITIVE, language="de")


def found(story: Story, mention: MentionReceived, **facts: Any) -> Decision:
    """Let Ana find a query in a mention."""
    cause = story.cause()
    values = {"query": True, "mention_id": mention.mention_id, "issued_at": story.now} | facts
    command = c.CorrectTriage(
        command_id=cause.id, case_id="s00-0000000000000000-1", actor=ANA, **values
    )
    decision = decide_overlooked(
        command,
        mention,
        NO_QUERY,
        case=story.case,
        line=story.line,
        cause=cause,
        now=story.now,
        policy=story.policy,
    )
    return story.take(decision)


def test_a_mention_of_no_case_opens_one_whose_time_runs_from_now() -> None:
    story = Story()
    story.hear(a_mention(), NO_QUERY)
    story.pass_time(hours=5)
    decision = found(story, a_mention())
    assert types(decision.events) == ["case.opened", "triage.corrected", "obligation.added"]
    assert {event.actor for event in decision.events} == {ANA}
    (query,) = story.current.open_obligations
    assert query.due_at == story.now + 4 * HOUR
    assert (query.heard_at, query.priority) == (START, Priority.P3)
    assert query.sentiment is Sentiment.POSITIVE, "what nobody corrected stays as triage said"
    assert [each.kind for each in story.effects if isinstance(each, Intent)] == ["card"]
    assert story.line.case_id == story.current.case_id
    assert next_due(story.current) is not None


def test_what_a_person_says_of_it_counts() -> None:
    story = Story()
    decision = found(story, a_mention(), sentiment=Sentiment.NEGATIVE, urgency=Urgency.CRITICAL)
    said = decision.events[1]
    assert isinstance(said, e.TriageCorrected)
    assert (said.query, said.sentiment, said.urgency) == (
        True,
        Sentiment.NEGATIVE,
        Urgency.CRITICAL,
    )
    (query,) = story.current.open_obligations
    assert (query.priority, query.sentiment) == (Priority.P1, Sentiment.NEGATIVE)


def test_a_noted_word_of_a_live_case_becomes_its_second_query() -> None:
    story = Story()
    story.hear(a_mention("100"))
    story.hear(a_mention("101"), NO_QUERY)
    assert story.current.noted == ("x:acme:101",)
    decision = found(story, a_mention("101"))
    assert types(decision.events) == ["triage.corrected", "obligation.added"]
    assert story.open_ids() == ("x:acme:100", "x:acme:101")
    assert story.current.noted == ()


def test_a_snoozed_case_is_in_front_of_people_again() -> None:
    story = Story()
    story.hear(a_mention("100"))
    story.command(c.SnoozeCase, until=story.now + HOUR)
    found(story, a_mention("101"))
    assert story.current.status is CaseStatus.NEW
    (woken,) = [each for each in story.events if isinstance(each, e.CaseWoken)]
    assert woken.reason == "agent_acted"


def test_an_answered_case_is_open_again() -> None:
    story = Story()
    first = a_mention("100")
    story.hear(first)
    story.brand_posts(an_own_post(first), first)
    later = START + HOUR
    decision = found(story, a_mention("101", created_at=later, heard_at=later))
    assert types(decision.events)[:2] == ["case.reopened", "triage.corrected"]
    assert isinstance(decision.events[0], e.CaseReopened)
    assert decision.events[0].reason == "corrected", "the author has not written"
    (query,) = story.current.open_obligations
    assert query.terms is not None
    assert query.terms.target is TargetKind.NEXT_RESPONSE


def test_what_the_brand_has_answered_already_stays_answered() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention, NO_QUERY)
    story.brand_posts(an_own_post(mention), mention)
    found(story, mention)
    assert story.current.status is CaseStatus.ANSWERED
    assert story.current.open_obligations == ()


def test_long_after_its_case_was_closed_it_opens_the_next_episode() -> None:
    story = Story()
    story.hear(a_mention("100"))
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    heard = START + timedelta(days=30)
    story.pass_time(days=30)
    found(story, a_mention("101", heard_at=heard, created_at=heard))
    assert (story.current.episode, story.line.episode) == (2, 2)


def test_a_command_that_comes_too_late_is_refused() -> None:
    story = Story(Policy())
    decision = found(story, a_mention(), not_after=START - HOUR)
    assert decision.refusal is not None
    assert decision.refusal.reason is e.Refusal.TOO_LATE
    assert decision.refusal.command == "correct_triage"
    assert decision.events == ()
    story.hear(a_mention("100"))
    late = found(story, a_mention("101"), not_after=START - HOUR)
    assert late.refusal is not None
    assert late.refusal.case_id == story.current.case_id


@pytest.mark.parametrize("query", [True, False])
def test_correcting_what_is_answered_teaches_and_opens_nothing(query: bool) -> None:  # noqa: FBT001
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.brand_posts(an_own_post(mention), mention)
    decision = story.command(
        c.CorrectTriage,
        mention_id=mention.mention_id,
        query=query,
        sentiment=Sentiment.NEGATIVE,
        urgency=Urgency.CRITICAL,
    )
    assert types(decision.events) == ["triage.corrected"]
    (known,) = story.current.obligations
    assert known.status is ObligationStatus.ANSWERED
    assert known.sentiment is Sentiment.NEGATIVE
    assert story.current.status is CaseStatus.ANSWERED


def test_a_correction_at_the_last_moment_counts_and_leaves_the_line_of_a_live_case_alone() -> None:
    story = Story()
    assert found(story, a_mention("100"), not_after=story.now).line is not None
    assert found(story, a_mention("101"), not_after=story.now).line is None
    assert len(story.current.open_obligations) == 2


def test_a_late_correction_is_refused_no_earlier_than_the_last_event() -> None:
    story = Story()
    story.hear(a_mention("100"))
    story.now = START - 2 * HOUR
    late = found(story, a_mention("101"), not_after=START - 3 * HOUR)
    assert late.refusal is not None
    assert late.refusal.at == story.current.last_event_at


def test_what_a_person_finds_is_judged_by_the_rules_of_its_language() -> None:
    german = Rule(
        name="German",
        languages=frozenset({"de"}),
        targets={TargetKind.FIRST_RESPONSE: {Priority.P3: HOUR}},
    )
    story = Story(Policy(rules=(german,)))
    found(story, a_mention())
    (query,) = story.current.open_obligations
    assert query.because.startswith("first response 1 h for P3 by rule German")
