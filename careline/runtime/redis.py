"""The one way to connect to Redis or Valkey, and the proof that it keeps what it acknowledges.

Promises: every call ends within a bound; nothing is repeated behind the caller's back (an error
answer is an unknown outcome, which only the caller can judge); a server that may forget is refused.
"""

from __future__ import annotations

from typing import Final, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from careline.runtime.errors import ConfigurationError

_CONNECT_TIMEOUT_S: Final = 5.0
_ANSWER_TIMEOUT_S: Final = 10.0
_HEALTH_CHECK_S: Final = 30
_MAX_CONNECTIONS: Final = 32
"""Callers beyond these wait for their turn: as many as there are shards may ask at once."""

DURABLE: Final = {
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
}
"""What the ledger demands of its server (design section 3)."""


def connect(url: str) -> Redis:
    """Return a client of the server at ``url``; it connects when it is first used."""
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


async def assert_durable(client: Redis, *, dev: bool = False) -> None:
    """Check that the server keeps what it acknowledges; ``dev`` accepts one that does not.

    Raises:
        ConfigurationError: it does not answer, or a setting lets it forget.
    """
    try:
        await client.ping()
        found = {name: await _setting(client, name) for name in DURABLE}
    except RedisError as error:
        raise ConfigurationError(
            f"Redis does not answer ({type(error).__name__})",
            hint="is it running, and is CARELINE_REDIS__URL right?",
        ) from error
    wrong = [
        f"{name} is {found[name] or 'not to be read'}, wanted {wanted}"
        for name, wanted in DURABLE.items()
        if found[name] != wanted
    ]
    if wrong and not dev:
        raise ConfigurationError(
            "Redis may forget what it acknowledged: " + "; ".join(wrong),
            hint="CONFIG SET them and CONFIG REWRITE, or say --dev if loss does not matter",
        )


async def _setting(client: Redis, name: str) -> str:
    try:
        found = cast("dict[str | bytes, str | bytes]", await client.config_get(name))
    except ResponseError:  # an ACL or a hosted server that hides CONFIG
        return ""
    for value in found.values():
        return value.decode() if isinstance(value, bytes) else value
    return ""
