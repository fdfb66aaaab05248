"""What a consumer group has acknowledged, as the broker knows it: for whoever checks on the group.

Promise: asking joins no group, assigns nothing and commits nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from careline.runtime.brokers import Where, client_options
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import started, stopped
from careline.runtime.kafka_errors import translated

_TIMEOUT_S: Final = 15.0


class GroupOffsets:
    """The committed offsets of one group."""

    def __init__(
        self,
        bootstrap: Where,
        group: str,
        *,
        client_id: str,
    ) -> None:
        """Remember whom to ask about."""
        self._group = group
        self._options = client_options(bootstrap, client_id=client_id)
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect. Raises ``Unavailable``."""
        consumer = AIOKafkaConsumer(group_id=self._group, enable_auto_commit=False, **self._options)
        self._consumer = await started(consumer)

    async def stop(self) -> None:
        """Close. Stopping twice is harmless."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stopped(consumer)

    async def committed(self, topics: Iterable[str], partitions: int) -> dict[tuple[str, int], int]:
        """Return the committed offset of each partition that has one. Raises ``Unavailable``.

        An offset is that of the next record: everything before it was acknowledged.
        """
        if self._consumer is None:
            raise ConfigurationError("the group's reader is not started", hint="call start() first")
        where = [TopicPartition(topic, number) for topic in topics for number in range(partitions)]
        with translated(self._group):
            async with asyncio.timeout(_TIMEOUT_S):
                # One request for all; the client's own `committed` asks for each partition alone.
                found = await self._consumer._coordinator.fetch_committed_offsets(where)  # noqa: SLF001
        return {
            (each.topic, each.partition): offset.offset
            for each, offset in found.items()
            if offset.offset >= 0
        }
