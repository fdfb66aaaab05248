"""Records survive the wire: CloudEvents headers, UTC times, unknown fields, unreadable bytes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from schemas.base import well_formed
from schemas.envelope import Unreadable, header, pack, unpack
from schemas.identity import case_id, line_key, shard_of, shard_of_case, shard_tag
from schemas.mentions import HEARD, MentionReceived
from schemas.topics import TOPICS
from tests.support.stories import a_mention


def packed(mention: MentionReceived) -> tuple[bytes, list[tuple[str, bytes]]]:
    record = pack(
        mention,
        type="mention.received.v1",
        id=mention.event_id,
        source="connector/x/acme",
        subject=mention.mention_id,
        time=mention.heard_at,
        key=mention.conversation.key,
        extensions={"cursor": "12"},
    )
    return record.value, record.headers


def test_record_is_read_as_it_was_packed() -> None:
    mention = a_mention(text="naïve 🚆 \x00 end")
    value, headers = packed(mention)
    assert unpack(HEARD, value) == mention
    assert header(headers, "id") == "x:acme:100:0"
    assert header(headers, "type") == "com.careline.mention.received.v1"
    assert header(headers, "cursor") == "12"
    assert header(headers, "absent") is None


def test_unknown_fields_of_a_newer_writer_are_ignored() -> None:
    value, _ = packed(a_mention())
    assert unpack(HEARD, value.replace(b'{"account"', b'{"mood":"new","account"', 1)) == a_mention()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "empty"),
        (b"{", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"{}", "invalid:union_tag_not_found"),
        (b'{"kind":"received"}', "invalid:missing"),
    ],
)
def test_unreadable_bytes_have_a_short_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(Unreadable) as found:
        unpack(HEARD, value)
    assert found.value.reason == reason


def test_reason_of_an_unreadable_record_never_quotes_it() -> None:
    with pytest.raises(Unreadable) as found:
        unpack(HEARD, b'{"kind":"received","text":"SECRETWORD"}')
    assert "SECRETWORD" not in str(found.value)


def test_naive_time_is_refused_and_others_become_utc() -> None:
    with pytest.raises(ValidationError):
        a_mention(created_at=datetime(2026, 1, 1))  # noqa: DTZ001 - this is the point
    elsewhere = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert a_mention(created_at=elsewhere).created_at.tzinfo is UTC


def test_lone_surrogates_become_replacement_characters() -> None:
    assert well_formed("a\ud800b") == "a\ufffdb"
    assert well_formed("fine 🚆") == "fine 🚆"
    value, _ = packed(a_mention(text="broken \udc00"))
    assert unpack(HEARD, value).text.encode()  # type: ignore[union-attr]


def test_conversation_shard_and_case_id_agree() -> None:
    conversation = "x:100"
    line = line_key("x", "acme", "100", "7")
    case = case_id(line, 2, conversation=conversation, partitions=16)
    assert shard_of_case(case) == shard_of(conversation, 16)
    assert case.startswith(shard_tag(shard_of(conversation, 16)).strip("{}") + "-")
    assert shard_of_case("no case") is None


def test_no_topic_is_compacted() -> None:
    assert {topic.config()["cleanup.policy"] for topic in TOPICS} == {"delete"}
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)
