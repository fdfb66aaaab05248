"""A body is the same record whoever sends it: its id, its key, its subject, its time."""

from __future__ import annotations

from datetime import timedelta

from schemas.commands import COMMAND, Actor, ActorKind, ClaimCase
from schemas.envelope import header, unpack
from schemas.mentions import HEARD
from schemas.packing import heard_id, pack_command, pack_heard, pack_triaged
from schemas.triage import TRIAGED, MentionTriaged, Triage
from tests.support.stories import START, a_delete, a_mention


def test_a_mention_and_its_delete_stand_under_one_key_with_ids_of_their_own() -> None:
    mention = a_mention(text="where is it? 🚆")
    gone = a_delete(mention)
    first = pack_heard(mention, source="/x/acme", extensions={"cursor": "12"})
    second = pack_heard(gone, source="/x/acme")
    assert unpack(HEARD, first.value) == mention
    assert first.key == second.key == mention.conversation.key.encode()
    assert header(first.headers, "type") == "com.careline.mention.received.v1"
    assert header(second.headers, "type") == "com.careline.mention.deleted.v1"
    assert header(first.headers, "id") == mention.event_id
    assert header(first.headers, "id") != header(second.headers, "id")
    assert header(first.headers, "subject") == header(second.headers, "subject")
    assert (header(first.headers, "cursor"), header(second.headers, "cursor")) == ("12", None)


def test_a_triaged_record_names_the_one_that_it_stands_for() -> None:
    mention, triage = a_mention(), Triage(query=True, model="test")
    received = pack_heard(mention, source="/x/acme")
    verdict = triage.model_dump_json().encode()
    record = pack_triaged(mention, received.value, verdict, source="/careline/triage")
    assert unpack(TRIAGED, record.value) == MentionTriaged(heard=mention, triage=triage)
    assert record.key == received.key
    assert heard_id(record.headers) == mention.event_id
    assert heard_id(()) == ""


def test_a_command_is_the_same_record_from_every_sender_but_for_its_source() -> None:
    claim = ClaimCase(
        command_id="c1",
        case_id="s03-0000000000000001-1",
        issued_at=START + timedelta(seconds=3),
        actor=Actor(kind=ActorKind.AGENT, id="slack:U1", name="ana"),
    )
    shell, slack = (pack_command(claim, source=source) for source in ("/shell", "/slack"))
    assert unpack(COMMAND, shell.value) == claim
    assert shell.key == slack.key == b"s03-0000000000000001-1"
    assert shell.value == slack.value
    assert header(shell.headers, "id") == header(slack.headers, "id") == "c1"
    assert header(shell.headers, "time") == header(slack.headers, "time")
    assert (header(shell.headers, "source"), header(slack.headers, "source")) == (
        "/shell",
        "/slack",
    )
