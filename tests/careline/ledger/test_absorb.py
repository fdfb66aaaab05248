"""The log is taken in from where it still begins, and past what only a newer version knows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from careline.domain.case import Case
from careline.domain.codec import dump_case
from careline.ledger.absorb import Absorber
from careline.ledger.effects import Effects
from careline.ledger.housekeeping import Housekeeper
from careline.ledger.keeping import Keeping
from careline.runtime.kafka import Record
from schemas import commands as c
from schemas.envelope import Packed
from schemas.events import LOG, CaseKind, CaseSnapshotted
from schemas.topics import CASES_COMMANDS, CASES_EVENTS, DEAD_LETTERS
from tests.support.ledger import PARTITIONS, LedgerWorld, packed_command
from tests.support.stories import ANA, a_mention

AT = datetime(2026, 11, 20, tzinfo=UTC)


async def a_snapshotted_case(world: LedgerWorld) -> tuple[int, Case]:
    """Open a case long ago (by its state), let it be snapshotted, and go on with it."""
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    await world.drain(shard)
    fence = await world.ledger.fence(shard)
    at_once = Keeping(snapshots=timedelta(0))
    await Housekeeper(world.ledger, keeping=at_once).tidy(shard, fence)
    await world.command(
        c.ClaimCase(command_id="claim", case_id=case.case_id, issued_at=AT, actor=ANA)
    )
    await world.pump()
    await world.drain(shard)
    return shard, await world.only_case()


async def absorbed(world: LedgerWorld, shard: int, records: list[Record], begin: int) -> Absorber:
    """Flush everything and take in these records alone."""
    await world.client.flushall()
    _, epoch = await world.ledger.scripts.run("set_epoch", shard, "", "recovering:test", 0)
    absorber = Absorber(world.ledger, shard, epoch=epoch.decode(), log_epoch=-1, beginning=begin)
    await absorber.absorb(records)
    return absorber


async def test_a_reader_may_begin_a_case_at_its_snapshot(world: LedgerWorld) -> None:
    shard, case = await a_snapshotted_case(world)
    records = await world.events(shard)
    at = next(
        place
        for place, one in enumerate(records)
        if isinstance(LOG.validate_json(one.value or b""), CaseSnapshotted)
    )
    absorber = await absorbed(world, shard, records[at:], records[at].offset)
    rebuilt = await world.only_case()
    assert rebuilt == case
    assert dump_case(rebuilt) == dump_case(case)
    assert absorber.headless == {}
    line = await world.ledger.line(case.line, shard)
    assert (line.case_id, line.episode) == (case.case_id, 1)
    fence = await world.ledger.fence(shard)
    await world.ledger.scripts.run("set_epoch", shard, fence.value, "9", 0)
    (card,) = await Effects(world.ledger, "slack").due(shard)
    assert card.intent.kind == "card"


async def test_what_comes_before_the_snapshot_is_passed_over_and_then_taken_from_it(
    world: LedgerWorld,
) -> None:
    shard, case = await a_snapshotted_case(world)
    records = await world.events(shard)
    # The log begins with the obligation: the opening is forgotten.
    cut = [one for one in records if b'"case.opened"' not in (one.value or b"")]
    absorber = await absorbed(world, shard, cut, cut[0].offset + 1)
    assert await world.only_case() == case
    assert absorber.headless == {}


async def test_a_case_without_a_beginning_is_put_in_front_of_a_person(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    await world.drain(shard)
    records = [
        one for one in await world.events(shard) if b'"case.opened"' not in (one.value or b"")
    ]
    absorber = await absorbed(world, shard, records, 1)
    (found,) = absorber.headless
    assert found.startswith(f"s{shard:02d}-")
    assert await world.cases() == {}


async def test_an_event_of_a_newer_kind_keeps_its_place_and_is_reported(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    await world.drain(shard)
    last = (await world.events(shard))[-1]
    newer = json.loads(last.value or b"") | {
        "type": "case.teleported",
        "event_id": "from-tomorrow",
        "cause_id": "tomorrow",
        "index": 0,
        "version": case.version + 1,
    }
    raw = replace(last, value=json.dumps(newer).encode())
    packed_headers = [(name, b"1" if name == "ce_parts" else value) for name, value in raw.headers]
    await world.producer.send(
        CASES_EVENTS.name,
        shard,
        Packed(key=raw.key or b"", value=raw.value or b"", headers=packed_headers),
    )
    await world.client.flushall()
    await world.recover(shard)
    (after,) = [one for one in (await world.cases()).values() if one.kind is CaseKind.CARE]
    assert (after.version, after.last_event_id) == (case.version + 1, "from-tomorrow")
    assert after.open_obligations == case.open_obligations
    letters = [
        one for shard in range(PARTITIONS) for one in await world.records(DEAD_LETTERS.name, shard)
    ]
    assert [dict(one.headers)["topic"] for one in letters] == [CASES_EVENTS.name.encode()]
    assert b"case.teleported" in (letters[0].value or b"")


async def test_unknown_fields_of_a_newer_version_are_ignored(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    await world.drain(shard)
    records = [
        replace(one, value=json.dumps(json.loads(one.value or b"") | {"mood": "blue"}).encode())
        for one in await world.events(shard)
    ]
    absorber = await absorbed(world, shard, records, 0)
    assert await world.only_case() == case
    assert absorber.unreadable == []


async def test_a_command_of_a_newer_kind_is_put_in_front_of_the_operators(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    claim = c.ClaimCase(command_id="claim", case_id=case.case_id, issued_at=AT, actor=ANA)
    packed = packed_command(claim)
    newer = json.dumps(json.loads(packed.value) | {"type": "levitate"}).encode()
    await world.producer.send(CASES_COMMANDS.name, shard, replace(packed, value=newer))
    await world.command(claim.model_copy(update={"command_id": "next"}))
    await world.pump()
    await world.pump()
    found = {one.kind: one for one in (await world.cases()).values()}
    assert found[CaseKind.CARE].claim is not None, "its neighbour goes on"
    subject = found[CaseKind.OPERATIONS].subject
    assert subject == f"{CASES_COMMANDS.name}: invalid:union_tag_invalid"
