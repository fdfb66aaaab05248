"""Records become cases in one step with their place in the input, and only once."""

from __future__ import annotations

from schemas import commands as c
from schemas.topics import CASES_EVENTS, MENTIONS_TRIAGED
from tests.support.ledger import LedgerWorld
from tests.support.stories import ANA, BEN, START, a_mention, a_triage, an_own_post


async def test_a_query_opens_a_case_with_a_deadline_and_its_events_reach_the_log(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    (applied,) = await world.pump()

    case = await world.only_case()
    due = await world.ledger.due_times(shard)
    sent = await world.drain(shard)
    log = await world.events(shard)

    assert applied.outbox == {shard}
    assert [found.mention_id for found in case.open_obligations] == ["x:acme:100"]
    assert due[case.case_id] == case.obligations[0].at_risk_at
    assert sent == 2
    assert [dict(record.headers)["ce_type"] for record in log[-2:]] == [
        b"com.careline.case.opened.v1",
        b"com.careline.obligation.added.v1",
    ]
