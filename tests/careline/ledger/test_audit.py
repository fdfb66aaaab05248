"""The balance closes over what was heard, and says in words what does not fit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from careline.ledger.audit import Balance, audit, bucket_of, sentence
from careline.ledger.store import key
from careline.runtime.kafka import Record
from schemas import commands as c
from schemas.identity import shard_of
from schemas.mentions import MentionReceived
from schemas.topics import MENTIONS_RECEIVED, MENTIONS_TRIAGED
from tests.support.ledger import (
    PARTITIONS,
    LedgerWorld,
    a_record,
    packed_heard,
    packed_triaged,
)
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


async def test_a_query_whose_received_record_was_skipped_later_is_heard_all_the_same(
    world: LedgerWorld,
) -> None:
    """The stand-in of a skipped record says nothing: its triaged one still does."""
    now = datetime.now(UTC)
    mention = a_mention(heard_at=now, created_at=now)
    shard = shard_of(mention.conversation.key, PARTITIONS)
    triaged = packed_triaged(mention, a_triage(), 0)
    await world.producer.send(MENTIONS_TRIAGED.name, shard, triaged)
    await world.pump()
    balance = await balance_of(world)
    assert (balance.heard, balance.queries, balance.problems) == (1, 1, [])


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


async def test_a_span_counts_only_what_was_first_heard_in_it(world: LedgerWorld) -> None:
    old = NOW - timedelta(days=2)
    await world.hear(a_mention("1", root="1", author="1", heard_at=old, created_at=old))
    await world.hear(a_mention("2", root="2", author="2", heard_at=NOW, created_at=NOW))
    await world.hear(an_edit(a_mention("1", root="1", author="1", heard_at=NOW, created_at=old)))
    await world.pump()
    since = NOW - timedelta(hours=24)
    balance = await audit(world.ledger, world.reader, partitions=PARTITIONS, since=since)
    assert (balance.heard, balance.queries, balance.missing) == (1, 1, 0)
    assert balance.open_with_deadline == sum(balance.open_by_deadline.values()) == 1
    whole = await balance_of(world)
    assert (whole.heard, whole.queries) == (2, 2)
    assert whole.open_by_deadline["overdue"] == 1


async def test_the_balance_says_why_queries_were_closed(world: LedgerWorld) -> None:
    for n, disposition in enumerate((c.Disposition.SPAM, c.Disposition.SPAM, None)):
        times = {"heard_at": NOW, "created_at": NOW}
        mention = a_mention(str(n), root=str(n), author=str(n), **times)
        await world.hear(mention)
        await world.pump()
        if disposition is None:
            await world.hear(a_delete(mention))
            continue
        (case,) = [one for one in (await world.cases()).values() if one.author_id == str(n)]
        command = c.ResolveCase(
            command_id=f"r{n}",
            case_id=case.case_id,
            issued_at=NOW,
            actor=ANA,
            disposition=disposition,
            covers=(mention.mention_id,),
        )
        await world.command(command)
    await world.pump()
    balance = await balance_of(world)
    assert balance.closes
    assert balance.closed_by_reason == {"spam": 2, "withdrawn_by_author": 1}
    assert sentence(balance) == (
        "heard 3, queries 3 = 0 answered + 3 closed (spam 2, withdrawn_by_author 1) + 0 open, "
        "missing 0"
    )


async def test_a_record_that_was_asked_for_again_is_no_hole(world: LedgerWorld) -> None:
    mention = a_mention(heard_at=NOW, created_at=NOW)
    shard = await world.hear(a_mention("9", author="9", heard_at=NOW, created_at=NOW))
    await world.producer.send(MENTIONS_RECEIVED.name, shard, packed_heard(mention))
    await world.hear(mention)
    await world.pump(world.another_applier(missed=one_skipped(mention)))
    balance = await balance_of(world)
    assert balance.problems == []


def one_skipped(mention: MentionReceived) -> Callable[[int, int, int], Awaitable[list[Record]]]:
    """Triage on the spot what triage has passed over."""

    async def missed(shard: int, first: int, last: int) -> list[Record]:
        packed = packed_triaged(mention, a_triage(), first)
        return [a_record(MENTIONS_TRIAGED.name, shard, last, packed)]

    return missed


@pytest.mark.parametrize(
    ("left", "bucket"),
    [(-1, "overdue"), (0, "overdue"), (900, "within 15 min"), (3601, "within 4 h"), (9e5, "later")],
)
def test_a_deadline_has_one_bucket(left: float, bucket: str) -> None:
    assert bucket_of(timedelta(seconds=left)) == bucket
