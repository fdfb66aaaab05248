"""A query that triage missed is opened by a correction, once, and survives a lost ledger."""

from __future__ import annotations

from typing import Any

from careline.domain.codec import dump_case
from schemas import commands as c
from schemas.identity import case_id, shard_of
from schemas.topics import CASES_EVENTS
from tests.support.ledger import PARTITIONS, LedgerWorld
from tests.support.stories import ANA, START, a_mention, a_triage

MENTION = a_mention()
NO_QUERY = a_triage(query=False)


def would_be() -> str:
    """Return the id of the case that the mention would open."""
    return case_id(MENTION.line, 1, conversation=MENTION.conversation.key, partitions=PARTITIONS)


def a_correction(command_id: str = "correct-1", **facts: Any) -> c.CorrectTriage:
    values: dict[str, Any] = {
        "command_id": command_id,
        "case_id": would_be(),
        "issued_at": START,
        "actor": ANA,
        "mention_id": MENTION.mention_id,
        "query": True,
    }
    return c.CorrectTriage(**(values | facts))


async def test_a_mention_without_a_case_gets_one_by_a_correction(world: LedgerWorld) -> None:
    await world.hear(MENTION, NO_QUERY)
    await world.pump()
    assert await world.cases() == {}
    await world.command(a_correction())
    await world.pump()
    case = await world.only_case()
    assert case.case_id == would_be()
    assert [each.mention_id for each in case.open_obligations] == [MENTION.mention_id]
    shard = shard_of(MENTION.conversation.key, PARTITIONS)
    assert (await world.ledger.due_times(shard)).keys() == {case.case_id}
    assert (await world.ledger.line(MENTION.line, shard)).case_id == case.case_id


async def test_the_same_correction_again_and_another_one_open_nothing_more(
    world: LedgerWorld,
) -> None:
    await world.hear(MENTION, NO_QUERY)
    await world.command(a_correction())
    await world.pump()
    before = await world.only_case()
    await world.command(a_correction())
    await world.command(a_correction("correct-2"))
    await world.pump()
    case = await world.only_case()
    assert len(case.obligations) == 1
    assert case.version == before.version + 1, "the second one is a word on a query that is open"


async def test_a_correction_in_the_batch_of_its_case_knows_the_query(world: LedgerWorld) -> None:
    await world.hear(MENTION, NO_QUERY)
    await world.pump()
    await world.command(a_correction())
    await world.command(a_correction("correct-2", query=False))
    await world.pump()
    case = await world.only_case()
    assert case.disposition is c.Disposition.NOT_A_QUERY


async def test_a_mention_that_nobody_knows_is_refused(world: LedgerWorld) -> None:
    await world.command(a_correction())
    await world.command(a_correction("correct-2", query=False))
    await world.pump()
    shard = shard_of(MENTION.conversation.key, PARTITIONS)
    for command in ("correct-1", "correct-2"):
        assert await world.ledger.result_of(command, shard) == "refused:no_such_case"


async def test_what_a_correction_opened_is_there_after_everything_was_lost(
    world: LedgerWorld,
) -> None:
    await world.hear(MENTION, NO_QUERY)
    await world.command(a_correction())
    await world.pump()
    await world.drain_all()
    before = dump_case(await world.only_case())
    shard = shard_of(MENTION.conversation.key, PARTITIONS)
    known = len(await world.records(CASES_EVENTS.name, shard))
    await world.client.flushall()
    await world.recover_all()
    assert dump_case(await world.only_case()) == before
    assert (await world.ledger.line(MENTION.line, shard)).case_id == would_be()
    await world.drain_all()
    later = await world.records(CASES_EVENTS.name, shard)
    assert len(later) == known + 1, "only the beginning of the new epoch"
