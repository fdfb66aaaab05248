"""What a query waits for: a first or a next response, under which rule."""

from __future__ import annotations

import pytest

from careline.domain.policy import Policy, Rule, Vips
from schemas import commands as c
from schemas.mentions import Visibility
from schemas.targets import TargetKind
from schemas.triage import Priority, Urgency
from tests.support.pauses import (
    HOUR,
    MINUTE,
    SNOOZED,
    a_story,
    answer,
    hear_again,
    the_query,
)
from tests.support.stories import (
    BEN,
    START,
    Story,
    a_mention,
    a_triage,
    an_edit,
    an_own_post,
)


def test_thanks_does_not_restart_the_clock() -> None:
    story = a_story(Policy())
    before = story.current.obligations
    assert hear_again(story, query=False) == ["mention.noted"]
    assert story.current.obligations == before
    answer(story)
    story.now += HOUR
    assert hear_again(story, "102", query=False) == ["mention.noted"]
    assert not story.current.open_obligations


def test_once_the_brand_has_answered_a_query_waits_for_the_next_response() -> None:
    story = a_story(Policy(next_response={Priority.P3: 2 * HOUR}))
    answer(story)
    story.now = START + 5 * HOUR
    hear_again(story)
    found = the_query(story)
    assert found.because == "next response 2 h for P3, 24x7, due 16:00 UTC"
    assert found.due_at == START + 7 * HOUR


def test_what_was_closed_without_a_word_still_waits_for_the_first_response() -> None:
    story = a_story(Policy(next_response={Priority.P3: 2 * HOUR}))
    story.command(c.ResolveCase, covers=story.open_ids(), disposition=c.Disposition.SPAM)
    story.now = START + 5 * HOUR
    hear_again(story)
    assert the_query(story).because.startswith("first response 4 h")


def test_an_own_post_is_an_answer_too() -> None:
    story = a_story(Policy(next_response={Priority.P3: 2 * HOUR}))
    mention = a_mention()
    story.brand_posts(an_own_post(mention), to=mention)
    story.now = START + 5 * HOUR
    hear_again(story)
    assert the_query(story).because.startswith("next response 2 h")


def test_an_edit_that_makes_it_no_other_query_keeps_its_deadline_under_another_policy() -> None:
    story = a_story(Policy())
    before = the_query(story)
    story.policy = Policy(first_response=dict.fromkeys(Priority, MINUTE))
    story.hear(an_edit(a_mention()))
    after = the_query(story)
    assert after.revision != before.revision
    assert (after.due_at, after.because) == (before.due_at, before.because)


DIRECT_GERMAN_VIP = Rule(
    name="German VIP in private",
    accounts=frozenset({"acme"}),
    queues=frozenset({"acme:direct"}),
    languages=frozenset({"de"}),
    vip=True,
    targets={TargetKind.FIRST_RESPONSE: {Priority.P1: MINUTE, Priority.P3: HOUR}},
)


def test_a_rule_sees_account_queue_language_and_author_also_when_a_person_corrects() -> None:
    story = Story(Policy(rules=(DIRECT_GERMAN_VIP,), vips=Vips(authors=frozenset({"7"}))))
    story.hear(a_mention(visibility=Visibility.DIRECT), a_triage(language="de"))
    said = "for {} by rule German VIP in private, 24x7"
    assert the_query(story).because.startswith("first response 1 h " + said.format("P3"))
    correct = {"mention_id": story.open_ids()[0], "query": True}
    story.command(c.CorrectTriage, urgency=Urgency.CRITICAL, **correct)
    assert the_query(story).because.startswith("first response 1 min " + said.format("P1"))


@pytest.mark.parametrize(
    ("facts", "language"),
    [
        ({"author": "8", "visibility": Visibility.DIRECT}, "de"),
        ({"visibility": Visibility.PUBLIC}, "de"),
        ({"visibility": Visibility.DIRECT}, "en"),
        ({"visibility": Visibility.DIRECT, "account": "other"}, "de"),
    ],
)
def test_a_rule_leaves_all_others_alone(facts: dict[str, object], language: str) -> None:
    story = Story(Policy(rules=(DIRECT_GERMAN_VIP,), vips=Vips(authors=frozenset({"7"}))))
    story.hear(a_mention(**facts), a_triage(language=language))
    assert the_query(story).because.startswith("first response 4 h for P3, 24x7")


def test_a_case_from_before_there_were_rules_is_corrected_too() -> None:
    story = a_story(Policy())
    story.policy = Policy(rules=(DIRECT_GERMAN_VIP,))
    story.command(c.CorrectTriage, mention_id=story.open_ids()[0], query=True, urgency=Urgency.HIGH)
    assert the_query(story).because.startswith("first response 1 h for P2, 24x7, 1 h used")


def test_a_correction_says_how_much_time_was_used() -> None:
    story = a_story(SNOOZED)
    story.command(
        c.CorrectTriage,
        mention_id=story.open_ids()[0],
        query=True,
        urgency=Urgency.CRITICAL,
        actor=BEN,
    )
    found = the_query(story)
    assert found.because == "first response 15 min for P1, 24x7, 1 h used, due 09:15 UTC"
    assert found.terms is None
