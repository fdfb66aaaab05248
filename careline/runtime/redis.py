"""The one way to connect to Redis or Valkey, and the proof that it keeps what it acknowledges.

One server, or a cluster (``redis://any-node:6379?cluster=true``): the keys of a ledger's shard
share a hash tag, so that each shard lives on one node and moves as a whole.

Promises: every call ends within a bound; nothing is repeated behind the caller's back (an error
answer is an unknown outcome, which only the caller can judge); a server that may forget is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable
from typing import Final, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError, ResponseError
from yarl import URL

from careline.runtime.errors import ConfigurationError

_CONNECT_TIMEOUT_S: Final = 5.0
_ANSWER_TIMEOUT_S: Final = 10.0
_HEALTH_CHECK_S: Final = 30
_MAX_CONNECTIONS: Final = 32
"""Callers beyond these wait for their turn: as many as there are shards may ask at once."""

_YES: Final = {"1", "true", "yes"}

DURABLE: Final = {
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
}
"""What the ledger demands of its server (design section 3)."""


def connect(url: str) -> Redis:
    """Return a client of the server, or the cluster, at ``url``; it connects when first used."""
    parsed = URL(url)
    if parsed.query.get("cluster", "").lower() in _YES:
        return cast("Redis", _cluster(str(parsed.without_query_params("cluster"))))
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=_MAX_CONNECTIONS,
        timeout=_ANSWER_TIMEOUT_S,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
        health_check_interval=_HEALTH_CHECK_S,
        retry=Retry(NoBackoff(), 0),
        client_name="careline",
        protocol=2,
    )
    return Redis.from_pool(pool)


def _cluster(url: str) -> RedisCluster:
    found: RedisCluster = RedisCluster.from_url(
        url,
        # After a failure the nodes are asked anew who has what, at the next call.
        retry=Retry(NoBackoff(), 0),
        reinitialize_steps=1,
        max_connections=_MAX_CONNECTIONS,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_timeout=_ANSWER_TIMEOUT_S,
        health_check_interval=_HEALTH_CHECK_S,
        client_name="careline",
        protocol=2,
    )
    return found


async def look_again(client: Redis) -> None:
    """Ask a cluster anew which node has what: its pipelines do not do so when a node is gone."""
    found: object = client
    if isinstance(found, RedisCluster):
        with contextlib.suppress(RedisError, RedisClusterException, OSError):
            await found.nodes_manager.initialize()


async def assert_durable(client: Redis, *, dev: bool = False) -> None:
    """Check that the server keeps what it acknowledges; ``dev`` accepts one that does not.

    Raises:
        ConfigurationError: it does not answer, or a setting lets it forget.
    """
    try:
        await client.ping()
        settings = [
            (name, wanted, found)
            for name, wanted in DURABLE.items()
            for found in await _settings(client, name)
        ]
    except (RedisError, RedisClusterException) as error:
        raise ConfigurationError(
            f"Redis does not answer ({type(error).__name__})",
            hint="is it running, and is CARELINE_REDIS__URL right?",
        ) from error
    wrong = [
        f"{name} is {found or 'not to be read'}, wanted {wanted}"
        for name, wanted, found in settings
        if found != wanted
    ]
    if wrong and not dev:
        raise ConfigurationError(
            "Redis may forget what it acknowledged: " + "; ".join(wrong),
            hint="CONFIG SET them and CONFIG REWRITE, or say --dev if loss does not matter",
        )


async def _settings(client: Redis, name: str) -> list[str]:
    """Return a setting of the server, or of each primary of a cluster."""
    found: object = client
    if isinstance(found, RedisCluster):
        nodes = found.get_primaries()
        return [await _setting(found.config_get(name, target_nodes=node)) for node in nodes]
    return [await _setting(client.config_get(name))]


async def _setting(asked: Awaitable[object]) -> str:
    try:
        found = cast("dict[str | bytes, str | bytes]", await asked)
    except ResponseError:  # an ACL or a hosted server that hides CONFIG
        return ""
    for value in found.values():
        return value.decode() if isinstance(value, bytes) else value
    return ""
