"""The balance closes over what was heard, and says in words what does not fit."""

from __future__ import annotations

from datetime import UTC, datetime

from careline.ledger.audit import Balance, audit
from careline.ledger.store import key
from schemas import commands as c
from schemas.topics import MENTIONS_RECEIVED
from tests.support.ledger import PARTITIONS, LedgerWorld, packed_heard
from tests.support.stories import ANA, a_delete, a_mention, a_triage, an_edit, an_own_post

NOW = datetime.now(UTC)


async def balance_of(world: LedgerWorld) -> Balance:
    """Return the balance of a world."""
    return await audit(world.ledger, world.reader, partitions=PARTITIONS)


async def test_everything_heard_is_counted_once_and_the_balance_closes(world: LedgerWorld) -> None:
    times = {"heard_at": NOW, "created_at": NOW}
    mentions = [a_mention(str(100 + n), root=str(n), author=str(n), **times) for n in range(8)]
    for n, mention in enumerate(mentions):
        await world.hear(mention, a_triage(query=n >= 3))
    await world.hear(mentions[5])
    await world.hear(an_edit(mentions[6], text="changed"))
    await world.hear(an_own_post(mentions[7]))
    await world.hear(a_delete(mentions[3]))
    await world.quarantine.report(
        source="x:acme", position="77", value=b"?", reason="not_json", handler="test"
    )
    await world.pump()

    balance = await balance_of(world)
    assert balance.problems == []
    assert (balance.heard, balance.queries, balance.not_queries) == (8, 5, 3)
    assert (balance.answered, balance.closed, balance.open_with_deadline) == (1, 1, 3)
    assert (balance.own_posts, balance.unreadable, balance.unanswered) == (1, 1, 0)
    assert (balance.cases, balance.operations_cases) == (5, 1)


async def test_a_query_without_an_obligation_is_unanswered(world: LedgerWorld) -> None:
    await world.hear(a_mention())
    balance = await balance_of(world)
    assert (balance.heard, balance.queries, balance.unanswered) == (1, 0, 1)
    assert balance.problems == ["x:acme:100 is a query without an obligation"]


async def test_a_received_record_that_was_never_triaged_is_told(world: LedgerWorld) -> None:
    await world.producer.send(MENTIONS_RECEIVED.name, 0, packed_heard(a_mention()))
    balance = await balance_of(world)
    assert balance.unanswered == 1
    assert balance.problems == [
        "x:acme:100 was never triaged",
        "1 received records have no triaged one",
    ]


async def test_an_open_query_without_a_live_deadline_is_unanswered(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    await world.client.zrem(key(shard, "due"), case.case_id)
    balance = await balance_of(world)
    assert (balance.queries, balance.open_with_deadline, balance.unanswered) == (1, 0, 1)
    assert any("deadline" in problem for problem in balance.problems)


async def test_a_closed_query_says_why_and_stays_in_the_balance(world: LedgerWorld) -> None:
    await world.hear(a_mention())
    await world.pump()
    case = await world.only_case()
    command = c.ResolveCase(
        command_id="r",
        case_id=case.case_id,
        issued_at=NOW,
        actor=ANA,
        disposition=c.Disposition.SPAM,
        covers=("x:acme:100",),
    )
    await world.command(command)
    await world.pump()
    balance = await balance_of(world)
    assert (balance.queries, balance.closed, balance.problems) == (1, 1, [])
