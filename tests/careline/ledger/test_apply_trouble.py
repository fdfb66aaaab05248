"""What is unreadable, misplaced, out of sequence or fenced is never lost and holds nobody up."""

from __future__ import annotations

import pytest

from careline.ledger.fence import Fenced, InputGap
from careline.ledger.store import key
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.kafka import Record
from careline.runtime.records import stand_ins
from schemas.identity import shard_of
from schemas.topics import CASES_COMMANDS, DEAD_LETTERS, MENTIONS_TRIAGED
from tests.support.ledger import PARTITIONS, LedgerWorld, a_record, packed_triaged
from tests.support.stories import (
    a_mention,
    a_triage,
)

TRIAGED = MENTIONS_TRIAGED.name


async def test_what_cannot_be_read_becomes_a_dead_letter_and_an_operations_case(
    world: LedgerWorld,
) -> None:
    mention = a_mention()
    shard = await world.hear(mention)
    poison = packed_triaged(a_mention("101", root="100"), None, 1)
    await world.producer.send(
        TRIAGED,
        shard,
        type(poison)(key=poison.key, value=b"\x80\x04pickle", headers=poison.headers),
    )
    await world.hear(a_mention("102", root="100"))
    applied = await world.pump()
    await world.pump()

    cases = await world.cases()
    letters = [r for n in range(PARTITIONS) for r in await world.records(DEAD_LETTERS.name, n)]
    assert sum(found.quarantined for found in applied) == 1
    assert [record.value for record in letters] == [b"\x80\x04pickle"]
    assert dict(letters[0].headers)["position"] == f"{shard}:1".encode()
    assert sorted((case.kind, case.count) for case in cases.values()) == [
        ("care", 0),
        ("operations", 1),
    ]
    assert (await world.ledger.position(shard)).inputs[TRIAGED] == 2


async def test_a_mention_in_a_wrong_partition_is_never_applied_there(world: LedgerWorld) -> None:
    mention = a_mention()
    wrong = (shard_of(mention.conversation.key, PARTITIONS) + 1) % PARTITIONS
    record = a_record(TRIAGED, wrong, 0, packed_triaged(mention, a_triage(), 0))
    applied = await world.applier.apply(TRIAGED, {wrong: [record]})
    assert applied.quarantined == 1
    assert await world.cases() == {}


async def test_a_record_that_fails_alone_is_quarantined_and_holds_up_nobody(
    world: LedgerWorld,
) -> None:
    """One case's fields are broken in the ledger itself: its record fails, its neighbours pass."""
    mentions = [a_mention(str(100 + n), root="100", author=str(n)) for n in range(3)]
    shard = await world.hear(mentions[1])
    await world.pump()
    broken = await world.only_case()
    await world.client.hset(key(shard, "cases"), broken.case_id, b"not json")  # type: ignore[misc]
    for mention in (mentions[0], a_mention("200", root="100", author="1"), mentions[2]):
        await world.hear(mention)
    applied = (await world.pump())[0]
    assert applied.quarantined == 1
    assert applied.done == 2
    assert (await world.ledger.position(shard)).inputs[TRIAGED] == 3


async def test_a_batch_past_the_input_is_refused_and_names_where_to_go_on(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention("100"))
    for n in range(101, 104):
        await world.hear(a_mention(str(n), root="100"))
    records = await world.unread(TRIAGED, shard)
    with pytest.raises(InputGap) as gap:
        await world.applier.apply(TRIAGED, {shard: records[2:]})
    assert (gap.value.shard, gap.value.topic, gap.value.expected) == (shard, TRIAGED, 0)
    with pytest.raises(InputGap):
        await world.applier.apply(TRIAGED, {shard: [records[0], records[2]]})
    assert await world.cases() == {}


async def test_a_hole_is_taken_for_settled_only_where_a_person_has_skipped_it(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention("100"))
    for n in range(101, 105):
        await world.hear(a_mention(str(n), root="100"))
    records = await world.unread(TRIAGED, shard)
    skipped = stand_ins(TRIAGED, shard, [1, 2])
    with pytest.raises(InputGap):
        await world.applier.apply(TRIAGED, {shard: [records[0], skipped[0], records[3]]})
    with pytest.raises(InputGap):
        await world.applier.apply(TRIAGED, {shard: skipped})
    asked: list[tuple[int, int, int]] = []

    async def missed(where: int, first: int, last: int) -> list[Record]:
        asked.append((where, first, last))
        return records[1:3]

    applier = world.another_applier(missed=missed)
    await applier.apply(TRIAGED, {shard: [records[0], *skipped, *records[3:]]})
    assert (await world.ledger.position(shard)).inputs[TRIAGED] == 4
    assert asked == [(shard, 1, 2)], "what was heard there is triaged again"
    assert len((await world.only_case()).obligations) == 5

    command = [*stand_ins(CASES_COMMANDS.name, shard, [0, 1])]
    await world.applier.apply(CASES_COMMANDS.name, {shard: command})
    assert (await world.ledger.position(shard)).inputs[CASES_COMMANDS.name] == 1
    assert await world.records(DEAD_LETTERS.name, shard) == [], "its letter was there before it"


SHARD_OF_100 = shard_of(a_mention(root="100").conversation.key, PARTITIONS)


def record(n: int, offset: int) -> Record:
    """Return what triage said of the nth record that was received, at an offset of its topic."""
    heard = a_mention(str(100 + n), root="100")
    return a_record(TRIAGED, SHARD_OF_100, offset, packed_triaged(heard, a_triage(), n))


async def test_what_triage_passed_over_is_noticed_and_triaged_on_the_spot(
    world: LedgerWorld,
) -> None:
    shard = SHARD_OF_100
    with pytest.raises(InputGap) as gap:
        await world.applier.apply(TRIAGED, {shard: [record(0, 0), record(3, 1)]})
    assert (gap.value.topic, gap.value.expected) == ("mentions.received.v1", 1)

    asked: list[tuple[int, int, int]] = []

    async def missed(where: int, first: int, last: int) -> list[Record]:
        asked.append((where, first, last))
        return [record(n, n) for n in range(first, last + 1)]

    applier = world.another_applier(missed=missed)
    await applier.apply(TRIAGED, {shard: [record(0, 0), record(3, 1)]})
    case = await world.only_case()
    assert asked == [(shard, 1, 2)]
    assert [found.mention_id for found in case.open_obligations] == [
        f"x:acme:{100 + n}" for n in range(4)
    ]
    position = await world.ledger.position(shard)
    assert position.inputs == {TRIAGED: 1, "mentions.received.v1": 3, CASES_COMMANDS.name: -1}


@pytest.mark.parametrize("begin", [0, 1, 3])
async def test_what_triage_passed_over_at_the_very_beginning_is_noticed_too(
    world: LedgerWorld, begin: int
) -> None:
    """What retention took before (`begin`) was never in anybody's hand: it holds nothing up."""
    shard = SHARD_OF_100
    with pytest.raises(InputGap) as gap:
        await world.applier.apply(TRIAGED, {shard: [record(3, 0)]})
    assert (gap.value.topic, gap.value.expected) == ("mentions.received.v1", 0)
    assert await world.cases() == {}

    async def missed(_: int, first: int, last: int) -> list[Record]:
        return [record(n, n) for n in range(max(first, begin), last + 1)]

    applier = world.another_applier(missed=missed)
    await applier.apply(TRIAGED, {shard: [record(3, 0)]})
    case = await world.only_case()
    assert [found.mention_id for found in case.open_obligations] == [
        f"x:acme:{100 + n}" for n in range(begin, 4)
    ]
    position = await world.ledger.position(shard)
    assert position.inputs == {TRIAGED: 0, "mentions.received.v1": 3, CASES_COMMANDS.name: -1}


async def test_one_fenced_shard_keeps_no_other_shards_records_out(world: LedgerWorld) -> None:
    shards: dict[int, list[Record]] = {}
    for n in range(100, 140):
        shard = await world.hear(a_mention(str(n), root=str(n)))
        shards[shard] = []
    assert len(shards) > 1
    for shard in shards:
        shards[shard] = await world.unread(TRIAGED, shard)
    gone = min(shards)
    await world.client.delete(key(gone, "epoch"))
    with pytest.raises(Fenced) as fenced:
        await world.applier.apply(TRIAGED, shards)
    cases = await world.cases()
    assert fenced.value.shard == gone
    assert len(cases) == sum(len(found) for shard, found in shards.items() if shard != gone)


async def test_an_outage_is_waited_out_by_applying_the_same_batch_again(
    world: LedgerWorld, valkey: EmbeddedValkey
) -> None:
    shard = await world.hear(a_mention())
    records = await world.unread(TRIAGED, shard)
    await world.applier.apply(TRIAGED, {shard: records})
    await valkey.kill()
    with pytest.raises(Exception, match="does not answer"):
        await world.applier.apply(TRIAGED, {shard: records})
    await valkey.restart()
    with pytest.raises(Fenced):
        await world.applier.apply(TRIAGED, {shard: records})
    await world.recover(shard)
    applied = await world.applier.apply(TRIAGED, {shard: records})
    assert applied.repeats == 1
    assert len(await world.cases()) == 1
