"""Both hops in one Quix Streams process: triage each mention, commit in batches, send the events.

Promises: the same triage, the same decisions, the same ledger scripts and the same case events as
careline's worker; nothing is acknowledged to Kafka before it is committed and sent on. It is Quix
in the best form that was found: a sink that gathers what a checkpoint holds (one call of the commit
script a shard, all in one round trip) and librdkafka's own producer for everything.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Final, TypeVar

import uvloop
from confluent_kafka import Producer as ConfluentProducer
from quixstreams import Application, message_context
from quixstreams.sinks.base import BatchingSink, SinkBatch

from bench.judge import decision
from careline.domain.policy import Policy
from careline.ledger import outboxes, recovery
from careline.ledger.apply import Applier
from careline.ledger.fence import Fence
from careline.ledger.quarantine import Quarantine
from careline.ledger.store import Ledger
from careline.runtime.kafka import LogReader, Producer, Record
from careline.runtime.redis import connect
from careline.triage.decision import Decision
from schemas.envelope import Packed, unpack
from schemas.mentions import HEARD, MentionEdited, MentionReceived
from schemas.packing import pack_triaged
from schemas.topics import DEFAULT_PARTITIONS, MENTIONS_RECEIVED, MENTIONS_TRIAGED

COMMIT_EVERY: Final = 2_000
"""Messages of both topics in a checkpoint."""
COMMIT_WITHIN_S: Final = 0.5
T = TypeVar("T")


class Sender:
    """The one call that the outbox needs of a producer, on librdkafka."""

    def __init__(self, bootstrap: str) -> None:
        """Connect when something is sent."""
        self._producer = ConfluentProducer(
            {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1}
        )

    async def send_batch(self, topic: str, partition: int, packed: Sequence[Packed]) -> int:
        """Send records in order; return the offset of the first once all are acknowledged."""
        offsets: list[int] = []
        for one in packed:
            self._producer.produce(
                topic,
                value=one.value,
                key=one.key,
                partition=partition,
                headers=[*one.headers],
                on_delivery=lambda error, message: offsets.append(_offset(error, message)),
            )
        while len(offsets) < len(packed):
            self._producer.poll(0)
            await asyncio.sleep(0)
        return offsets[0]


class LedgerSink(BatchingSink):
    """Commits what a checkpoint holds to the ledger, and sends the events that follow."""

    def __init__(self, bootstrap: str, redis_url: str) -> None:
        """Prepare; `setup` connects."""
        super().__init__()
        self._bootstrap = bootstrap
        self._url = redis_url
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._fences: dict[int, Fence] = {}

    def setup(self) -> None:
        """Connect and bring every shard to life, as careline's worker does."""
        self._run(self._connect())

    async def _connect(self) -> None:
        self._ledger = Ledger(connect(self._url), partitions=DEFAULT_PARTITIONS)
        producer = Producer(self._bootstrap, client_id="bench-quix")
        reader = LogReader(self._bootstrap, client_id="bench-quix")
        await producer.start()
        await reader.start()
        self._applier = Applier(
            self._ledger,
            policy=Policy(),
            quarantine=Quarantine(producer, DEFAULT_PARTITIONS),
            forward=_nowhere,
        )
        for shard in range(DEFAULT_PARTITIONS):
            self._fences[shard] = await recovery.recover(
                self._ledger, shard, producer=producer, reader=reader, applier=self._applier
            )
        await reader.stop()
        await producer.stop()
        self._sender: Any = Sender(self._bootstrap)

    def write(self, batch: SinkBatch) -> None:
        """Commit one partition; `flush` commits all of them together."""
        self._run(self._commit({batch.partition: _records(batch)}))

    def flush(self) -> None:
        """Commit all partitions of the checkpoint in one round trip."""
        try:
            batches = {
                partition: _records(batch) for (_, partition), batch in self._batches.items()
            }
            if batches:
                self._run(self._commit(batches))
        finally:
            self._batches.clear()

    async def _commit(self, batches: Mapping[int, list[Record]]) -> None:
        applied = await self._applier.apply(MENTIONS_TRIAGED.name, batches)
        await asyncio.gather(
            *(
                outboxes.drain(self._ledger, self._sender, shard, self._fences[shard])
                for shard in applied.outbox
            )
        )

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)


def triaged(triager: Decision, value: bytes) -> Packed:
    """Return the triaged record of a received one, byte for byte as careline's worker makes it."""
    heard = unpack(HEARD, value)
    triage = b"null"
    if isinstance(heard, (MentionReceived, MentionEdited)):
        triage = triager.triage(heard.text).model_dump_json().encode()
    return pack_triaged(
        heard,
        value,
        triage,
        source="/careline/triage",
        extensions={"sourceoffset": str(message_context().offset)},
    )


def main(bootstrap: str, redis_url: str) -> None:
    """Run until SIGTERM."""
    app = Application(
        broker_address=bootstrap,
        consumer_group="bench-quix",
        auto_offset_reset="earliest",
        processing_guarantee="at-least-once",
        commit_every=COMMIT_EVERY,
        commit_interval=COMMIT_WITHIN_S,
        # librdkafka's CRC32 of the key: careline's own number of the shard.
        producer_extra_config={"partitioner": "consistent", "enable.idempotence": True},
        auto_create_topics=False,
        use_changelog_topics=False,
        loglevel="WARNING",
    )
    raw = {"value_deserializer": "bytes", "key_deserializer": "bytes"}
    received = app.topic(MENTIONS_RECEIVED.name, **raw)
    output = app.topic(
        MENTIONS_TRIAGED.name, value_serializer="bytes", key_serializer="bytes", **raw
    )
    triager = decision()
    first = app.dataframe(received).apply(lambda value: triaged(triager, value))
    first = first.set_headers(lambda packed, _key, _time, _headers: packed.headers)
    first.apply(lambda packed: packed.value).to_topic(output)
    app.dataframe(output).sink(LedgerSink(bootstrap, redis_url))
    app.run()


def _records(batch: SinkBatch) -> list[Record]:
    return [
        Record(
            topic=batch.topic,
            partition=batch.partition,
            offset=item.offset,
            key=item.key,
            value=item.value,
            headers=tuple(item.headers or ()),
            timestamp_ms=item.timestamp,
        )
        for item in batch
    ]


def _offset(error: Any, message: Any) -> int:
    if error is not None:
        raise RuntimeError(str(error))
    return int(message.offset())


async def _nowhere(*_: object) -> None:
    raise RuntimeError("the bench sends no command to another shard")


if __name__ == "__main__":
    main(*sys.argv[1:])
