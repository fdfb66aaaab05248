"""A relay that ends leaves no connection open, however early or late in its life it ends."""

from __future__ import annotations

import asyncio
import gc

import pytest

from tests.support.door import Door
from tests.support.troubled_redis import TroubledRedis


@pytest.mark.parametrize("relay_class", [Door, TroubledRedis])
@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("client_goes_first", [False, True])
def test_a_relay_that_ends_closes_both_ends_of_its_connections(
    relay_class: type[Door | TroubledRedis], turns: int, *, client_goes_first: bool
) -> None:
    ends: list[asyncio.StreamWriter] = []

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(writer)
        await reader.read()
        writer.close()

    async def heard_by_the_client() -> bytes:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            async with relay_class(f"redis://127.0.0.1:{port}/0") as relay:
                there = int(relay.url.removesuffix("/0").rpartition(":")[2])
                reader, writer = await asyncio.open_connection("127.0.0.1", there)
                if client_goes_first:
                    while not ends:
                        await asyncio.sleep(0)
                    writer.close()
                for _ in range(turns):
                    await asyncio.sleep(0)
            try:
                return await asyncio.wait_for(reader.read(), timeout=5)
            finally:
                writer.close()

    assert asyncio.run(heard_by_the_client()) == b""
    # An end that nobody closed speaks up when it is collected: a warning, and so a failure.
    gc.collect()
