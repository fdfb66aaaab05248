"""The ledger on a Valkey cluster, and what is left after a replica has taken over."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from careline.domain.policy import Policy
from careline.ledger.fence import Fenced, LedgerUnavailable
from careline.ledger.housekeeping import Housekeeper
from careline.ledger.overdue import overdue
from careline.ledger.store import Ledger, key
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import LogReader, Producer
from careline.runtime.redis import assert_durable, connect
from schemas.topics import TOPICS
from tests.careline.ledger.test_empty_disk import Watched, all_done, written_and_died
from tests.careline.ledger.test_executor import no_effects, pending, running
from tests.careline.ledger.test_rebuild import rebuilt
from tests.careline.ledger.test_recovery import a_busy_day, differences
from tests.support.cluster import Cluster, until_true
from tests.support.ledger import PARTITIONS, LedgerWorld, until
from tests.support.stories import a_mention

pytestmark = pytest.mark.timeout(180)

WHOLE_WITHIN_S = 60


@pytest_asyncio.fixture
async def peers(embedded_kafka: EmbeddedKafka) -> AsyncIterator[tuple[Producer, LogReader]]:
    """Kafka's side of a world."""
    for topic in TOPICS:
        await embedded_kafka.create_topic(topic.name, PARTITIONS)
    producer = Producer(embedded_kafka.bootstrap, client_id="test")
    reader = LogReader(embedded_kafka.bootstrap, client_id="test")
    await producer.start()
    await reader.start()
    yield producer, reader
    await reader.stop()
    await producer.stop()


def a_world(client: Redis, peers: tuple[Producer, LogReader]) -> LedgerWorld:
    return LedgerWorld(client, *peers, Policy(partitions=PARTITIONS))


async def a_stale_copy(replica: Redis, of: EmbeddedValkey) -> None:
    """Make a server a copy of another one that hears of nothing more."""
    port = of.url.rpartition(":")[2].partition("/")[0]
    await replica.execute_command("REPLICAOF", "127.0.0.1", port)

    async def in_step() -> bool:
        facts = await replica.info("replication")
        return facts.get("master_link_status") == "up" and bool(
            await replica.exists(key(0, "epoch"))
        )

    await until_true(in_step, what="the replica")
    await replica.execute_command("REPLICAOF", "NO", "ONE")


async def test_shards_on_three_nodes_hear_decide_send_and_are_rebuilt(
    tmp_path: Path, peers: tuple[Producer, LogReader]
) -> None:
    async with Cluster(tmp_path) as cluster:
        client = connect(cluster.url)
        world = a_world(client, peers)
        await world.recover_all()
        assert isinstance(client, RedisCluster)
        holders = {client.get_node_from_key(key(shard, "epoch")) for shard in range(PARTITIONS)}
        assert len(holders) > 1, "the shards are spread"
        await a_busy_day(world, mentions=40)
        await world.drain_all()
        before = await world.cases()
        assert len(before) > 5
        assert await overdue(world.ledger, range(PARTITIONS), by=-(10**7)) == sorted(
            {int(case[1:3]) for case in before}
        )
        for shard in range(PARTITIONS):
            fence = await world.ledger.fence(shard)
            assert (await Housekeeper(world.ledger).tidy(shard, fence)).finished
            await rebuilt(world, shard)
        assert differences(before, await world.cases()) == []
        await client.aclose()


async def test_every_primary_of_a_cluster_must_keep_what_it_acknowledges(tmp_path: Path) -> None:
    async with Cluster(tmp_path) as cluster:
        client = connect(cluster.url)
        await assert_durable(client)
        await cluster.primaries[2].call("CONFIG", "SET", "appendfsync", "everysec")
        with pytest.raises(ConfigurationError, match="appendfsync is everysec"):
            await assert_durable(client)
        await client.aclose()


async def test_a_replica_of_a_cluster_takes_over_and_nothing_is_lost(
    tmp_path: Path, peers: tuple[Producer, LogReader]
) -> None:
    async with Cluster(tmp_path, replicas=True) as cluster:
        client = connect(cluster.url)
        world = a_world(client, peers)
        await world.recover_all()
        await a_busy_day(world, mentions=30)
        await world.drain_all()
        before = await world.cases()
        assert isinstance(client, RedisCluster)
        holder = client.get_node_from_key(key(0, "epoch"))
        struck = next(node for node in cluster.primaries if holder and node.port == holder.port)
        await struck.kill()

        async def noticed() -> bool:
            try:
                fences = [await world.ledger.fence(shard) for shard in range(PARTITIONS)]
            except LedgerUnavailable:
                return False
            return fences[0].foreign or fences[0].value == ""

        await until(noticed, what="the fence of another server")
        with pytest.raises(Fenced):
            await world.ledger.script("outbox", 0, "", 1)
        await world.recover_all()
        after = await world.cases()
        assert differences(before, after) == []
        shard = await world.hear(a_mention("9999", root="9999"))
        await world.pump()
        assert len(await world.cases()) == len(before) + 1
        assert (await world.ledger.fence(shard)).healthy
        await client.aclose()


async def test_a_stale_replica_that_is_promoted_is_noticed_and_nothing_is_lost(
    tmp_path: Path, peers: tuple[Producer, LogReader]
) -> None:
    """It has missed the last commits, even some whose events are in the log."""
    async with EmbeddedValkey(tmp_path / "old") as old, EmbeddedValkey(tmp_path / "new") as new:
        first, second = connect(old.url), connect(new.url)
        world = a_world(first, peers)
        await world.recover_all()
        await a_busy_day(world, mentions=20)
        await a_stale_copy(second, old)
        await a_busy_day(world, mentions=30, seed=8)
        await world.drain_all()
        before = await world.cases()
        await old.kill()

        promoted = a_world(second, peers)
        fence = await promoted.ledger.fence(0)
        assert fence.foreign
        assert not fence.healthy
        with pytest.raises(Fenced):
            await promoted.ledger.script("due", 0, "", 10)
        await promoted.recover_all()
        assert differences(before, await promoted.cases()) == []
        for shard in range(PARTITIONS):
            due = await promoted.ledger.due_times(shard)
            async for case in promoted.ledger.cases(shard):
                assert not case.open_obligations or case.case_id in due
        await first.aclose()
        await second.aclose()


async def test_a_failover_that_lost_the_last_posts_is_whole_within_a_minute_and_repeats_none(
    tmp_path: Path, peers: tuple[Producer, LogReader]
) -> None:
    """The copy takes cards for unposted and replies for unsent that stand on the far sides."""
    slack, network = Watched(), Watched()
    async with EmbeddedValkey(tmp_path / "old") as old, EmbeddedValkey(tmp_path / "new") as new:
        first, second = connect(old.url), connect(new.url)
        world, promoted = a_world(first, peers), a_world(second, peers)
        await world.recover_all()
        await a_busy_day(world, mentions=20)
        await world.drain_all()
        await a_stale_copy(second, old)
        async with running(world, slack):
            await until(lambda: no_effects(world), what="every card, and that it is told")
        told = set(slack.posts)
        for one in await pending(world, "x:acme"):
            await written_and_died(world, network, one)
        replies = list(network.posts)
        await world.hear(a_mention("9999", root="9999"))
        await world.pump()
        await world.drain_all()
        before = await world.cases()
        network.history.clear()
        await old.kill()

        async with asyncio.timeout(WHOLE_WITHIN_S):
            await promoted.recover_all()
            assert differences(before, await promoted.cases()) == []
            await all_done(promoted, (slack, network))

        assert told
        assert replies
        (last,) = set(slack.posts) - told
        assert Counter(slack.posts) == dict.fromkeys({*told, last}, 1)
        assert network.posts == replies
        assert {did for did, _ in network.history} == {"look"}
        await first.aclose()
        await second.aclose()


async def test_a_ledger_on_one_server_and_on_a_cluster_use_the_same_keys() -> None:
    single, cluster = connect("redis://h:1/0"), connect("redis://h:1/0?cluster=true")
    assert isinstance(cluster, RedisCluster)
    assert not isinstance(single, RedisCluster)
    assert {key(3, name).partition(":")[0] for name in ("cases", "due", "outbox")} == {"{s03}"}
    assert Ledger(single, partitions=4).partitions == Ledger(cluster, partitions=4).partitions
