"""A thousand deadlines pass while no worker runs: all are told afterwards, in good order.

Row 21 of the fault matrix.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from schemas.envelope import unpack
from schemas.events import LOG, CaseAtRisk
from schemas.identity import shard_of
from schemas.mentions import MentionReceived
from schemas.topics import MENTIONS_RECEIVED, MENTIONS_TRIAGED
from schemas.triage import Urgency
from tests.support.ledger import PARTITIONS, LedgerWorld, packed_heard, packed_triaged
from tests.support.stories import a_mention, a_triage

CASES = 1000
LIMIT = 50
FIRST = 40
LONG_AGO = datetime.now(UTC) - timedelta(days=2)
URGENCIES = (Urgency.NONE, Urgency.NORMAL, Urgency.HIGH, Urgency.CRITICAL)


async def heard_long_ago(world: LedgerWorld) -> None:
    """Open cases of every urgency, mixed, in all shards; each is overdue by now."""
    by_shard: dict[int, list[tuple[MentionReceived, Urgency]]] = {}
    for n in range(CASES):
        mention = a_mention(
            str(10**6 + n), root=str(n), author=str(n), heard_at=LONG_AGO, created_at=LONG_AGO
        )
        shard = shard_of(mention.conversation.key, PARTITIONS)
        by_shard.setdefault(shard, []).append((mention, URGENCIES[n % len(URGENCIES)]))
    for shard, found in by_shard.items():
        received = [packed_heard(mention) for mention, _ in found]
        first = await world.producer.send_batch(MENTIONS_RECEIVED.name, shard, received)
        triaged = [
            packed_triaged(mention, a_triage(urgency=urgency), first + n)
            for n, (mention, urgency) in enumerate(found)
        ]
        await world.producer.send_batch(MENTIONS_TRIAGED.name, shard, triaged)
    await world.pump()


def urgency_of(event: CaseAtRisk) -> Urgency:
    return URGENCIES[int(event.mention_id.rpartition(":")[2]) % len(URGENCIES)]


async def test_a_thousand_missed_deadlines_fire_paced_urgent_first_and_one_step_a_pass(
    world: LedgerWorld,
) -> None:
    await heard_long_ago(world)
    assert len(await world.cases()) == CASES
    for shard in range(PARTITIONS):
        passes = []
        while fired := await world.applier.fire_due(shard, limit=LIMIT):
            passes.append(fired)
        assert max(passes) <= LIMIT, "paced: records get their turn between two passes"
        due = await world.ledger.due_times(shard)
        assert all(at > datetime.now(UTC) for at in due.values())
    cases = (await world.cases()).values()
    assert all(found.breached for case in cases for found in case.open_obligations)
    await world.drain_all()
    for shard in range(PARTITIONS):
        log = [unpack(LOG, record.value) for record in await world.events(shard)]
        steps: dict[str, list[str]] = {}
        for event in log:
            if event.type in {"case.at_risk", "case.breached", "case.escalated"}:
                steps.setdefault(event.case_id, []).append(event.type)
        assert set(map(tuple, steps.values())) == {
            ("case.at_risk", "case.breached", "case.escalated")
        }
        warned = [urgency_of(event) for event in log if isinstance(event, CaseAtRisk)]
        assert set(warned[:FIRST]) == {Urgency.CRITICAL}, "the most urgent are told first"
