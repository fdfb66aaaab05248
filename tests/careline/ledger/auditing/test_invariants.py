"""Each invariant finds the one violation that is planted for it, and nothing in a sound ledger."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from careline.domain.case import Card, CaseStatus, changed
from careline.domain.codec import dump_case
from careline.domain.effects import card_effect
from careline.ledger.auditing.bounds import Bounds
from careline.ledger.auditing.findings import LookAgain, Recovery, Replay
from careline.ledger.store import key, to_ms
from schemas import commands as c
from schemas.envelope import Packed
from schemas.topics import CASES_COMMANDS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from tests.support.auditing import Audit
from tests.support.ledger import LedgerWorld, packed_heard, packed_triaged
from tests.support.stories import ANA, a_delete, a_mention, a_triage, an_edit, an_own_post

IMPATIENT = Bounds(
    deadline_late=timedelta(0),
    outbox_late=timedelta(0),
    effect_late=timedelta(0),
    unrecovered=timedelta(0),
    card_within=timedelta(0),
)


def fresh() -> dict[str, datetime]:
    now = datetime.now(UTC)
    return {"heard_at": now, "created_at": now}


async def a_case(world: LedgerWorld) -> int:
    """Open one case; return its shard."""
    shard = await world.hear(a_mention(**fresh()))
    await world.pump()
    await world.drain_all()
    return shard


async def rewrite(world: LedgerWorld, shard: int, **changes: object) -> str:
    """Write the only case into the ledger in another state; return its id."""
    case = changed(await world.only_case(), **changes)
    await world.client.hset(key(shard, "cases"), case.case_id, dump_case(case))  # type: ignore[misc]
    return case.case_id


async def test_a_sound_ledger_has_no_findings(world: LedgerWorld) -> None:
    mentions = [a_mention(str(100 + n), root=str(n), author=str(n), **fresh()) for n in range(6)]
    for n, mention in enumerate(mentions):
        await world.hear(mention, a_triage(query=n >= 2))
    await world.hear(mentions[3])
    await world.hear(an_edit(mentions[4], text="changed"))
    await world.hear(an_own_post(mentions[5]))
    await world.hear(a_delete(mentions[2]))
    await world.pump()
    await world.drain_all()
    audit = Audit(world)
    assert await audit.findings() == []
    assert (await audit.looker.look()).whole


async def test_an_open_case_without_a_deadline(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    await world.client.zrem(key(shard, "due"), case.case_id)
    (found,) = await Audit(world).findings()
    assert (found.invariant, found.subject) == ("open_case_has_a_deadline", case.case_id)
    assert found.repair == LookAgain(shard, "due", case.case_id)


async def test_an_open_case_whose_deadline_stands_too_late(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    later = to_ms(datetime.now(UTC) + timedelta(days=9))
    await world.client.zadd(key(shard, "due"), {case.case_id: later})
    (found,) = await Audit(world).findings()
    assert found.invariant == "open_case_has_a_deadline"


async def test_a_deadline_that_nobody_fires(world: LedgerWorld) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2)
    await world.hear(a_mention(heard_at=long_ago, created_at=long_ago))
    await world.pump()
    await world.drain_all()
    (found,) = await Audit(world).findings()
    assert found.invariant == "deadline_is_not_late"
    assert found.repair is None


async def test_a_case_closed_without_a_reason(world: LedgerWorld) -> None:
    shard = await a_case(world)
    await world.client.zrem(key(shard, "due"), (await world.only_case()).case_id)
    closed = await rewrite(world, shard, status=CaseStatus.RESOLVED, obligations=())
    (found,) = await Audit(world).findings("closed_case_says_why_and_who")
    assert found.subject == closed
    assert "without a reason or an actor" in found.says


async def test_a_case_that_is_held_by_nobody(world: LedgerWorld) -> None:
    shard = await a_case(world)
    await rewrite(world, shard, status=CaseStatus.CLAIMED)
    (found,) = await Audit(world).findings("case_is_sound")
    assert "claimed by nobody" in found.says


async def test_a_case_without_a_card_that_nobody_will_post(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    effect = card_effect(case.case_id)
    await world.client.zrem(key(shard, "effects:slack"), effect)
    await world.client.hdel(key(shard, "effect"), effect)  # type: ignore[misc]
    (found,) = await Audit(world, bounds=IMPATIENT).findings("case_has_one_card")
    assert "it has no card" in found.says


async def test_two_cases_with_the_same_card(world: LedgerWorld) -> None:
    for author in ("1", "2"):
        await world.hear(a_mention(f"10{author}", author=author, **fresh()))
    await world.pump()
    await world.drain_all()
    card = Card(channel="C1", ts="1.0", shown_version=1)
    for case in (await world.cases()).values():
        shard = int(case.case_id[1:3])
        effect = card_effect(case.case_id)
        await world.client.zrem(key(shard, "effects:slack"), effect)
        await world.client.hdel(key(shard, "effect"), effect)  # type: ignore[misc]
        raw = dump_case(changed(case, card=card))
        await world.client.hset(key(shard, "cases"), case.case_id, raw)  # type: ignore[misc]
    (found,) = await Audit(world).findings("case_has_one_card")
    assert "its card is that of" in found.says


async def test_a_case_with_a_card_and_another_one_on_its_way(world: LedgerWorld) -> None:
    shard = await a_case(world)
    await rewrite(world, shard, card=Card(channel="C1", ts="1.0", shown_version=1))
    (found,) = await Audit(world).findings("case_has_one_card")
    assert "another one is to be posted" in found.says


async def attempted(
    world: LedgerWorld, shard: int, *, ago: timedelta, attempts: int, effect: str = ""
) -> None:
    """Write an effect, the card's, as it stands after some attempts, asked for a while ago."""
    effect = effect or card_effect((await world.only_case()).case_id)
    raw = await world.client.hget(key(shard, "effect"), effect)  # type: ignore[misc]
    facts, _, intent = raw.decode().partition("\n")
    _, _, unknown, outbox, not_after, _, cancelled = facts.split("|")
    at = to_ms(datetime.now(UTC) - ago)
    known = (attempts, at if attempts else "", unknown, outbox, not_after, at, cancelled)
    record = "|".join(str(one) for one in known) + "\n" + intent
    await world.client.hset(key(shard, "effect"), effect, record)  # type: ignore[misc]


@pytest.mark.parametrize("attempts", [1, 2, 9])
async def test_an_effect_that_nobody_lets_through(world: LedgerWorld, attempts: int) -> None:
    shard = await a_case(world)
    await attempted(world, shard, ago=timedelta(minutes=6), attempts=attempts)
    (found,) = await Audit(world).findings()
    assert (found.invariant, found.subject) == ("effect_gets_through", f"slack[{shard}]")
    assert found.repair is None
    assert "1 effects do not get through, the oldest since" in found.says


@pytest.mark.parametrize(("minutes", "attempts"), [(4, 9), (600, 0)])
async def test_an_effect_that_waits_for_its_turn_or_was_refused_a_little_while_is_no_finding(
    world: LedgerWorld, minutes: int, attempts: int
) -> None:
    shard = await a_case(world)
    await attempted(world, shard, ago=timedelta(minutes=minutes), attempts=attempts)
    assert await Audit(world).findings() == []


@pytest.mark.parametrize(("minutes", "found"), [(16, 0), (21, 1)])
async def test_a_reply_may_wait_for_a_network_longer_than_a_card_for_slack(
    world: LedgerWorld, minutes: int, found: int
) -> None:
    """A limit of X lasts a quarter of an hour."""
    shard = await a_case(world)
    case = await world.only_case()
    reply = c.ReplyToCase(
        command_id="reply",
        case_id=case.case_id,
        issued_at=datetime.now(UTC),
        actor=ANA,
        text="It is on its way.",
        covers=tuple(one.mention_id for one in case.open_obligations),
        not_after=datetime.now(UTC) + timedelta(hours=1),
    )
    await world.command(reply)
    await world.pump()
    await world.drain_all()
    effects = await world.client.hgetall(key(shard, "effect"))  # type: ignore[misc]
    (name,) = (name.decode() for name in effects if name.startswith(b"reply:"))
    await attempted(world, shard, ago=timedelta(minutes=minutes), attempts=3, effect=name)
    subjects = [one.subject for one in await Audit(world).findings("effect_gets_through")]
    assert subjects == [f"x:acme[{shard}]"] * found


async def test_a_case_that_cannot_be_read(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    await world.client.hset(key(shard, "cases"), case.case_id, b"not json")  # type: ignore[misc]
    assert "case_is_readable" in {found.invariant for found in await Audit(world).findings()}


@pytest.mark.parametrize("topic", [MENTIONS_TRIAGED.name, CASES_COMMANDS.name])
async def test_an_offset_past_what_the_ledger_has_seen(world: LedgerWorld, topic: str) -> None:
    shard = await a_case(world)
    audit = Audit(world)
    expected = (await world.ledger.position(shard)).inputs.get(topic, -1) + 1
    audit.group.more[topic, shard] = expected + 1
    (found,) = await audit.findings()
    assert found.invariant == "nothing_acknowledged_is_unseen"
    assert found.repair == Recovery(shard, (await world.ledger.fence(shard)).value)


async def test_an_outbox_that_nobody_sends(world: LedgerWorld) -> None:
    await world.hear(a_mention(**fresh()))
    await world.pump()
    (found,) = await Audit(world, bounds=IMPATIENT).findings("outbox_moves")
    assert "has waited since" in found.says


async def test_an_effect_that_nobody_will_attempt(world: LedgerWorld) -> None:
    shard = await a_case(world)
    effect = card_effect((await world.only_case()).case_id)
    await world.client.zrem(key(shard, "effects:slack"), effect)
    (found,) = await Audit(world).findings()
    assert found.invariant == "effect_has_a_next_attempt"
    assert found.repair == LookAgain(shard, "effects:slack", effect)


async def test_an_effect_whose_executor_is_dead(world: LedgerWorld) -> None:
    await a_case(world)
    (found,) = await Audit(world, bounds=IMPATIENT).findings("effect_has_a_next_attempt")
    assert "slack should have looked at it" in found.says


@pytest.mark.parametrize("raw", [b"not json", b"0||0|||0|\n[]", b"0||0|||0|\n{}", b"\xff"])
async def test_an_effect_that_cannot_be_read(world: LedgerWorld, raw: bytes) -> None:
    shard = await a_case(world)
    effect = card_effect((await world.only_case()).case_id)
    await world.client.hset(key(shard, "effect"), effect, raw)  # type: ignore[misc]
    (found,) = await Audit(world).findings()
    assert (found.invariant, found.subject) == ("effect_is_readable", effect)
    assert f"careline ledger rebuild --shard {shard}" in found.says


async def test_a_shard_that_nobody_recovers(world: LedgerWorld) -> None:
    await a_case(world)
    await world.client.delete(key(1, "epoch"))
    audit = Audit(world, bounds=IMPATIENT)
    await audit.findings()
    (found,) = await audit.findings("shard_is_cared_for")
    assert found.subject == "shard[1]"
    assert not (await audit.looker.look()).whole


async def test_a_received_record_that_triage_passed_over(world: LedgerWorld) -> None:
    mention = a_mention(**fresh())
    shard = await world.hear(a_mention("99", author="9", **fresh()))
    offset = await world.producer.send(MENTIONS_RECEIVED.name, shard, packed_heard(mention))
    await world.pump()
    await world.drain_all()
    (found,) = await Audit(world).findings()
    assert found.invariant == "everything_received_is_triaged"
    assert isinstance(found.repair, Replay)
    assert (found.repair.record.offset, found.repair.record.partition) == (offset, shard)


async def test_what_triage_has_not_acknowledged_is_only_on_its_way(world: LedgerWorld) -> None:
    shard = await a_case(world)
    await world.producer.send(MENTIONS_RECEIVED.name, shard, packed_heard(a_mention("2")))
    audit = Audit(world)
    audit.group.more[MENTIONS_RECEIVED.name, shard] = 1
    assert await audit.findings() == []


async def test_an_unreadable_record_is_accounted_for_by_its_dead_letter(world: LedgerWorld) -> None:
    poison = Packed(key=b"k", value=b"\x80\x04pickle", headers=[("ce_id", b"p")])
    offset = await world.producer.send(MENTIONS_RECEIVED.name, 1, poison)
    audit = Audit(world)
    assert [found.invariant for found in await audit.findings()] == [
        "everything_received_is_triaged"
    ]
    await world.quarantine.report(
        source=MENTIONS_RECEIVED.name,
        position=f"1:{offset}",
        value=b"\x80",
        reason="not_json",
        handler="test",
    )
    assert await audit.findings() == []


async def test_a_query_without_an_obligation(world: LedgerWorld) -> None:
    mention = a_mention(**fresh())
    shard = await world.hear(mention)
    # The ledger's place in its input moved over the record, and nothing was decided.
    await world.client.hset(key(shard, "in"), MENTIONS_TRIAGED.name, "0")  # type: ignore[misc]
    (found,) = await Audit(world).findings()
    assert (found.invariant, found.subject) == ("every_query_has_an_obligation", mention.mention_id)
    assert isinstance(found.repair, Replay)
    assert found.repair.record.topic == MENTIONS_TRIAGED.name


async def test_a_query_whose_case_was_lost_is_for_a_person(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    for name in ("cases", "heads"):
        await world.client.hdel(key(shard, name), case.case_id)  # type: ignore[misc]
    await world.client.zrem(key(shard, "due"), case.case_id)
    (found,) = await Audit(world).findings("every_query_has_an_obligation")
    assert found.repair is None
    assert "careline ledger rebuild" in found.says


async def test_a_query_of_an_earlier_episode_still_counts(world: LedgerWorld) -> None:
    shard = await a_case(world)
    case = await world.only_case()
    resolve = c.ResolveCase(
        command_id="r",
        case_id=case.case_id,
        issued_at=datetime.now(UTC),
        actor=ANA,
        disposition=c.Disposition.SPAM,
        covers=("x:acme:100",),
    )
    await world.command(resolve)
    await world.pump()
    much_later = datetime.now(UTC) + timedelta(days=30)
    again = a_mention("200", heard_at=much_later, created_at=much_later)
    assert await world.hear(again) == shard
    await world.pump()
    await world.drain_all()
    assert len(await world.cases()) == 2
    assert await Audit(world).findings("every_query_has_an_obligation") == []


async def test_what_was_set_aside_without_a_dead_letter(world: LedgerWorld) -> None:
    packed = packed_triaged(a_mention(**fresh()), None, 0)
    body = b'{"kind":"skipped","reason":"x","topic":"mentions.received.v1",'
    body += b'"partition":2,"offset":0}'
    await world.producer.send(
        MENTIONS_TRIAGED.name, 2, Packed(key=b"k", value=body, headers=packed.headers)
    )
    (found,) = await Audit(world).findings()
    assert found.invariant == "what_is_set_aside_is_kept"
    assert found.subject == "mentions.received.v1[2:0]"


async def test_what_was_proved_once_is_not_read_again_after_a_restart(world: LedgerWorld) -> None:
    shard = await a_case(world)
    await Audit(world).findings()
    marks = await world.client.hgetall("careline:auditor:bookmarks")  # type: ignore[misc]
    assert marks[f"{MENTIONS_RECEIVED.name}/{shard}".encode()] == b"1"
    assert marks[f"{MENTIONS_TRIAGED.name}/{shard}".encode()] == b"1"
    assert await Audit(world).findings() == []


async def test_records_that_wait_while_nothing_is_taken_in_are_an_alarm_of_lag(
    world: LedgerWorld,
) -> None:
    audit = Audit(world, bounds=replace(Bounds(), input_stands=timedelta(milliseconds=50)))
    shard = await a_case(world)
    assert await audit.findings("input_moves") == []
    await world.hear(a_mention("101", **fresh()))
    assert await audit.findings("input_moves") == [], "it has only just come"
    await asyncio.sleep(0.1)
    (found,) = await audit.findings("input_moves")
    assert found.subject == f"{MENTIONS_TRIAGED.name}[{shard}]"
    assert found.says.startswith("1 records wait")
    assert found.repair is None
    await world.pump()
    assert await audit.findings("input_moves") == []
