"""A look at what a broker cannot serve any more, for the person who has to decide about it.

Promises: looking joins no group and changes nothing; a record counts as damaged only if the broker
has answered and what it gave was no record, never because it did not answer. What can be made out
of damaged bytes is handed over as it is: nobody vouches for it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from careline.runtime.brokers import Where, client_options
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import started, stopped
from careline.runtime.kafka_errors import Damaged, Unavailable, translated

_TIMEOUT_S: Final = 10.0
_POLL_MS: Final = 200


class NotDamaged(ConfigurationError):
    """A record that can be read, or that is not there at all: there is nothing to be skipped."""


async def damaged_values(
    bootstrap: Where, topic: str, partition: int, offsets: Sequence[int], *, client_id: str
) -> dict[int, bytes]:
    """Return what can still be made out of each of these offsets, which are in order.

    Raises:
        NotDamaged: one of them can be read.
        Unavailable: the broker does not answer, so nobody knows.
    """
    where = TopicPartition(topic, partition)
    options = client_options(bootstrap, client_id=client_id)
    plain = {"group_id": None, "enable_auto_commit": False, "auto_offset_reset": "none"}
    strict = await started(AIOKafkaConsumer(**plain, **options))
    try:
        with translated(topic, partition):
            strict.assign([where])
            await _require_there(strict, where, offsets)
            for offset in offsets:
                await _require_damaged(strict, where, offset)
    finally:
        await stopped(strict)
    lenient = await started(AIOKafkaConsumer(**plain, check_crcs=False, **options))
    try:
        lenient.assign([where])
        return await _made_out(lenient, where, offsets)
    finally:
        await stopped(lenient)


async def _require_there(
    consumer: AIOKafkaConsumer, where: TopicPartition, offsets: Sequence[int]
) -> None:
    async with asyncio.timeout(_TIMEOUT_S):
        begin = (await consumer.beginning_offsets([where]))[where]
        end = (await consumer.end_offsets([where]))[where]
    if not begin <= offsets[0] <= offsets[-1] < end:
        holds = f"offsets {begin} to {end - 1}" if end > begin else "nothing"
        raise NotDamaged(
            f"{where.topic}[{where.partition}] holds {holds}",
            hint="the worker's log names the offset that its partition waits at",
        )


async def _require_damaged(consumer: AIOKafkaConsumer, where: TopicPartition, offset: int) -> None:
    consumer.seek(where, offset)
    try:
        found = await _next(consumer, where)
    except Damaged:
        return
    if found is None:
        raise Unavailable(
            f"{where.topic}[{where.partition}]: the broker says nothing about offset {offset}",
            hint="only what it serves damaged can be skipped: is its leader up?",
        )
    raise NotDamaged(
        f"{where.topic}[{where.partition}]: offset {offset} can be read",
        hint="skip only what cannot: --from and --to name the first and the last of it",
    )


async def _made_out(
    consumer: AIOKafkaConsumer, where: TopicPartition, offsets: Sequence[int]
) -> dict[int, bytes]:
    found = dict.fromkeys(offsets, b"")
    at, last = offsets[0], offsets[-1]
    while at <= last:
        consumer.seek(where, at)
        try:
            while at <= last:
                one = await _next(consumer, where)
                if one is None:
                    return found
                if one[0] in found:
                    found[one[0]] = one[1] or b""
                at = max(at, one[0]) + 1
        except Exception:  # noqa: BLE001 - whatever the damage makes of the bytes: the next one
            at += 1
    return found


async def _next(
    consumer: AIOKafkaConsumer, where: TopicPartition
) -> tuple[int, bytes | None] | None:
    """Return the next record; None if there is no answer. Raises ``Damaged``."""
    with translated(where.topic, where.partition), contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_TIMEOUT_S):
            while True:
                found = await consumer.getmany(where, timeout_ms=_POLL_MS, max_records=1)
                for one in found.get(where, ()):
                    return one.offset, one.value
    return None
