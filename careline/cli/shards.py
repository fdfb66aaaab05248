"""The ledger opened to be changed: with Kafka and an applier, as a worker has them.

Promise: everything is checked before anything is changed, and closed whatever happens.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from careline import wiring
from careline.config import load_config
from careline.ledger.apply import Applier
from careline.ledger.quarantine import Quarantine
from careline.ledger.store import Ledger
from careline.runtime import topics_admin
from careline.runtime.kafka import LogReader, Producer
from careline.runtime.redis import assert_durable, connect
from careline.settings import Settings
from careline.triage.choice import chosen_decision
from schemas.commands import Command
from schemas.envelope import Packed
from schemas.topics import CASES_COMMANDS
from streams.cases import missed_by_triage
from streams.config import WorkerConfig
from streams.triage import TriageStage

_CLIENT = "careline-ledger"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """What it takes to change shards."""

    config: WorkerConfig
    ledger: Ledger
    producer: Producer
    reader: LogReader
    applier: Applier


@asynccontextmanager
async def opened_to_change(settings: Settings) -> AsyncIterator[Shards]:
    """Open everything. Raises ConfigurationError if a peer is missing or not as it must be."""
    config = wiring.worker_config(settings, load_config(settings.config))
    await topics_admin.require_topics(wiring.topics_on_broker(settings))
    producer = Producer(config.bootstrap, client_id=_CLIENT)
    reader = LogReader(config.bootstrap, client_id=_CLIENT)
    client = connect(settings.redis.url.get_secret_value())
    quarantine = Quarantine(producer, config.partitions, spool=config.spool)
    triage = TriageStage(
        partial(chosen_decision, config.triage),
        producer,
        quarantine,
        partitions=config.partitions,
        budget=config.triage_budget,
        budget_each=config.triage_budget_each,
        vips=config.policy.vips,
    )

    async def forward(shard: int, _: Command, packed: Packed) -> None:
        await producer.send(CASES_COMMANDS.name, shard, packed)

    ledger = Ledger(client, partitions=config.partitions)
    applier = Applier(
        ledger,
        policy=config.policy,
        quarantine=quarantine,
        forward=forward,
        missed=missed_by_triage(reader, triage),
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(triage.close)
        stack.push_async_callback(client.aclose)
        await assert_durable(client, dev=settings.dev)
        await producer.start()
        stack.push_async_callback(producer.stop)
        await reader.start()
        stack.push_async_callback(reader.stop)
        yield Shards(
            config=config, ledger=ledger, producer=producer, reader=reader, applier=applier
        )
