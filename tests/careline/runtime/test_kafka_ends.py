"""A consumer is stopped to its end, whatever its library lets out on the way."""

from __future__ import annotations

import asyncio

from careline.runtime.kafka import stopped


class Connections:
    """What aiokafka closes last."""

    closed = False

    async def close(self) -> None:
        self.closed = True


class Consumer:
    """Stops as aiokafka's does while one of its fetches is waiting to try again."""

    def __init__(self) -> None:
        self._client = Connections()
        self.fetching = asyncio.create_task(asyncio.sleep(60))

    @property
    def is_closed(self) -> bool:
        return self._client.closed

    async def stop(self) -> None:
        self.fetching.cancel()
        await self.fetching
        await self._client.close()


async def test_a_fetch_that_is_cancelled_cancels_nobody_else() -> None:
    consumer = Consumer()
    await stopped(consumer)
    assert consumer.is_closed
    assert consumer.fetching.cancelled()


async def test_whoever_stops_it_can_still_be_cancelled() -> None:
    consumer = Consumer()

    async def long() -> None:
        await asyncio.sleep(60)

    consumer.stop = long  # type: ignore[method-assign]
    stopping = asyncio.create_task(stopped(consumer))
    await asyncio.sleep(0)
    stopping.cancel()
    assert [type(found) for found in await asyncio.gather(stopping, return_exceptions=True)] == [
        asyncio.CancelledError
    ]
