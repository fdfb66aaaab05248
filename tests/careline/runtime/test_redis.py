"""A server that may forget is refused, and one that is gone is told in words."""

from __future__ import annotations

import asyncio

import pytest

from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import ConfigurationError
from careline.runtime.redis import assert_durable, connect


async def test_a_durable_server_is_accepted(valkey: EmbeddedValkey) -> None:
    client = connect(valkey.url)
    await assert_durable(client)
    assert await client.ping()
    await client.aclose()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("appendonly", "no"), ("appendfsync", "everysec"), ("maxmemory-policy", "allkeys-lru")],
)
async def test_a_forgetful_server_is_refused_by_the_name_of_the_setting(
    valkey: EmbeddedValkey, setting: str, value: str
) -> None:
    client = connect(valkey.url)
    await client.config_set(setting, value)
    with pytest.raises(ConfigurationError, match=f"{setting} is {value}"):
        await assert_durable(client)
    await assert_durable(client, dev=True)
    await client.aclose()


async def test_a_server_that_is_gone_is_a_matter_of_settings(valkey: EmbeddedValkey) -> None:
    client = connect(valkey.url)
    await valkey.kill()
    with pytest.raises(ConfigurationError, match="Redis does not answer"):
        await assert_durable(client, dev=True)
    await client.aclose()


async def test_callers_beyond_the_connections_wait_for_their_turn(valkey: EmbeddedValkey) -> None:
    client = connect(valkey.url)
    answers = await asyncio.gather(*(client.ping() for _ in range(300)))
    assert answers == [True] * 300
    await client.aclose()
