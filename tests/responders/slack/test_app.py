"""The responder whole: from a mention to a card, from clicks to commands, and what people learn."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from careline.domain.case import CaseStatus
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.sandbox.slack import people
from responders.slack import buttons as b
from schemas.commands import (
    Actor,
    ActorKind,
    CorrectTriage,
    Outcome,
    RecordOutcome,
    ReplyToCase,
)
from schemas.mentions import Visibility
from schemas.triage import Sentiment, Urgency
from tests.responders.slack.builders import SECRET_WORDS, a_mention, a_triage
from tests.responders.slack.floor import Floor, seen, words


def fresh() -> datetime:
    return datetime.now(UTC)


async def delivered(floor: Floor, outcome: Outcome = Outcome.DONE, reason: str = "") -> None:
    """Play the reply sender: report what became of the reply in flight."""
    case = await floor.case(lambda case: case.reply is not None)
    assert case.reply is not None
    await floor.world.command(
        RecordOutcome(
            command_id=f"outcome-{case.reply.effect_id}",
            case_id=case.case_id,
            issued_at=fresh(),
            actor=Actor(kind=ActorKind.EXECUTOR, id="x:acme"),
            effect_id=case.reply.effect_id,
            attempt=1,
            outcome=outcome,
            reason=reason,
            native_id="5001" if outcome is Outcome.DONE else "",
        )
    )


async def test_a_mention_becomes_a_card_that_is_claimed_answered_and_said_delivered(
    floor: Floor,
) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card(having="My parcel never came")
        await floor.case(lambda case: case.status is CaseStatus.OPEN)

        assert (await floor.press(card, b.CLAIM)).ok
        await seen(lambda: "@ana since" in words(card))

        view = await floor.open(card, b.REPLY)
        assert "Public" in str(view)
        assert "1 query" in str(view)
        sent = await floor.submit(view, {"reply": {"text": "We are on it!"}})
        assert sent.ok
        await seen(lambda: "📤 Reply by @ana queued" in words(card))
        await delivered(floor)
        await seen(lambda: "✅ Reply delivered" in words(card))
        note = await seen(lambda: floor.thread(card))
        assert "We are on it!" in words(note[0])
        assert len(floor.cards()) == 1
        replies = await floor.commands("reply")
        assert [one.covers for one in replies if one.type == "reply"] == [("x:acme:1000001",)]


async def test_the_first_click_wins_and_the_loser_is_told_who_has_it(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        floor.working = False
        assert (await floor.press(card, b.CLAIM, floor.ana)).ok
        assert (await floor.press(card, b.CLAIM, floor.ben)).ok
        floor.working = True
        told = await seen(lambda: floor.whispers(floor.ben))
        assert told[0].startswith("Sorry, already claimed by @ana")
        assert told[0].endswith("s ago.")
        assert floor.whispers(floor.ana) == []
        case = await floor.case(lambda case: case.claim is not None)
        assert case.claim is not None
        assert case.claim.holder.id == f"slack:{floor.ana}"


async def test_a_form_on_a_case_of_somebody_else_is_not_opened(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        assert (await floor.press(card, b.CLAIM, floor.ana)).ok
        await seen(lambda: "@ana since" in words(card))
        assert (await floor.press(card, b.RESOLVE, floor.ben)).ok
        told = await seen(lambda: floor.whispers(floor.ben))
        assert "already claimed by @ana" in told[0]
        assert floor.workspace.top_view(floor.ben) is None


async def test_clicks_on_a_card_whose_case_was_closed_say_by_whom_and_change_nothing(
    floor: Floor,
) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        typing = await floor.open(card, b.REPLY)
        # Ana's Slack goes on showing the card as it was.
        edits = {"server": "slack", "path": "/api/chat.update", "kind": "rate_limit"}
        floor.sandbox.faults.add({**edits, "retry_after": 1})
        closing = await floor.open(card, b.RESOLVE, floor.ben)
        assert (await floor.submit(closing, {"disposition": {"choice": "spam"}}, floor.ben)).ok
        closed = await floor.case(lambda case: not case.is_live)

        for action in (b.REPLY, b.RESOLVE, b.SNOOZE):
            assert (await floor.press(card, action)).ok
        await seen(lambda: len(floor.whispers(floor.ana)) == 3)
        assert floor.workspace.top_view(floor.ana) == floor.workspace.views[typing["id"]]
        assert (await floor.press(card, b.CLAIM)).ok
        assert (await floor.press(card, b.ESCALATE)).ok
        assert (await floor.submit(typing, {"reply": {"text": "We are on it!"}})).ok
        told = await seen(lambda: len(floor.whispers(floor.ana)) == 6 and floor.whispers())
        by = "Nothing has changed: this case was resolved by @ben: spam or abuse, <!date^"
        assert [text for text in told if not text.startswith(by)] == []
        assert floor.whispers(floor.ben) == []

        # None of them is lost, and none of them counts.
        assert [one.type for one in await floor.commands() if one.actor.id.endswith(floor.ana)] == [
            "claim", "escalate", "reply",
        ]  # fmt: skip
        assert (await floor.case(lambda case: not case.is_live)).version == closed.version
        floor.sandbox.faults.clear()
        await seen(lambda: "☑️ Resolved by @ben: spam or abuse" in words(card))
        assert "case_" not in words(card)


async def test_a_click_is_in_kafka_before_it_is_acknowledged(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        assert (await floor.press(card, b.CLAIM)).ok
        # No waiting: what was acknowledged is there.
        (claim,) = await floor.commands("claim")
        assert claim.actor.id == f"slack:{floor.ana}"
        assert claim.seen_version is not None


async def test_a_click_that_cannot_be_stored_is_not_acknowledged(
    floor: Floor, embedded_kafka: EmbeddedKafka
) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        await embedded_kafka.broker_down()
        done = await floor.press(card, b.CLAIM)
        assert not done.ok
        assert await seen(lambda: "could not be stored" in str(floor.whispers(floor.ana)))
        await embedded_kafka.broker_up()


async def test_an_envelope_delivered_twice_is_one_command(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        floor.sandbox.faults.add({"kind": "duplicate", "server": "socket"})
        assert (await floor.press(card, b.CLAIM)).ok
        await seen(lambda: "@ana since" in words(card))
        view = await floor.open(card, b.REPLY)
        assert (await floor.submit(view, {"reply": {"text": "Hello!"}})).ok
        await seen(lambda: "queued" in words(card))
        for kind in ("claim", "reply"):
            commands = await floor.commands(kind)
            assert len({one.command_id for one in commands}) == 1
            assert len({one.model_dump_json() for one in commands}) == 1
        assert floor.whispers() == []


async def test_a_message_that_arrives_while_somebody_types_is_not_covered(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(1, at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        view = await floor.open(card, b.REPLY)
        await floor.world.hear(a_mention(2, "And another thing?", at=fresh()), a_triage())
        await seen(lambda: "And another thing" in words(card))
        assert (await floor.submit(view, {"reply": {"text": "Answer to the first"}})).ok
        await delivered(floor)
        case = await floor.case(lambda case: case.reply is None and case.delivered)
        assert [one.mention_id for one in case.open_obligations] == ["x:acme:1000002"]


async def test_a_reply_that_was_not_sent_names_its_holder_in_the_thread(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        view = await floor.open(card, b.REPLY)
        assert (await floor.submit(view, {"reply": {"text": "Hello!"}})).ok
        await delivered(floor, Outcome.REFUSED, "the author blocks @acme")
        (note,) = await seen(lambda: floor.thread(card))
        assert "*not sent*: the author blocks @acme" in words(note)
        assert f"<@{floor.ana}>" in words(note)
        await seen(lambda: "🕒 due" in words(card) and "🙋 Claimed" in words(card))


async def test_a_reply_names_the_claim_under_which_it_was_written(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        assert (await floor.press(card, b.CLAIM)).ok
        await floor.case(lambda case: case.claim is not None)
        view = await floor.open(card, b.REPLY)
        assert (await floor.submit(view, {"reply": {"text": "Hello!"}})).ok
        (command,) = await floor.commands("reply")
        assert isinstance(command, ReplyToCase)
        assert command.fence == 1


async def test_a_too_long_or_empty_reply_is_objected_to_in_the_form(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        view = await floor.open(card, b.REPLY)
        for text, complaint in (("x" * 281, "1 too many"), ("   ", "Write something")):
            done = await floor.submit(view, {"reply": {"text": text}})
            assert complaint in done.errors.get("reply", ""), done
        assert await floor.commands("reply") == []


async def test_resolve_snooze_and_release_become_commands(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        view = await floor.open(card, b.SNOOZE)
        assert (await floor.submit(view, {"until": {"choice": "1h"}})).ok
        await seen(lambda: "💤 Snoozed until" in words(card))
        assert (await floor.press(card, b.CLAIM)).ok
        await seen(lambda: "@ana since" in words(card))
        assert (await floor.press(card, b.RELEASE)).ok
        await seen(lambda: "nobody" in words(card))
        view = await floor.open(card, b.RESOLVE)
        assert (await floor.submit(view, {"disposition": {"choice": "spam"}})).ok
        await seen(lambda: "☑️ Resolved by @ana: spam or abuse" in words(card))
        assert "case_" not in words(card)


async def test_a_correction_becomes_a_command_and_changes_the_card(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        assert (await floor.press(card, b.CLAIM)).ok
        await seen(lambda: "@ana since" in words(card))
        view = await floor.open(card, b.CORRECT, floor.ben)
        said = {"query": {"choice": "yes"}, "urgency": {"choice": "critical"}}
        assert (await floor.submit(view, said, floor.ben)).ok
        await seen(lambda: "🚨 critical · P1" in words(card))
        view = await floor.open(card, b.CORRECT)
        said = {"query": {"choice": "no"}, "sentiment": {"choice": "positive"}}
        assert (await floor.submit(view, said)).ok
        await seen(lambda: "☑️ Resolved by @ana: not a query" in words(card))
        sent = [one for one in await floor.commands() if isinstance(one, CorrectTriage)]
        assert [(one.query, one.sentiment, one.urgency) for one in sent] == [
            (True, None, Urgency.CRITICAL),
            (False, Sentiment.POSITIVE, None),
        ]
        assert {one.mention_id for one in sent} == {"x:acme:1000001"}


async def test_escalation_is_told_in_the_thread_with_the_deadline(floor: Floor) -> None:
    async with floor.responder(groups={"backup": (floor.ben,)}):
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        card = await floor.card()
        await floor.case(lambda case: case.card is not None)
        assert (await floor.press(card, b.ESCALATE)).ok
        (alert,) = await seen(lambda: floor.thread(card))
        shown = words(alert)
        for part in ("Escalated", "<!date^", f"<@{floor.ben}>", "press Claim", "@jane_doe"):
            assert part in shown
        assert "My parcel" not in shown
        assert alert.metadata is not None
        assert alert.metadata["event_payload"]["key"].startswith("alert:")


async def test_a_direct_message_stays_in_the_private_channel_and_out_of_the_log(
    floor: Floor, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    async with floor.responder():
        mention = a_mention(1, SECRET_WORDS, visibility=Visibility.DIRECT, at=fresh())
        await floor.world.hear(mention, a_triage())
        card = await floor.card("care-dm", having=SECRET_WORDS)
        await floor.case(lambda case: case.card is not None)
        view = await floor.open(card, b.REPLY)
        assert "Private" in str(view)
        assert SECRET_WORDS not in card.text
    records = floor.history.query(kind="message", where={})
    assert [one["text"] for one in records if SECRET_WORDS in one["text"]] == []
    for public in ("care", "ops"):
        everything = floor.workspace.channel(public).by_ts.values()
        assert not any(SECRET_WORDS in words(one) for one in everything)
    assert SECRET_WORDS not in caplog.text
    assert SECRET_WORDS not in "".join(capfd.readouterr())


async def test_a_direct_message_in_a_public_channel_shows_no_words(floor: Floor) -> None:
    floor.workspace.channel("care-dm").is_private = False
    async with floor.responder():
        mention = a_mention(1, SECRET_WORDS, visibility=Visibility.DIRECT, at=fresh())
        await floor.world.hear(mention, a_triage())
        card = await floor.card("care-dm", having="not private")
        assert SECRET_WORDS not in words(card)
        assert "jane_doe" not in words(card)


async def test_the_command_says_how_a_case_stands(floor: Floor) -> None:
    async with floor.responder():
        await floor.world.hear(a_mention(at=fresh()), a_triage())
        await floor.card()
        case = await floor.case(lambda case: case.card is not None)
        for line, answer in (
            (f"/careline case {case.case_id}", "🕒 due"),
            ("/careline case s00-0000000000000000-1", "no case"),
            ("/careline", "/careline release"),
        ):
            done = await people.command(
                floor.sandbox.slack, user=floor.ana, channel=floor.care.id, line=line
            )
            assert done.ok
            assert answer in floor.whispers(floor.ana)[-1]
