"""A stale copy is promoted while it still holds decisions that the log never got.

Meanwhile another life went on without them: what stands in the copy's outbox was decided anew.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC, datetime

from careline.ledger.outbox import Epochs
from careline.ledger.store import key
from schemas import commands as c
from tests.careline.ledger.test_recovery import differences
from tests.support.ledger import LedgerWorld
from tests.support.stories import ANA, a_mention


async def histories(world: LedgerWorld, shard: int) -> dict[int, set[str]]:
    """Return what the log says happened at each version of its only case."""
    found: dict[int, set[str]] = defaultdict(set)
    epochs = Epochs()
    for record in await world.events(shard):
        body = json.loads(record.value or b"")
        if epochs.admits(record.offset, record.headers) and body.get("version"):
            found[body["version"]].add(body["type"])
    return dict(found)


async def copied(world: LedgerWorld) -> dict[bytes, bytes]:
    """Return every key of the server, as a replica has them."""
    return {name: await world.client.dump(name) for name in await world.client.keys("*")}


async def promoted(world: LedgerWorld, shard: int, keys: dict[bytes, bytes]) -> None:
    """Put a copy in the server's place, as another server than the one that the epoch names."""
    await world.client.flushall()
    for name, value in keys.items():
        await world.client.restore(name, 0, value)
    epoch = await world.client.get(key(shard, "epoch"))
    await world.client.set(key(shard, "epoch"), epoch.partition(b"@")[0] + b"@" + b"0" * 40)


async def test_what_a_stale_copy_never_sent_is_no_second_history(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention("100", root="100"))
    await world.pump()
    await world.drain_all()
    case = await world.only_case()
    claim = c.ClaimCase(
        command_id="claim", case_id=case.case_id, issued_at=datetime.now(UTC), actor=ANA
    )
    await world.command(claim)
    await world.pump()
    stale = await copied(world)
    assert await world.client.xlen(key(shard, "outbox")) == 1, "decided, and not in the log yet"

    # Another life, from the log alone: a second message comes before the claim is taken in again.
    await world.client.flushall()
    await world.hear(a_mention("101", root="100"))
    await world.recover_all()
    await world.drain_all()
    before, told = await world.cases(), await histories(world, shard)
    assert told[3] == {"obligation.added"}

    await promoted(world, shard, stale)
    await world.recover_all()
    await world.pump()
    await world.drain_all()
    after = await histories(world, shard)
    assert after == told, "one history"
    assert differences(before, await world.cases()) == []
    assert len((await world.only_case()).open_obligations) == 2


async def test_a_copy_whose_own_events_landed_unacknowledged_keeps_what_it_has(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention("100", root="100"))
    await world.pump()
    unsent = await copied(world)
    assert await world.client.xlen(key(shard, "outbox")) > 0
    await world.drain_all()
    before, told = await world.cases(), await histories(world, shard)

    await promoted(world, shard, unsent)
    await world.client.hset(key(shard, "marker"), "kept", "1")  # type: ignore[misc]
    await world.recover_all()
    await world.drain_all()
    assert await histories(world, shard) == told
    assert differences(before, await world.cases()) == []
    assert await world.client.exists(key(shard, "marker")) == 1, "nothing was thrown away"
