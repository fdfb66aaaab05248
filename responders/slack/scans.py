"""Reads a channel once for everybody who is looking for a message in it.

Promise: whoever asks is answered from a reading that began after they asked, so nothing is missed
that stood there then; all who ask while one is under way share the next. After a restart of the
ledger hundreds of effects are looked for at once, and the network's limits are for all of them.
"""

from __future__ import annotations

import asyncio

from responders.slack.client import Message, SlackClient


class Scans:
    """Shared readings of channels' histories."""

    def __init__(self, client: SlackClient) -> None:
        """Read by this client."""
        self._client = client
        self._asking: dict[str, list[tuple[float, asyncio.Future[list[Message]]]]] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}

    async def ours(self, channel: str, *, oldest: float) -> list[Message]:
        """Return our messages of a channel since `oldest`, and maybe some from before."""
        answer: asyncio.Future[list[Message]] = asyncio.get_running_loop().create_future()
        self._asking.setdefault(channel, []).append((oldest, answer))
        if channel not in self._reading:
            self._reading[channel] = asyncio.create_task(
                self._read(channel), name=f"slack scan {channel}"
            )
        return await answer

    async def _read(self, channel: str) -> None:
        try:
            while asking := self._asking.pop(channel, []):
                await self._answer(channel, asking)
        finally:
            del self._reading[channel]

    async def _answer(
        self, channel: str, asking: list[tuple[float, asyncio.Future[list[Message]]]]
    ) -> None:
        oldest = min(since for since, _ in asking)
        try:
            found = [message async for message in self._client.ours(channel, oldest=oldest)]
        except Exception as error:  # noqa: BLE001 - it is raised to those who asked
            for _, answer in asking:
                if not answer.done():
                    answer.set_exception(error)
            return
        for _, answer in asking:
            if not answer.done():
                answer.set_result(found)
