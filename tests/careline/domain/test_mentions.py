"""What follows from what is heard: obligations, edits, deletes, own posts, episodes."""

from __future__ import annotations

from datetime import timedelta

from careline.domain.case import CaseStatus, ObligationStatus
from careline.domain.effects import Cancel, Intent
from schemas import commands as c
from schemas import events as e
from schemas.mentions import Visibility
from schemas.triage import Priority, Urgency, failed_triage
from tests.support.stories import START, Story, a_mention, a_triage, an_edit, an_own_post, types


def test_query_opens_a_case_with_an_obligation_and_asks_for_a_card() -> None:
    story = Story()
    decision = story.hear(a_mention())
    assert types(decision.events) == ["case.opened", "obligation.added"]
    assert story.current.open_obligations[0].due_at == START + timedelta(hours=4)
    assert [effect.kind for effect in decision.effects if isinstance(effect, Intent)] == ["card"]
    assert story.current.case_id.endswith("-1")


def test_word_that_is_no_query_opens_nothing() -> None:
    story = Story()
    decision = story.hear(a_mention(), a_triage(query=False))
    assert decision.events == ()
    assert story.case is None


def test_same_mention_again_changes_nothing() -> None:
    story = Story()
    story.hear(a_mention())
    assert story.hear(a_mention()).events == ()
    assert len(story.current.obligations) == 1


def test_failed_triage_is_treated_as_urgent() -> None:
    story = Story()
    story.hear(a_mention(), failed_triage("model missing"))
    assert story.current.obligations[0].priority is Priority.P2


def test_unsure_triage_is_a_query_of_low_priority() -> None:
    story = Story()
    story.hear(a_mention(), a_triage(unsure=True, urgency=Urgency.CRITICAL))
    assert story.current.obligations[0].priority is Priority.P4


def test_second_query_has_a_deadline_of_its_own() -> None:
    story = Story()
    story.hear(a_mention("100"))
    later = START + timedelta(minutes=30)
    story.now = later
    story.hear(a_mention("101", heard_at=later, created_at=later), a_triage(urgency=Urgency.HIGH))
    assert [found.due_at for found in story.current.obligations] == [
        START + timedelta(hours=4),
        later + timedelta(hours=1),
    ]


def test_thanks_stay_with_a_live_case_without_an_obligation() -> None:
    story = Story()
    story.hear(a_mention("100"))
    story.hear(a_mention("101"), a_triage(query=False))
    assert types(story.events)[-1] == "mention.noted"
    assert len(story.current.obligations) == 1


def test_own_post_answers_the_mention_it_replies_to_and_earlier_ones_only() -> None:
    story = Story()
    first, second, third = (
        a_mention(str(n), created_at=START + timedelta(minutes=n)) for n in (100, 101, 102)
    )
    for mention in (first, second, third):
        story.hear(mention)
    story.brand_posts(an_own_post(second), to=second)
    assert [found.status for found in story.current.obligations] == [
        ObligationStatus.ANSWERED,
        ObligationStatus.ANSWERED,
        ObligationStatus.OPEN,
    ]
    assert story.current.status is not CaseStatus.ANSWERED


def test_earlier_mention_that_arrives_after_the_own_post_is_answered_too() -> None:
    story = Story()
    early = a_mention("100")
    late = a_mention("101", created_at=START + timedelta(minutes=1))
    story.hear(late)
    story.brand_posts(an_own_post(late), to=late)
    story.hear(early)
    assert story.current.open_obligations == ()
    assert story.current.status is CaseStatus.ANSWERED


def test_own_post_heard_before_its_mention_is_applied_when_that_arrives() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    assert story.current.status is CaseStatus.ANSWERED
    assert story.current.obligations[0].status is ObligationStatus.ANSWERED


def test_later_mention_after_an_own_post_stays_open() -> None:
    story = Story()
    first = a_mention("100")
    story.hear(first)
    story.brand_posts(an_own_post(first), to=first)
    story.hear(a_mention("101", created_at=START + timedelta(hours=1)))
    assert len(story.current.open_obligations) == 1
    assert "case.reopened" in types(story.events)


def test_edit_changes_the_obligation_and_reopens_it_if_answered() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.brand_posts(an_own_post(mention), to=mention)
    edited_at = START + timedelta(hours=2)
    story.now = edited_at
    story.hear(an_edit(mention, heard_at=edited_at), a_triage(urgency=Urgency.HIGH))
    assert story.current.open_obligations[0].due_at == edited_at + timedelta(hours=1)


def test_older_revision_that_arrives_late_changes_nothing() -> None:
    story = Story()
    mention = a_mention()
    story.hear(an_edit(mention, revision="2"))
    assert story.hear(mention).events == ()
    assert story.current.obligations[0].revision == "2"


def test_edit_of_an_open_query_keeps_the_time_already_used() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.hear(an_edit(mention, heard_at=START + timedelta(hours=3)))
    assert story.current.obligations[0].due_at == START + timedelta(hours=4)


def test_delete_closes_the_obligation_and_resolves_the_case() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.withdraw(mention)
    assert story.current.status is CaseStatus.RESOLVED
    assert story.current.disposition is c.Disposition.WITHDRAWN_BY_AUTHOR
    assert story.current.resolved_by is not None


def test_delete_of_something_unknown_changes_nothing() -> None:
    story = Story()
    assert story.withdraw(a_mention()).events == ()


def test_author_who_writes_within_the_window_reopens_the_case() -> None:
    story = Story()
    mention = a_mention("100")
    story.hear(mention)
    story.withdraw(mention)
    story.hear(a_mention("101", heard_at=START + timedelta(hours=71)))
    assert story.current.episode == 1
    assert story.current.is_live


def test_author_who_writes_after_the_window_gets_a_new_episode() -> None:
    story = Story()
    mention = a_mention("100")
    story.hear(mention)
    story.withdraw(mention)
    story.hear(a_mention("101", heard_at=START + timedelta(hours=73)))
    assert story.current.episode == 2
    assert len(story.cases) == 2


def test_author_who_writes_wakes_a_snoozed_case() -> None:
    story = Story()
    story.hear(a_mention("100"))
    story.command(c.SnoozeCase, until=START + timedelta(hours=2))
    story.hear(a_mention("101"))
    assert story.current.status is not CaseStatus.SNOOZED
    assert "case.woken" in types(story.events)


def test_own_reply_heard_from_the_network_counts_as_delivered() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.command(c.ReplyToCase, text="We are on it  https://t.co/a", covers=story.open_ids())
    post = an_own_post(mention, text="@someone We are on it https://t.co/b")
    story.brand_posts(post, to=mention)
    assert story.current.reply is None
    assert story.current.delivered == ("900",)
    assert story.current.status is CaseStatus.ANSWERED


def test_answer_typed_elsewhere_cancels_the_reply_in_flight() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.command(c.ReplyToCase, text="We are on it", covers=story.open_ids())
    decision = story.brand_posts(an_own_post(mention, text="Something else"), to=mention)
    assert [effect.reason for effect in decision.effects if isinstance(effect, Cancel)] == [
        "answered meanwhile"
    ]
    assert story.current.status is not CaseStatus.ANSWERED, "the reply's outcome is still to come"


def test_edit_cancels_the_reply_in_flight() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.command(c.ReplyToCase, text="We are on it", covers=story.open_ids())
    decision = story.hear(an_edit(mention))
    assert any(isinstance(effect, Cancel) for effect in decision.effects)


def test_direct_message_waits_in_a_queue_of_its_own() -> None:
    story = Story()
    story.hear(a_mention(visibility=Visibility.DIRECT))
    opened = story.events[0]
    assert isinstance(opened, e.CaseOpened)
    assert opened.queue == "acme:direct"
    assert opened.conversation.key == "x:dm:100"


def test_no_event_carries_a_customers_words() -> None:
    story = Story()
    mention = a_mention(text="SECRETWORD please help")
    story.hear(mention)
    story.hear(an_edit(mention, text="SECRETWORD again"))
    assert "SECRETWORD" not in "".join(event.model_dump_json() for event in story.events)


def test_revisions_that_are_digests_have_no_order_and_the_last_one_heard_wins() -> None:
    story = Story()
    mention = a_mention()
    story.hear(an_edit(mention, revision="f00dfeed0123"))
    story.hear(an_edit(mention, revision="000000000001"))
    assert story.current.obligations[0].revision == "000000000001"


def test_revision_of_twelve_digits_is_a_digest_and_has_no_order() -> None:
    story = Story()
    mention = a_mention()
    story.hear(an_edit(mention, revision="999999999999"))
    story.hear(an_edit(mention, revision="000000000001"))
    assert story.current.obligations[0].revision == "000000000001"


def test_same_revision_under_another_cause_changes_nothing_and_hands_the_case_back() -> None:
    story = Story()
    story.hear(a_mention())
    story.heard.clear()
    decision = story.hear(a_mention())
    assert decision.events == ()
    assert decision.case == story.current


def test_delete_of_what_is_settled_or_unknown_changes_nothing_and_hands_the_case_back() -> None:
    story = Story()
    story.hear(a_mention("100"))
    story.hear(a_mention("101"))
    unknown = story.withdraw(a_mention("404"))
    assert (unknown.events, unknown.case) == ((), story.current)
    story.withdraw(a_mention("100"))
    story.heard.clear()
    again = story.withdraw(a_mention("100"))
    assert again.events == ()
    assert again.case == story.current


def test_own_post_in_a_line_without_a_case_is_kept_for_what_arrives_later() -> None:
    story = Story()
    mention = a_mention()
    decision = story.brand_posts(an_own_post(mention), to=mention)
    assert decision.events == ()
    assert story.line.answered_up_to == mention.order
    story.hear(mention)
    assert story.current.status is CaseStatus.ANSWERED


def test_own_post_that_is_heard_again_changes_nothing_and_hands_the_case_back() -> None:
    story = Story()
    mention = a_mention()
    story.hear(mention)
    story.brand_posts(an_own_post(mention), to=mention)
    story.heard.clear()
    again = story.brand_posts(an_own_post(mention), to=mention)
    assert (again.events, again.case) == ((), story.current)
    another = story.brand_posts(an_own_post(mention, native_id="901"), to=mention)
    assert (another.events, another.case) == ((), story.current)


def test_own_post_to_a_later_settled_query_covers_what_still_arrives_before_it() -> None:
    story = Story()
    late = a_mention("101", created_at=START + timedelta(minutes=1))
    story.hear(late)
    story.command(c.ResolveCase, disposition=c.Disposition.SPAM, covers=story.open_ids())
    decision = story.brand_posts(an_own_post(late), to=late)
    assert types(decision.events) == ["obligations.answered"]
    assert story.current.answered_up_to == late.order
