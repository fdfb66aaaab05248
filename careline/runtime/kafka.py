"""Kafka as the rest of careline sees it: one safe producer, a reader of the log, a group's reader.

Promises: readers hand over plain `Record` values in batches, in order within a partition; nothing
here knows a case, decodes a body or retries on its own. What is damaged on the broker is never
passed over, unless a person has had it skipped: then stand-ins are in its place. aiokafka has no
types: it is wrapped here and in `kafka_producer`, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from careline.runtime.brokers import Where, client_options
from careline.runtime.errors import ConfigurationError, RetryableError
from careline.runtime.kafka_errors import Damaged, RecordsGone, Unavailable, translated
from careline.runtime.kafka_producer import Producer
from careline.runtime.records import Record, stand_ins
from careline.runtime.skips import Skips

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

__all__ = [
    "Damaged",
    "GroupReader",
    "LogReader",
    "Producer",
    "Record",
    "RecordsGone",
    "Unavailable",
]

SESSION_TIMEOUT_MS: Final = 10_000
HEARTBEAT_MS: Final = 2_000
MAX_POLL_INTERVAL_MS: Final = 3_600_000  # longer than any outage that is waited out inside a batch
_BACKOFF_MS: Final = 250
_POLL_MS: Final = 500
_FETCH_WAIT_MS: Final = 100
"""The embedded broker lets it pass even when a record comes; a real one does not."""
_GATHER_MS: Final = 250
_GATHER_BYTES: Final = 256 * 1024
_READ_TIMEOUT_S: Final = 30.0
_SINGLY: Final = 500
"""Records that are taken one by one, before damage, until they are handed over."""
_COMMIT_EVERY_S: Final = 1.0
_LAST_COMMIT_S: Final = 2.0

_log = structlog.get_logger(__name__)


class LogReader:
    """Reads partitions by offset, outside of any group: for recovery, replay and the audit."""

    def __init__(self, bootstrap: Where, *, client_id: str) -> None:
        """Remember how to connect."""
        self._options = client_options(bootstrap, client_id=client_id)
        self._offsets: AIOKafkaConsumer | None = None
        self.skips = Skips(self)
        """What may be passed over where it cannot be read."""

    async def start(self) -> None:
        """Connect. Raises ``Unavailable``."""
        self._offsets = await started(
            AIOKafkaConsumer(group_id=None, enable_auto_commit=False, **self._options)
        )

    async def stop(self) -> None:
        """Close. Stopping twice is harmless."""
        consumer, self._offsets = self._offsets, None
        if consumer is not None:
            await stopped(consumer)

    async def beginning(self, topic: str, partition: int) -> int:
        """Return the first offset that is still there. Raises ``Unavailable``."""
        where = TopicPartition(topic, partition)
        with translated(topic, partition):
            async with asyncio.timeout(_READ_TIMEOUT_S):
                offsets: dict[TopicPartition, int] = await self._connected.beginning_offsets(
                    [where]
                )
        return offsets[where]

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will get. Raises ``Unavailable``."""
        where = TopicPartition(topic, partition)
        with translated(topic, partition):
            async with asyncio.timeout(_READ_TIMEOUT_S):
                offsets: dict[TopicPartition, int] = await self._connected.end_offsets([where])
        return offsets[where]

    async def ends(self, topic: str, partitions: int) -> list[int]:
        """Return the end of each partition by one request. Raises ``Unavailable``."""
        where = [TopicPartition(topic, number) for number in range(partitions)]
        with translated(topic):
            async with asyncio.timeout(_READ_TIMEOUT_S):
                offsets: dict[TopicPartition, int] = await self._connected.end_offsets(where)
        return [offsets[each] for each in where]

    async def read(
        self, topic: str, partition: int, start: int, end: int
    ) -> AsyncIterator[list[Record]]:
        """Yield the records from ``start`` to before ``end``, in batches and in order.

        Raises ``RecordsGone`` if the log has no such offset, ``Damaged`` where the broker serves
        what is no record and nobody has had it skipped, ``Unavailable`` after 30 s of nothing.
        """
        if start >= end:
            return
        where = TopicPartition(topic, partition)
        consumer = await started(
            AIOKafkaConsumer(
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                retry_backoff_ms=_BACKOFF_MS,
                **self._options,
            )
        )
        try:
            consumer.assign([where])
            consumer.seek(where, start)
            position = start
            while position < end:
                batch = await self._batch(consumer, where, position)
                records = [one for one in batch if one.offset < end]
                position = batch[-1].offset + 1
                if records:
                    yield records
        finally:
            await stopped(consumer)

    async def _batch(
        self, consumer: AIOKafkaConsumer, where: TopicPartition, position: int
    ) -> list[Record]:
        """Return what comes next: records, or stand-ins for what a person has had skipped."""
        good: list[Record] = []
        failed: Unavailable | None
        try:
            return await _some(consumer, where)
        except Damaged:
            # What was good in the same answer of the broker is not handed out together with it.
            consumer.seek(where, position)
            good, failed = await _singly(consumer, where)
        except Unavailable as error:
            failed = error
        if good or failed is None:
            return good
        skipped = await self.skips.run(where.topic, where.partition, position)
        if not skipped:
            raise failed
        consumer.seek(where, skipped.stop)
        return stand_ins(where.topic, where.partition, skipped)

    @property
    def _connected(self) -> AIOKafkaConsumer:
        if self._offsets is None:
            raise ConfigurationError("the log reader is not started", hint="call start() first")
        return self._offsets


class GroupReader:
    """A member of a consumer group that commits after the work: at least once.

    What is `done` is committed about once a second and at the end, not batch by batch: each commit
    is a write of the broker's own log, and cost a responder half of its work.
    """

    def __init__(
        self,
        bootstrap: Where,
        topic: str,
        group: str,
        *,
        client_id: str,
        gather: bool = False,
    ) -> None:
        """Remember what to read, and as whom; ``gather`` trades a moment for fewer fetches."""
        self._gather = gather
        self._options = client_options(bootstrap, client_id=client_id)
        self._topic = topic
        self._group = group
        self._consumer: AIOKafkaConsumer | None = None
        self._done: dict[TopicPartition, int] = {}
        self._committed_at = 0.0

    async def start(self) -> None:
        """Join the group. Raises ``Unavailable``."""
        self._consumer = await started(
            AIOKafkaConsumer(
                self._topic,
                group_id=self._group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=HEARTBEAT_MS,
                max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
                fetch_max_wait_ms=_GATHER_MS if self._gather else _FETCH_WAIT_MS,
                fetch_min_bytes=_GATHER_BYTES if self._gather else 1,
                retry_backoff_ms=_BACKOFF_MS,
                **self._options,
            )
        )

    async def stop(self) -> None:
        """Commit what is done, if the broker answers, and leave the group; twice is harmless."""
        if self._consumer is not None and self._done:
            with contextlib.suppress(RetryableError, KafkaError, TimeoutError):
                async with asyncio.timeout(_LAST_COMMIT_S):
                    await self._commit()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await stopped(consumer)

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions that are this member's now."""
        if self._consumer is None:
            return frozenset()
        return frozenset(each.partition for each in self._consumer.assignment())

    async def batches(self, *, limit: int = 500) -> AsyncIterator[list[Record]]:
        """Yield what comes, for ever, in order within a partition. Raises ``Unavailable``."""
        while self._consumer is not None:
            with translated(self._topic):
                found = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=limit)
            records = [_record(one) for each in found.values() for one in each]
            if records:
                yield records
            if self._done and time.monotonic() - self._committed_at >= _COMMIT_EVERY_S:
                await self._commit()

    def done(self, records: Sequence[Record]) -> None:
        """Take note that these records, and all before them in their partitions, are dealt with."""
        for record in records:
            where = TopicPartition(record.topic, record.partition)
            self._done[where] = max(self._done.get(where, 0), record.offset + 1)

    async def _commit(self) -> None:
        """Commit what is done.

        The commit of a partition that moved away fails; its new owner reads those records again.
        """
        if self._consumer is None:
            return
        offsets, self._done = self._done, {}
        self._committed_at = time.monotonic()
        try:
            with translated(self._topic):
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            _log.info("commit after a rebalance left to the new owner", topic=self._topic)


async def started(consumer: AIOKafkaConsumer) -> AIOKafkaConsumer:
    """Return the consumer, connected. Raises ``Unavailable``."""
    try:
        await consumer.start()
    except BaseException as error:
        await stopped(consumer)
        if isinstance(error, (KafkaError, OSError)):
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from error
        raise
    return consumer


async def stopped(consumer: AIOKafkaConsumer) -> None:
    """Stop a consumer to its end.

    A fetch that fails while it is stopped lets its own cancellation out of aiokafka's ``stop``:
    whoever called would seem to be cancelled, and the connections would stay open.
    """
    stopping = asyncio.create_task(consumer.stop(), name="stop a consumer")
    await asyncio.wait([stopping])
    if stopping.cancelled():
        await consumer._client.close()  # noqa: SLF001 - what was left of it
        return
    stopping.result()


async def _some(
    consumer: AIOKafkaConsumer, where: TopicPartition, *, most: int | None = None
) -> list[Record]:
    """Return the next records. Raises ``Damaged``, ``Unavailable`` after 30 s of nothing."""
    with translated(where.topic, where.partition):
        async with asyncio.timeout(_READ_TIMEOUT_S):
            while True:
                found: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
                    where, timeout_ms=_POLL_MS, max_records=most
                )
                if found.get(where):
                    return [_record(one) for one in found[where]]


async def _singly(
    consumer: AIOKafkaConsumer, where: TopicPartition
) -> tuple[list[Record], Unavailable | None]:
    """Return the records before the next damage, and what ended them, if anything has."""
    good: list[Record] = []
    while len(good) < _SINGLY:
        try:
            good += await _some(consumer, where, most=1)
        except Unavailable as error:
            if good:  # a length that cannot be moves the client on by one
                consumer.seek(where, good[-1].offset + 1)
            return good, error
    return good, None


def _record(one: ConsumerRecord) -> Record:
    return Record(
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        key=one.key,
        value=one.value,
        headers=tuple(one.headers),
        timestamp_ms=one.timestamp,
    )
