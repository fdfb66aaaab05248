"""A shard is made anew from Kafka alone, and a rebuild beside it proves that nothing differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from careline.ledger.fence import Fenced
from careline.ledger.rebuild import rebuild
from careline.ledger.store import Ledger, key
from careline.ledger.verify import Verifier
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.redis import connect
from tests.careline.ledger.test_recovery import a_busy_day, differences
from tests.support.ledger import PARTITIONS, LedgerWorld
from tests.support.stories import a_mention


async def rebuilt(world: LedgerWorld, shard: int) -> None:
    """Rebuild one shard."""
    await rebuild(
        world.ledger,
        shard,
        producer=world.producer,
        reader=world.reader,
        applier=world.applier,
    )


async def compared(world: LedgerWorld, folder: Path) -> list[str]:
    """Return what ledger and log differ in, in all shards."""
    async with EmbeddedValkey(folder) as server:
        client = connect(server.url)
        try:
            verifier = Verifier(
                world.ledger,
                Ledger(client, partitions=PARTITIONS),
                reader=world.reader,
                policy=world.policy,
            )
            return [line for shard in range(PARTITIONS) for line in await verifier.verify(shard)]
        finally:
            await client.aclose()


async def test_a_healthy_ledger_is_rebuilt_from_nothing_without_a_difference(
    world: LedgerWorld, tmp_path: Path
) -> None:
    await a_busy_day(world)
    before = await world.cases()
    fences = [await world.ledger.fence(shard) for shard in range(PARTITIONS)]
    for shard in range(PARTITIONS):
        # What no log knows must not survive.
        await world.client.hset(key(shard, "cases"), "s00-made-up-1", "{}")  # type: ignore[misc]
        await rebuilt(world, shard)
    assert len(before) > 8
    assert differences(before, await world.cases()) == []
    for shard, old in enumerate(fences):
        new = await world.ledger.fence(shard)
        assert new.healthy
        assert (new.n or 0) > (old.n or 0)
        assert (await world.ledger.position(shard)).outbox == 0
    assert await compared(world, tmp_path / "scratch") == []


async def test_what_stood_in_the_outbox_is_in_the_log_after_a_rebuild(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    before = await world.only_case()
    assert (await world.ledger.position(shard)).outbox == 2
    await rebuilt(world, shard)
    # The same events, not events decided anew: the time of the first decision stands.
    assert await world.only_case() == before


async def test_a_rebuild_holds_everybody_else_off(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    old = await world.ledger.fence(shard)
    await rebuilt(world, shard)
    with pytest.raises(Fenced):
        await world.ledger.script("outbox", shard, old.value, 1)


async def test_a_rebuild_that_is_killed_is_followed_by_an_ordinary_recovery(
    world: LedgerWorld,
) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    await world.drain(shard)
    before = await world.only_case()
    fence = await world.ledger.fence(shard)
    _, epoch = await world.ledger.scripts.run(
        "set_epoch", shard, fence.value, "recovering:killed", 0
    )
    await world.ledger.script("wipe", shard, epoch.decode())
    assert await world.cases() == {}
    await world.recover(shard)
    assert await world.only_case() == before


async def test_emptying_a_shard_leaves_the_others_alone(world: LedgerWorld) -> None:
    shard = await world.hear(a_mention())
    await world.pump()
    other = (shard + 1) % PARTITIONS
    await world.client.set("cursor:x:acme:mentions", "17")
    before = await world.client.hgetall(key(other, "in"))  # type: ignore[misc]
    await rebuilt(world, shard)
    assert await world.client.get("cursor:x:acme:mentions") == b"17"
    assert await world.client.hgetall(key(other, "in")) == before  # type: ignore[misc]


async def test_the_comparison_changes_nothing_and_sends_nothing(
    world: LedgerWorld, tmp_path: Path
) -> None:
    await a_busy_day(world, mentions=30)
    await world.drain_all()
    before = {name: await world.client.dump(name) for name in sorted(await world.client.keys("*"))}
    log = [len(await world.events(shard)) for shard in range(PARTITIONS)]
    assert await compared(world, tmp_path / "scratch") == []
    after = {name: await world.client.dump(name) for name in sorted(await world.client.keys("*"))}
    assert after == before
    assert [len(await world.events(shard)) for shard in range(PARTITIONS)] == log


async def test_each_kind_of_damage_is_a_difference(world: LedgerWorld, tmp_path: Path) -> None:
    await a_busy_day(world, mentions=40)
    await world.drain_all()
    cases = sorted(await world.cases())
    shards = [int(case[1:3]) for case in cases]
    gone, late, changed = cases[0], cases[1], cases[2]
    client = world.client
    await client.hdel(key(shards[0], "cases"), gone)  # type: ignore[misc]
    await client.zadd(key(shards[1], "due"), {late: 5})
    raw = await world.ledger.raw(shards[2], "cases", changed) or b""
    await client.hset(  # type: ignore[misc]
        key(shards[2], "cases"), changed, raw.replace(b'"queue":"', b'"queue":"another ').decode()
    )
    shard = shards[0]
    effect = (await client.hkeys(key(shard, "effect")))[0]  # type: ignore[misc]
    await client.hdel(key(shard, "effect"), effect)  # type: ignore[misc]
    cause = (await client.hkeys(key(shard, "causes")))[0]  # type: ignore[misc]
    await client.hdel(key(shard, "causes"), cause)  # type: ignore[misc]

    found = await compared(world, tmp_path / "scratch")
    assert f"case {gone}: not in the ledger" in found
    assert f"case {changed}: queue" in found
    assert any(line.startswith(f"case {late}: due ") for line in found)
    assert f"effect {effect.decode()}: open in the log alone" in found
    assert any(line.endswith("not known to the ledger") for line in found)
