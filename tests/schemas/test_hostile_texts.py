"""A thousand curated texts through the wire: whatever a network sent, it is read, written, read."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from schemas.base import well_formed
from schemas.envelope import Unreadable, unpack
from schemas.mentions import (
    HEARD,
    AuthorRef,
    ConversationRef,
    MediaRef,
    MentionEdited,
    MentionReceived,
)
from schemas.packing import pack_heard, pack_triaged
from schemas.triage import TRIAGED, MentionTriaged, Sentiment, Triage, Urgency
from tests.support.hostile_texts import FAMILIES, texts_of

AT = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def heard(
    text: str, kind: type[MentionReceived | MentionEdited]
) -> MentionReceived | MentionEdited:
    return kind(
        account="acme",
        native_id="1",
        conversation=ConversationRef(network="x", root="1"),
        heard_at=AT,
        author=AuthorRef(id="7", handle=text[:500], name=text[:500]),
        text=text,
        created_at=AT,
        media=(MediaRef(kind="photo", alt=text[:500]),),
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hostile_text_is_the_same_after_every_reading_and_writing(family: str) -> None:
    for text in texts_of(family):
        # As a network sends it: in JSON's escapes, which may stand for half a character.
        sent = json.loads(json.dumps({"text": text}).encode())["text"]
        for kind in (MentionReceived, MentionEdited):
            first = heard(sent, kind)
            assert first.text == well_formed(text), repr(text[:300])
            packed = pack_heard(first, source="test")
            again = unpack(HEARD, packed.value)
            assert again == first, repr(text[:300])
            assert pack_heard(again, source="test") == packed, repr(text[:300])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_hostile_text_does_no_more_in_what_triage_says_of_it(family: str) -> None:
    for text in texts_of(family):
        known = well_formed(text)
        triage = Triage(
            query=True,
            sentiment=Sentiment.NEGATIVE,
            urgency=Urgency.HIGH,
            language=known[:20] or "und",
            topics=(known[:500],),
            reasons=(known[:500], known[:500]),
            model="rules",
        )
        mention = heard(text, MentionReceived)
        body, said = (one.model_dump_json().encode() for one in (mention, triage))
        packed = pack_triaged(mention, body, said, source="test")
        assert unpack(TRIAGED, packed.value) == MentionTriaged(heard=mention, triage=triage)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_record_that_somebody_else_escaped_is_read_or_refused_in_one_way(family: str) -> None:
    template = json.loads(heard("-", MentionReceived).model_dump_json())
    for text in texts_of(family):
        raw = json.dumps(template | {"text": text}).encode()
        if "\ufffd" in well_formed(text):
            # Half a character is no JSON for a strict reader: quarantined, not lost.
            with pytest.raises(Unreadable, match="not_json"):
                unpack(HEARD, raw)
            continue
        read = unpack(HEARD, raw)
        assert isinstance(read, MentionReceived)
        assert read.text == well_formed(text), repr(text[:300])
