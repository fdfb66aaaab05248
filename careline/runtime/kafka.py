"""Kafka as the rest of careline sees it: one safe producer, a reader of the log, a reader in a group.

Promises: a send is done only when the broker has acknowledged it, in the order given within a partition; what is not
known to be done raises ``Unavailable``, and doing it again only makes a repeat. Readers hand over plain ``Record`` values in
batches. Nothing here knows a case, decodes a body or retries on its own.

aiokafka has no types and sharp edges: an idempotent producer retries for ever and is of no use after certain errors. Both
are dealt with here, once.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    ProducerClosed,
    RecordListTooLargeError,
    RecordTooLargeError,
    TopicAuthorizationFailedError,
)

from careline.runtime.errors import ConfigurationError, PermanentError, RetryableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from schemas.envelope import Packed

SESSION_TIMEOUT_MS: Final = 10_000
HEARTBEAT_MS: Final = 2_000
MAX_POLL_INTERVAL_MS: Final = 3_600_000  # longer than any outage that is waited out inside a batch
_LINGER_MS: Final = 2
_BATCH_BYTES: Final = 256 * 1024  # well below the topics' max.message.bytes
_REQUEST_BYTES: Final = 1024 * 1024
_BACKOFF_MS: Final = 250
_POLL_MS: Final = 500
_READ_TIMEOUT_S: Final = 30.0
_CLOSE_TIMEOUT_S: Final = 2.0
_TOO_LARGE: Final = (MessageSizeTooLargeError, RecordTooLargeError, RecordListTooLargeError)

_log = structlog.get_logger(__name__)


class Unavailable(RetryableError):
    """Kafka did not answer in time or not clearly: what was asked may or may not have happened."""


class RecordsGone(PermanentError):
    """An offset that was asked for is not in the log: retention took it, or it never was there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it stands in a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int


class Producer:
    """One idempotent ``acks=all`` producer; after an error that it cannot outlive it is replaced by a new one."""

    def __init__(
        self,
        bootstrap: str,
        *,
        client_id: str,
        timeout: float = 30.0,
        client_options: Mapping[str, object] | None = None,
    ) -> None:
        """Remember how to connect; ``client_options`` are TLS and SASL arguments of the client."""
        self._options = dict(client_options or {}) | {
            "bootstrap_servers": bootstrap,
            "client_id": client_id,
        }
        self._timeout = timeout
        self._producer: AIOKafkaProducer | None = None
        self._turn = asyncio.Lock()
        self._stopped = False

    async def start(self) -> None:
        """Connect. Raises ``Unavailable``."""
        self._stopped = False
        await self._current()

    async def stop(self) -> None:
        """Wait shortly for what is under way, then close. Stopping twice is harmless."""
        self._stopped = True
        async with self._turn:
            producer, self._producer = self._producer, None
        if producer is not None:
            await _close(producer, grace=_CLOSE_TIMEOUT_S)

    async def send(self, topic: str, partition: int, packed: Packed) -> int:
        """Send one record and return its offset once it is acknowledged.

        Concurrent calls share a request. Raises ``Unavailable`` when it is unknown whether it was written.
        """
        producer = await self._current()
        with _translated(topic, partition):
            async with asyncio.timeout(self._timeout):
                future = await producer.send(
                    topic, packed.value, key=packed.key, partition=partition, headers=packed.headers
                )
        return await self._acknowledged(producer, future, topic, partition)

    async def send_batch(self, topic: str, partition: int, packed: Sequence[Packed]) -> int:
        """Send records in order and return the offset of the first once all are acknowledged.

        Raises ``Unavailable`` when that is unknown for any of them; a part from the front may then have been written.
        """
        first: int | None = None
        start = 0
        while start < len(packed):
            producer = await self._current()
            batch = producer.create_batch()
            end = start
            for one in packed[start:]:
                if (
                    batch.append(key=one.key, value=one.value, timestamp=None, headers=one.headers)
                    is None
                ):
                    break
                end += 1
            batch.close()
            with _translated(topic, partition):
                async with asyncio.timeout(self._timeout):
                    future = await producer.send_batch(batch, topic, partition=partition)
            # One chunk after the other: a refused one must not be followed by its successor.
            offset = await self._acknowledged(producer, future, topic, partition)
            first = offset if first is None else first
            start = end
        if first is None:
            raise ValueError("nothing to send")
        return first

    async def _current(self) -> AIOKafkaProducer:
        if self._producer is not None:
            return self._producer
        async with self._turn:
            if self._stopped:
                raise Unavailable("the producer is stopped")
            if self._producer is None:
                self._producer = await self._connected()
            return self._producer

    async def _connected(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=True,
            linger_ms=_LINGER_MS,
            max_batch_size=_BATCH_BYTES,
            max_request_size=_REQUEST_BYTES,
            request_timeout_ms=int(self._timeout * 1000),
            retry_backoff_ms=_BACKOFF_MS,
            **self._options,
        )
        try:
            async with asyncio.timeout(self._timeout):
                await producer.start()
        except BaseException as error:
            await _close(producer, grace=0)
            if isinstance(error, (KafkaError, OSError)):  # TimeoutError is an OSError
                raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from error
            raise
        return producer

    async def _acknowledged(
        self, producer: AIOKafkaProducer, future: asyncio.Future[Any], topic: str, partition: int
    ) -> int:
        # A caller that gives up must not cancel the future: aiokafka still works with it.
        future.add_done_callback(_retrieved)
        done, _ = await asyncio.wait({future}, timeout=self._timeout)
        if not done:
            # It would be retried for ever, in front of our own repeat of it.
            await self._replace(producer, "timeout")
            raise Unavailable(
                f"no acknowledgement for {topic}[{partition}] within {self._timeout:g} s"
            )
        error = future.exception()
        if error is None:
            offset: int = future.result().offset
            if offset < 0:  # the broker knows that it is a repeat, but no more where it stands
                raise Unavailable(f"{topic}[{partition}]: written, but nobody knows where")
            return offset
        if not isinstance(error, ProducerClosed | MessageSizeTooLargeError):
            # Out of sequence, fenced, unknown id, refused: sequence numbers are torn from here on (aiokafka #1017).
            await self._replace(producer, type(error).__name__)
        with _translated(topic, partition):
            raise error

    async def _replace(self, producer: AIOKafkaProducer, reason: str) -> None:
        async with self._turn:
            if self._producer is not producer:
                return
            self._producer = None
        _log.warning("kafka producer replaced", reason=reason)
        await _close(producer, grace=0)


class LogReader:
    """Reads partitions by offset, outside of any group: for recovery, replay and the audit."""

    def __init__(
        self, bootstrap: str, *, client_id: str, client_options: Mapping[str, object] | None = None
    ) -> None:
        """Remember how to connect."""
        self._options = dict(client_options or {}) | {
            "bootstrap_servers": bootstrap,
            "client_id": client_id,
        }
        self._offsets: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect. Raises ``Unavailable``."""
        self._offsets = await _started(
            AIOKafkaConsumer(group_id=None, enable_auto_commit=False, **self._options)
        )

    async def stop(self) -> None:
        """Close. Stopping twice is harmless."""
        consumer, self._offsets = self._offsets, None
        if consumer is not None:
            await consumer.stop()

    async def beginning(self, topic: str, partition: int) -> int:
        """Return the first offset that is still there. Raises ``Unavailable``."""
        where = TopicPartition(topic, partition)
        with _translated(topic, partition):
            offsets: dict[TopicPartition, int] = await self._connected.beginning_offsets([where])
        return offsets[where]

    async def end(self, topic: str, partition: int) -> int:
        """Return the offset that the next record will get. Raises ``Unavailable``."""
        where = TopicPartition(topic, partition)
        with _translated(topic, partition):
            offsets: dict[TopicPartition, int] = await self._connected.end_offsets([where])
        return offsets[where]

    async def read(
        self, topic: str, partition: int, start: int, end: int
    ) -> AsyncIterator[list[Record]]:
        """Yield the records from ``start`` to before ``end``, in batches and in order.

        Raises ``RecordsGone`` if an offset is not in the log, ``Unavailable`` if nothing comes for 30 s.
        """
        if start >= end:
            return
        where = TopicPartition(topic, partition)
        consumer = await _started(
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
                with _translated(topic, partition):
                    async with asyncio.timeout(_READ_TIMEOUT_S):
                        batch = await _some(consumer, where)
                records = [_record(one) for one in batch if one.offset < end]
                position = batch[-1].offset + 1
                if records:
                    yield records
        finally:
            await consumer.stop()

    @property
    def _connected(self) -> AIOKafkaConsumer:
        if self._offsets is None:
            raise ConfigurationError("the log reader is not started", hint="call start() first")
        return self._offsets


class GroupReader:
    """A member of a consumer group that commits by hand, after the work: at least once."""

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        *,
        client_id: str,
        client_options: Mapping[str, object] | None = None,
    ) -> None:
        """Remember what to read, and as whom."""
        self._options = dict(client_options or {}) | {
            "bootstrap_servers": bootstrap,
            "client_id": client_id,
        }
        self._topic = topic
        self._group = group
        self._consumer: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Join the group. Raises ``Unavailable``."""
        self._consumer = await _started(
            AIOKafkaConsumer(
                self._topic,
                group_id=self._group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=SESSION_TIMEOUT_MS,
                heartbeat_interval_ms=HEARTBEAT_MS,
                max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
                retry_backoff_ms=_BACKOFF_MS,
                **self._options,
            )
        )

    async def stop(self) -> None:
        """Leave the group. Stopping twice is harmless."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    @property
    def assigned(self) -> frozenset[int]:
        """The partitions that are this member's now."""
        if self._consumer is None:
            return frozenset()
        return frozenset(each.partition for each in self._consumer.assignment())

    async def batches(self, *, limit: int = 500) -> AsyncIterator[list[Record]]:
        """Yield what comes, for ever, in order within a partition. Raises ``Unavailable``."""
        while self._consumer is not None:
            with _translated(self._topic, -1):
                found = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=limit)
            records = [_record(one) for each in found.values() for one in each]
            if records:
                yield records

    async def commit(self, records: Sequence[Record]) -> None:
        """Commit that these records, and all before them in their partitions, are dealt with.

        After a rebalance the commit of a partition that moved away fails; its new owner reads those records again.
        """
        if self._consumer is None:
            return
        offsets: dict[TopicPartition, int] = {}
        for record in records:
            where = TopicPartition(record.topic, record.partition)
            offsets[where] = max(offsets.get(where, 0), record.offset + 1)
        try:
            with _translated(self._topic, -1):
                await self._consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            _log.info("commit after a rebalance left to the new owner", topic=self._topic)


async def _started(consumer: AIOKafkaConsumer) -> AIOKafkaConsumer:
    try:
        await consumer.start()
    except BaseException as error:
        await consumer.stop()
        if isinstance(error, (KafkaError, OSError)):
            raise Unavailable(f"Kafka does not answer ({type(error).__name__})") from error
        raise
    return consumer


async def _some(consumer: AIOKafkaConsumer, where: TopicPartition) -> list[ConsumerRecord]:
    while True:
        found: dict[TopicPartition, list[ConsumerRecord]] = await consumer.getmany(
            where, timeout_ms=_POLL_MS
        )
        if found.get(where):
            return found[where]


async def _close(producer: AIOKafkaProducer, *, grace: float) -> None:
    """Close a producer within a bound, whatever state it is in; fail what still waits for it."""
    if grace:
        with contextlib.suppress(KafkaError, OSError):
            async with asyncio.timeout(grace):
                await producer.stop()
                return
    # stop() would first flush, for ever while the broker is away. These are aiokafka 0.14's own parts.
    sender = producer._sender  # noqa: SLF001
    producer._closed = True  # noqa: SLF001
    producer._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001
    if sender.sender_task is not None:
        sender.sender_task.remove_done_callback(sender._fail_all)  # noqa: SLF001
    with contextlib.suppress(Exception):  # it is given up: no error of it concerns anybody
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await sender.close()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
            await producer.client.close()


@contextlib.contextmanager
def _translated(topic: str, partition: int) -> Any:
    """Turn aiokafka's errors into ours, by what the caller should do."""
    where = topic if partition < 0 else f"{topic}[{partition}]"
    try:
        yield
    except (CommitFailedError, IllegalStateError):
        raise
    except OffsetOutOfRangeError as error:
        raise RecordsGone(f"{where}: the offset asked for is not in the log") from error
    except _TOO_LARGE as error:
        raise PermanentError(f"{where}: a record is larger than the topic takes") from error
    except TopicAuthorizationFailedError as error:
        raise Unavailable(f"{where}: not allowed", hint="look at the broker's ACLs") from error
    except AssertionError as error:  # aiokafka asserts that the partition exists
        raise ConfigurationError(f"{where}: there is no such partition") from error
    except (KafkaError, OSError) as error:
        raise Unavailable(f"{where}: {type(error).__name__}") from error


def _retrieved(future: asyncio.Future[Any]) -> None:
    """Take note of a future's error, so that asyncio does not report it as lost."""
    if not future.cancelled():
        future.exception()


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
