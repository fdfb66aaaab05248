"""Who writes how often: counted by thread and author, answered by the brand, bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from careline.domain.policy import Vips
from careline.triage.context import NO_CONTEXT
from schemas.mentions import (
    AuthorRef,
    BrandPosted,
    ConversationRef,
    MentionDeleted,
    MentionEdited,
    MentionReceived,
    Visibility,
)
from streams.contacts import Contacts

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def thread(root: str = "t1", *, direct: bool = False) -> ConversationRef:
    visibility = Visibility.DIRECT if direct else Visibility.PUBLIC
    return ConversationRef(network="x", root=root, visibility=visibility)


def mention(
    native_id: str,
    *,
    author: AuthorRef | None = None,
    conversation: ConversationRef | None = None,
    minutes: float = 0,
) -> MentionReceived:
    return MentionReceived(
        account="acme",
        native_id=native_id,
        conversation=conversation or thread(),
        heard_at=NOON + timedelta(minutes=minutes),
        author=author or AuthorRef(id="a1"),
        text="hello",
        created_at=NOON,
    )


def post(
    *, in_reply_to: str | None = None, conversation: ConversationRef | None = None
) -> BrandPosted:
    return BrandPosted(
        account="acme",
        native_id="own",
        conversation=conversation or thread(),
        heard_at=NOON,
        author=AuthorRef(id="acme"),
        text="we are on it",
        created_at=NOON,
        in_reply_to=in_reply_to,
    )


@pytest.fixture
def contacts() -> Contacts:
    return Contacts(Vips(authors=frozenset({"boss"}), followers=1000))


def test_messages_of_one_author_in_one_thread_are_counted(contacts: Contacts) -> None:
    told = [contacts.heard(mention(f"m{n}", minutes=10 * n)) for n in range(3)]
    assert [each.contacts for each in told] == [1, 2, 3]
    assert [each.waiting for each in told] == [0, 600, 1200]


def test_other_authors_and_other_threads_count_for_themselves(contacts: Contacts) -> None:
    contacts.heard(mention("m1"))
    assert contacts.heard(mention("m2", author=AuthorRef(id="a2"))).contacts == 1
    assert contacts.heard(mention("m3", conversation=thread("t2"))).contacts == 1


def test_a_message_heard_again_or_edited_counts_once(contacts: Contacts) -> None:
    contacts.heard(mention("m1"))
    contacts.heard(mention("m2"))
    again = mention("m1")
    edited = MentionEdited(**again.model_dump(exclude={"kind"}))
    assert contacts.heard(again).contacts == 1
    assert contacts.heard(edited).contacts == 1
    assert contacts.heard(mention("m3")).contacts == 3


def test_a_public_answer_begins_anew_for_its_author_alone(contacts: Contacts) -> None:
    other = AuthorRef(id="a2")
    for number in range(2):
        contacts.heard(mention(f"m{number}"))
        contacts.heard(mention(f"n{number}", author=other))
    assert contacts.heard(post(in_reply_to="m1")) == NO_CONTEXT
    assert contacts.heard(mention("m9")).contacts == 1
    assert contacts.heard(mention("n9", author=other)).contacts == 3


def test_a_private_answer_begins_anew_for_the_conversation(contacts: Contacts) -> None:
    private = thread("dm1", direct=True)
    for number in range(3):
        contacts.heard(mention(f"m{number}", conversation=private))
    contacts.heard(post(conversation=private))
    assert contacts.heard(mention("m9", conversation=private)).contacts == 1


def test_a_post_that_answers_nobody_changes_nothing(contacts: Contacts) -> None:
    contacts.heard(mention("m1"))
    contacts.heard(post())
    contacts.heard(post(in_reply_to="unknown"))
    assert contacts.heard(mention("m2")).contacts == 2


def test_vips_and_followers_are_told(contacts: Contacts) -> None:
    boss = contacts.heard(mention("m1", author=AuthorRef(id="x", handle="@Boss", followers=5)))
    assert boss.vip
    assert boss.followers == 5
    assert contacts.heard(mention("m2", author=AuthorRef(id="y", followers=1000))).vip
    assert not contacts.heard(mention("m3", author=AuthorRef(id="z"))).vip


def test_what_is_no_message_of_a_customer_tells_nothing(contacts: Contacts) -> None:
    deleted = MentionDeleted(
        account="acme",
        native_id="m1",
        conversation=thread(),
        heard_at=NOON,
        author=AuthorRef(id="a1"),
    )
    assert contacts.heard(deleted) == NO_CONTEXT


def test_the_oldest_of_very_many_threads_are_forgotten() -> None:
    contacts = Contacts(Vips(), threads=100)
    for number in range(1000):
        contacts.heard(mention(f"m{number}", conversation=thread(f"t{number}")))
    assert len(contacts) == 100
    assert contacts.heard(mention("n1", conversation=thread("t0"))).contacts == 1
    assert contacts.heard(mention("n2", conversation=thread("t999"))).contacts == 2


def test_one_very_talkative_author_is_counted_up_to_a_bound(contacts: Contacts) -> None:
    told = [contacts.heard(mention(f"m{number}")).contacts for number in range(500)]
    assert told[:3] == [1, 2, 3]
    assert max(told) == 32


def test_clocks_that_run_backwards_make_no_wait(contacts: Contacts) -> None:
    contacts.heard(mention("m1", minutes=10))
    assert contacts.heard(mention("m2", minutes=0)).waiting == 0
