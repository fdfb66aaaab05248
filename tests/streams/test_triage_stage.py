"""The stage of triage with its process: what it knows beside a text counts, nothing is left out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from careline.domain.policy import Vips
from careline.runtime.kafka import Producer, Record
from careline.runtime.records import stand_ins
from careline.triage.choice import TriageChoice, chosen_decision
from careline.triage.lexicon.triager import MODEL as WORD_LISTS_MODEL
from careline.triage.model.file import shipped_bytes
from schemas.envelope import header, pack
from schemas.identity import shard_of
from schemas.mentions import AuthorRef, BrandPosted, ConversationRef, HeardRecord, MentionReceived
from schemas.topics import MENTIONS_RECEIVED
from schemas.triage import TRIAGED, MentionTriaged, Priority, RecordSkipped, Triage
from streams.triage import TriageStage

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
THREAD = ConversationRef(network="x", root="t1")
WORD_LISTS = TriageChoice(classifier="rules")


class Noted:
    """A quarantine that keeps what it is told."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    async def report(
        self, *, source: str, position: str, value: bytes, reason: str, handler: str
    ) -> None:
        _ = source, position, value, handler
        self.reasons.append(reason)


@asynccontextmanager
async def stage(
    make: Callable[[], object], *, vips: Vips | None = None, quarantine: Noted | None = None
) -> AsyncIterator[TriageStage]:
    made = TriageStage(
        make,  # type: ignore[arg-type]
        Producer("127.0.0.1:1", client_id="never-started"),
        quarantine or Noted(),
        partitions=1,
        budget=20,
        budget_each=2,
        vips=vips or Vips(),
    )
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def heard(native_id: str, text: str, *, author: str = "a1", minutes: int = 0) -> MentionReceived:
    return MentionReceived(
        account="acme",
        native_id=native_id,
        conversation=THREAD,
        heard_at=NOON + timedelta(minutes=minutes),
        author=AuthorRef(id=author),
        text=text,
        created_at=NOON,
    )


def own_post(in_reply_to: str) -> BrandPosted:
    return BrandPosted(
        account="acme",
        native_id="own",
        conversation=THREAD,
        heard_at=NOON,
        author=AuthorRef(id="acme"),
        text="we are on it",
        created_at=NOON,
        in_reply_to=in_reply_to,
    )


def records(*bodies: HeardRecord | bytes) -> list[Record]:
    assert shard_of(THREAD.key, 1) == 0
    made = []
    for offset, body in enumerate(bodies):
        value = (
            body
            if isinstance(body, bytes)
            else pack(
                body,
                type="mention.received.v1",
                id=body.event_id,
                source="/test",
                subject=body.mention_id,
                time=body.heard_at,
                key=body.conversation.key,
            ).value
        )
        made.append(
            Record(
                topic=MENTIONS_RECEIVED.name,
                partition=0,
                offset=offset,
                key=None,
                value=value,
                headers=(),
                timestamp_ms=0,
            )
        )
    return made


async def triages(made: TriageStage, *bodies: HeardRecord | bytes) -> list[Triage | None]:
    found = [TRIAGED.validate_json(each.value) for each in await made.triaged(records(*bodies))]
    assert len(found) == len(bodies)
    return [each.triage if isinstance(each, MentionTriaged) else None for each in found]


async def test_the_third_contact_without_an_answer_is_of_high_urgency() -> None:
    async with stage(partial(chosen_decision, WORD_LISTS)) as made:
        told = await triages(
            made,
            *(heard(f"m{number}", "where is my parcel?", minutes=number) for number in range(3)),
            own_post("m2"),
            heard("m9", "where is my parcel?", minutes=9),
        )
    assert [None if each is None else each.priority for each in told] == [
        Priority.P3,
        Priority.P3,
        Priority.P2,
        None,
        Priority.P3,
    ]
    assert told[2] is not None
    assert told[2].reasons[0] == "contact: writes for the 3rd time without an answer"


async def test_a_vip_of_the_policy_and_the_brands_own_rules_count(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("tiers: {vip: critical}\n", encoding="utf-8")
    choice = TriageChoice(classifier="rules", rules=rules)
    vips = Vips(authors=frozenset({"boss"}))
    async with stage(partial(chosen_decision, choice), vips=vips) as made:
        told = await triages(made, heard("m1", "when do you open?", author="boss"))
    assert told[0] is not None
    assert told[0].priority is Priority.P1


async def test_the_default_is_the_trained_model_in_batches_and_alone() -> None:
    texts = [f"@acme my order {number} has not arrived" for number in range(300)]
    async with stage(partial(chosen_decision, TriageChoice())) as made:
        many = await triages(
            made, *(heard(f"m{n}", text, author=f"a{n}") for n, text in enumerate(texts))
        )
        one = await triages(made, heard("m0", texts[0], author="b1"))
    models = {each.model for each in (*many, *one) if each is not None}
    assert len(models) == 1
    assert "rules" not in models.pop()
    assert all(each is not None and each.query and not each.failed for each in many)


async def test_a_model_that_is_gone_or_damaged_costs_the_model_and_no_mention(
    tmp_path: Path,
) -> None:
    whole = shipped_bytes()
    flipped = bytearray(whole)
    flipped[100:116] = bytes(each ^ 0x5A for each in whole[100:116])
    for number, content in enumerate((None, bytes(flipped), whole[: len(whole) // 2])):
        file = tmp_path / f"{number}.npz"
        if content is not None:
            file.write_bytes(content)
        async with stage(partial(chosen_decision, TriageChoice(artefact=str(file)))) as made:
            (told,) = await triages(made, heard("m1", "@acme my account was hacked"))
        assert told is not None
        assert (told.query, told.failed, told.model) == (True, False, WORD_LISTS_MODEL)


async def test_what_cannot_be_read_keeps_its_place_and_counts_as_no_contact() -> None:
    noted = Noted()
    async with stage(partial(chosen_decision, WORD_LISTS), quarantine=noted) as made:
        packed = await made.triaged(
            records(heard("m1", "why?"), b"{", heard("m2", "why?"), heard("m3", "why?"))
        )
    found = [TRIAGED.validate_json(each.value) for each in packed]
    assert isinstance(found[1], RecordSkipped)
    assert len(noted.reasons) == 1
    last = found[3]
    assert isinstance(last, MentionTriaged)
    assert last.triage is not None
    assert last.triage.priority is Priority.P2


async def test_what_a_person_has_skipped_keeps_its_place_and_is_not_reported_again() -> None:
    noted = Noted()
    async with stage(partial(chosen_decision, WORD_LISTS), quarantine=noted) as made:
        before, _, behind = records(heard("m1", "why?"), b"", heard("m2", "why?"))
        packed = await made.triaged([before, *stand_ins(MENTIONS_RECEIVED.name, 0, [1]), behind])
    found = [TRIAGED.validate_json(each.value) for each in packed]
    assert isinstance(found[1], RecordSkipped)
    assert (found[1].reason, found[1].offset) == ("skipped", 1)
    assert [header(each.headers, "sourceoffset") for each in packed] == ["0", "1", "2"]
    assert noted.reasons == []
