"""One safe producer: acknowledged by all replicas, idempotent, in order within a partition.

Promises: a send is done only when the broker has acknowledged it; what is not known to be done
raises `Unavailable`, and doing it again only makes a repeat. Nothing is retried here beyond what
the client does by itself within the timeout.

aiokafka's idempotent producer has sharp edges, dealt with here: it retries for ever, and after
certain errors its sequence numbers are torn and it is of no more use.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from careline.runtime.brokers import Where, client_options
from careline.runtime.errors import PermanentError
from careline.runtime.kafka_errors import Unavailable, translated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.envelope import Packed

_LINGER_MS: Final = 2
_BATCH_BYTES: Final = 256 * 1024  # well below the topics' max.message.bytes
_REQUEST_BYTES: Final = 1024 * 1024
_RECORD_BYTES: Final = 1_000_000  # of a value; the topics take 1 MiB with key and headers
_BACKOFF_MS: Final = 250
_CLOSE_TIMEOUT_S: Final = 2.0

_log = structlog.get_logger(__name__)


class Producer:
    """One idempotent ``acks=all`` producer, replaced by a new one after a fatal error."""

    def __init__(
        self,
        bootstrap: Where,
        *,
        client_id: str,
        timeout: float = 30.0,
    ) -> None:
        """Remember how to connect."""
        self._options = client_options(bootstrap, client_id=client_id)
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

        Concurrent calls share a request. Raises ``Unavailable`` when nobody knows if it was.
        """
        producer = await self._current()
        with translated(topic, partition):
            async with asyncio.timeout(self._timeout):
                future = await producer.send(
                    topic, packed.value, key=packed.key, partition=partition, headers=packed.headers
                )
        return await self._acknowledged(producer, future, topic, partition)

    async def send_batch(self, topic: str, partition: int, packed: Sequence[Packed]) -> int:
        """Send records in order and return the offset of the first once all are acknowledged.

        Raises ``Unavailable`` when that is unknown; a part from the front may then be written.
        Raises ``PermanentError``, before anything is sent, if a record is too large.
        """
        if not packed:
            raise ValueError("nothing to send")
        if max(len(one.value) for one in packed) > _RECORD_BYTES:
            raise PermanentError(f"{topic}[{partition}]: a record is larger than the topic takes")
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
            with translated(topic, partition):
                async with asyncio.timeout(self._timeout):
                    future = await producer.send_batch(batch, topic, partition=partition)
            # One chunk after the other: a refused one must not be followed by its successor.
            offset = await self._acknowledged(producer, future, topic, partition)
            first = offset if first is None else first
            start = end
        return first if first is not None else -1

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
            # Out of sequence, fenced, refused: its sequence numbers are torn (aiokafka #1017).
            await self._replace(producer, type(error).__name__)
        with translated(topic, partition):
            raise error

    async def _replace(self, producer: AIOKafkaProducer, reason: str) -> None:
        async with self._turn:
            if self._producer is not producer:
                return
            self._producer = None
        _log.warning("kafka producer replaced", reason=reason)
        await _close(producer, grace=0)


async def _close(producer: AIOKafkaProducer, *, grace: float) -> None:
    """Close a producer within a bound, whatever state it is in; fail what still waits for it."""
    if grace:
        with contextlib.suppress(KafkaError, OSError):
            async with asyncio.timeout(grace):
                await producer.stop()
                return
    # stop() flushes first, for ever while the broker is away. These are aiokafka 0.14's parts.
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


def _retrieved(future: asyncio.Future[Any]) -> None:
    """Take note of a future's error, so that asyncio does not report it as lost."""
    if not future.cancelled():
        future.exception()
