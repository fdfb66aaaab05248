"""What an event says when something was heard, to the last field: the log is a contract."""

from __future__ import annotations

from datetime import timedelta

from careline.domain.case import (
    Case,
    CaseStatus,
    Line,
    Obligation,
    ObligationStatus,
)
from schemas import commands as c
from schemas import events as e
from schemas.mentions import ConversationRef, Visibility
from schemas.triage import Priority, Sentiment, Urgency
from tests.support.facts import (
    AUTHOR,
    BRAND,
    HOUR,
    MENTION,
    a_story,
    facts,
    last,
)
from tests.support.stories import (
    START,
    Story,
    a_mention,
    a_triage,
    an_edit,
    an_own_post,
)


def test_query_opens_a_case_with_an_obligation() -> None:
    story = a_story()
    opened, added = story.events
    assert facts(opened) == {
        "type": "case.opened",
        "kind": e.CaseKind.CARE,
        "conversation": ConversationRef(
            network="x", root="100", visibility=Visibility.PUBLIC
        ).model_dump(),
        "account": "acme",
        "author_id": "7",
        "line": a_mention().line,
        "episode": 1,
        "queue": "acme:public",
        "review_at": None,
        "subject": "",
    }
    said = facts(added)
    assert said.pop("because").startswith("first response 4 h for P3")
    assert said == {
        "type": "obligation.added",
        "mention_id": MENTION,
        "revision": "0",
        "order": a_mention().order,
        "priority": Priority.P3,
        "sentiment": Sentiment.NEGATIVE,
        "urgency": Urgency.NORMAL,
        "heard_at": START,
        "created_at": START,
        "at_risk_at": START + 3 * HOUR,
        "due_at": START + 4 * HOUR,
        "terms": None,
    }
    assert [(event.actor, event.index, event.version) for event in story.events] == [
        (AUTHOR, 0, 1),
        (AUTHOR, 1, 2),
    ]
    assert story.line == Line(case_id=story.current.case_id, episode=1)


def test_case_after_its_opening_holds_every_fact() -> None:
    story = a_story()
    case, event = story.current, story.events[-1]
    assert case == Case(
        case_id=case.case_id,
        kind=e.CaseKind.CARE,
        network="x",
        account="acme",
        root="100",
        visibility=Visibility.PUBLIC,
        author_id="7",
        line=a_mention().line,
        episode=1,
        queue="acme:public",
        opened_at=START,
        version=2,
        last_event_id=event.event_id,
        last_event_at=START,
        status=CaseStatus.NEW,
        obligations=(
            Obligation(
                mention_id=MENTION,
                revision="0",
                order=a_mention().order,
                priority=Priority.P3,
                sentiment=Sentiment.NEGATIVE,
                urgency=Urgency.NORMAL,
                heard_at=START,
                created_at=START,
                at_risk_at=START + 3 * HOUR,
                due_at=START + 4 * HOUR,
                because=case.obligations[0].because,
            ),
        ),
    )


def test_word_that_expects_nothing_is_noted() -> None:
    story = a_story()
    word = a_mention("101")
    story.hear(word, a_triage(query=False))
    assert last(story) == {
        "type": "mention.noted",
        "mention_id": "x:acme:101",
        "revision": "0",
        "order": word.order,
    }
    assert story.events[-1].actor == AUTHOR


def test_edit_says_what_the_query_is_now() -> None:
    story = a_story()
    edited = an_edit(a_mention(), heard_at=START + HOUR)
    story.pass_time(hours=1)
    story.hear(edited, a_triage(urgency=Urgency.HIGH, sentiment=Sentiment.POSITIVE))
    said = last(story)
    said.pop("because")
    said.pop("terms")
    assert said == {
        "type": "obligation.changed",
        "mention_id": MENTION,
        "revision": "1",
        "priority": Priority.P2,
        "sentiment": Sentiment.POSITIVE,
        "urgency": Urgency.HIGH,
        "at_risk_at": START + timedelta(minutes=45),
        "due_at": START + HOUR,
        "reopened": False,
    }
    (found,) = story.current.obligations
    assert (found.revision, found.priority, found.due_at) == ("1", Priority.P2, START + HOUR)
    assert (found.sentiment, found.urgency) == (Sentiment.POSITIVE, Urgency.HIGH)
    assert found.at_risk_at == START + timedelta(minutes=45)


def test_delete_closes_the_query_and_the_case_in_its_authors_name() -> None:
    story = a_story()
    story.withdraw(a_mention())
    closed, resolved = story.events[-2:]
    assert facts(closed) == {
        "type": "obligations.closed",
        "covers": (MENTION,),
        "disposition": c.Disposition.WITHDRAWN_BY_AUTHOR,
    }
    assert facts(resolved) == {
        "type": "case.resolved",
        "disposition": c.Disposition.WITHDRAWN_BY_AUTHOR,
    }
    assert closed.actor == resolved.actor == AUTHOR
    (found,) = story.current.obligations
    assert (found.status, found.disposition, found.settled_at) == (
        ObligationStatus.CLOSED,
        c.Disposition.WITHDRAWN_BY_AUTHOR,
        START,
    )


def test_own_post_answers_in_the_brands_name() -> None:
    story = a_story()
    mention = a_mention()
    decision = story.brand_posts(an_own_post(mention), to=mention)
    answered, settled = story.events[-2:]
    assert facts(answered) == {
        "type": "obligations.answered",
        "covers": (MENTION,),
        "effect_id": "",
        "native_id": "900",
        "up_to": mention.order,
    }
    assert facts(settled) == {
        "type": "case.answered",
        "waiting_for_author": False,
        "follow_up_at": START + timedelta(hours=72),
    }
    assert answered.actor == settled.actor == BRAND
    case_id = story.current.case_id
    assert decision.line == Line(case_id=case_id, episode=1, answered_up_to=mention.order)
    assert story.current.own_posts == ("900",)
    assert story.current.answered_up_to == mention.order
    (found,) = story.current.obligations
    assert (found.status, found.disposition, found.settled_at) == (
        ObligationStatus.ANSWERED,
        None,
        START,
    )


def test_own_post_heard_before_its_mention_answers_it_in_the_brands_name() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    answered = story.events[2]
    assert facts(answered) == {
        "type": "obligations.answered",
        "covers": (MENTION,),
        "effect_id": "",
        "native_id": "900",
        "up_to": a_mention().order,
    }
    assert answered.actor == BRAND


def test_mention_that_a_later_own_post_covers_is_answered_without_naming_it_again() -> None:
    story = Story()
    late = a_mention("101", created_at=START + timedelta(minutes=1))
    story.hear(late)
    story.brand_posts(an_own_post(late), to=late)
    story.hear(a_mention("100"))
    answered = story.events[-2]
    assert facts(answered) == {
        "type": "obligations.answered",
        "covers": (MENTION,),
        "effect_id": "",
        "native_id": "",
        "up_to": None,
    }


def test_author_who_writes_again_reopens_the_case_by_name() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    story.hear(a_mention("101", created_at=START + HOUR))
    reopened = story.events[-2]
    assert facts(reopened) == {
        "type": "case.reopened",
        "reason": "author_wrote",
        "review_at": None,
    }
    assert reopened.actor == AUTHOR
    assert story.current.status is CaseStatus.NEW
    assert story.current.follow_up_at is None


def test_edit_of_a_settled_query_reopens_its_case_as_edited() -> None:
    story = Story()
    story.hear(a_mention(), awaited="900")
    story.hear(an_edit(a_mention()))
    assert [event.type for event in story.events[-2:]] == ["case.reopened", "obligation.changed"]
    assert facts(story.events[-2])["reason"] == "edited"
    assert last(story)["reopened"] is True
    (found,) = story.current.obligations
    assert (found.status, found.warned, found.breached) == (ObligationStatus.OPEN, False, False)
    assert (found.disposition, found.settled_at) == (None, None)
