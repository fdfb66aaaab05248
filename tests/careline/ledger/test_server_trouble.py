"""Rows 19 and 20 of the fault matrix: each trouble of the server blocks, and ends without loss.

What a full, loading, read-only or slow server answers is no judgement on a record: nothing is
quarantined, nothing moves, and the same batch goes through when the trouble is over.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from careline.domain.policy import Policy
from careline.ledger.fence import LedgerUnavailable
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import ConfigurationError
from careline.runtime.redis import DURABLE, assert_durable, connect
from schemas.topics import DEAD_LETTERS, MENTIONS_TRIAGED
from tests.support.ledger import PARTITIONS, LedgerWorld, ledger_world, until
from tests.support.refusing import Switch, full, no_snapshot, read_only
from tests.support.scale import scaled
from tests.support.stories import a_mention
from tests.support.troubled_redis import TroubledRedis

TRIAGED = MENTIONS_TRIAGED.name


async def blocked_then_done(world: LedgerWorld, begin: Switch, end: Switch) -> None:
    """Let a trouble come over a batch and go again: it waits, then it is done once."""
    for n in range(20):
        shard = await world.hear(a_mention(str(100 + n), root="100"))
    records = await world.records(TRIAGED, shard)
    before = (await world.ledger.position(shard)).inputs.get(TRIAGED)
    await begin()
    for _ in range(3):
        with pytest.raises(LedgerUnavailable):
            await world.applier.apply(TRIAGED, {shard: records})
    await end()

    async def back() -> bool:
        try:
            await world.client.ping()
        except RedisError:
            return False
        return True

    await until(back, what="the server")
    assert (await world.ledger.position(shard)).inputs.get(TRIAGED) == before
    applied = await world.applier.apply(TRIAGED, {shard: records})
    assert (applied.done, applied.quarantined) == (20, 0)
    assert len((await world.only_case()).open_obligations) == 20
    for partition in range(PARTITIONS):
        assert await world.records(DEAD_LETTERS.name, partition) == []
    assert (await world.ledger.fence(shard)).healthy


async def test_a_full_server_blocks_and_goes_on(world: LedgerWorld) -> None:
    trouble = full(world.client)
    await blocked_then_done(world, trouble.begin, trouble.end)


async def test_a_server_that_became_a_read_only_replica_blocks_and_goes_on(
    world: LedgerWorld,
) -> None:
    trouble = read_only(world.client)
    await blocked_then_done(world, trouble.begin, trouble.end)


async def test_a_server_that_cannot_write_its_disk_blocks_and_goes_on(
    world: LedgerWorld, tmp_path: Path
) -> None:
    """A snapshot that fails makes it refuse writes: MISCONF."""
    trouble = no_snapshot(world.client, tmp_path / "valkey")
    await blocked_then_done(world, trouble.begin, trouble.end)


async def test_forgotten_scripts_are_loaded_again_in_the_middle_of_a_batch(
    world: LedgerWorld,
) -> None:
    for n in range(20):
        shard = await world.hear(a_mention(str(100 + n), root="100"))
        await world.client.script_flush()
        await world.pump()
    assert len((await world.only_case()).open_obligations) == 20
    assert (await world.ledger.position(shard)).inputs[TRIAGED] == 19


@pytest_asyncio.fixture
async def door(
    valkey: EmbeddedValkey, embedded_kafka: EmbeddedKafka
) -> AsyncIterator[tuple[LedgerWorld, TroubledRedis]]:
    """A world whose ledger is reached through a door."""
    async with (
        TroubledRedis(valkey.url) as troubled,
        ledger_world(valkey, embedded_kafka) as plain,
    ):
        client: Redis = connect(troubled.url)
        world = LedgerWorld(client, plain.producer, plain.reader, Policy(partitions=PARTITIONS))
        await world.recover_all()
        yield world, troubled
        await client.aclose()


@pytest.mark.parametrize(
    "answer",
    [
        b"LOADING Valkey is loading the dataset in memory",
        b"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        b"NOREPLICAS Not enough good replicas to write.",
        b"BUSY Valkey is busy running a script.",
        b"READONLY You can't write against a read only replica.",
        b"OOM command not allowed when used memory > 'maxmemory'.",
        b"MISCONF Errors writing to the AOF file: No space left on device",
        b"CLUSTERDOWN The cluster is down",
        b"TRYAGAIN Multiple keys request during rehashing of slot",
        b"NOPERM User default has no permissions to run the 'evalsha' command",
    ],
    ids=lambda answer: answer.split()[0].decode(),
)
async def test_a_servers_own_trouble_blocks_and_goes_on(
    door: tuple[LedgerWorld, TroubledRedis], answer: bytes
) -> None:
    world, troubled = door

    async def set_to(trouble: bytes) -> None:
        troubled.trouble = trouble

    await blocked_then_done(world, lambda: set_to(answer), lambda: set_to(b""))
    assert troubled.refused >= 3


async def test_a_slow_server_is_waited_for(door: tuple[LedgerWorld, TroubledRedis]) -> None:
    world, troubled = door
    shard = await world.hear(a_mention())
    troubled.delay = scaled(0.5, 5.0)
    (applied,) = await world.pump()
    assert (applied.done, applied.quarantined) == (1, 0)
    troubled.delay = 0.0
    assert (await world.ledger.fence(shard)).healthy


@pytest.mark.parametrize(
    ("name", "unsafe"),
    [("appendonly", "no"), ("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru")],
)
async def test_each_setting_that_lets_a_server_forget_is_refused(
    valkey: EmbeddedValkey, name: str, unsafe: str
) -> None:
    client = connect(valkey.url)
    await assert_durable(client)
    await client.config_set(name, unsafe)
    with pytest.raises(ConfigurationError, match=f"{name} is {unsafe}, wanted {DURABLE[name]}"):
        await assert_durable(client)
    await assert_durable(client, dev=True)
    await client.aclose()
