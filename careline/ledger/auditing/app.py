"""The auditor as one role: its clients, its round, its figures, its heartbeat, its nightly line.

Promise: it needs no worker and no Slack to look, and it listens on nothing but the loopback port
that was asked for; it ends when told to, in the middle of a round too, for it holds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime, time
from typing import Any, Final

import structlog
from pydantic import SecretStr

from careline.ledger.audit import Balance, audit
from careline.ledger.auditing.asking import Asking
from careline.ledger.auditing.auditor import Auditor, Pace
from careline.ledger.auditing.bounds import Bounds
from careline.ledger.auditing.heartbeat import Heartbeat
from careline.ledger.auditing.looking import Looker
from careline.ledger.auditing.metrics import AuditMetrics, served
from careline.ledger.auditing.nightly import Nightly
from careline.ledger.quarantine import Quarantine
from careline.ledger.store import Ledger
from careline.runtime.brokers import Where
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.errors import RetryableError
from careline.runtime.kafka import LogReader, Producer
from careline.runtime.kafka_offsets import GroupOffsets
from careline.runtime.redis import connect
from careline.runtime.tasks import ended

CLIENT_ID: Final = "careline-auditor"
_AGAIN_S: Final = 2.0
_STOP_WITHIN_S: Final = 5.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditorConfig:
    """What the auditor is told."""

    kafka: Where
    redis: SecretStr
    partitions: int
    group: str
    """The workers' consumer group."""
    pace: Pace = field(default_factory=Pace)
    bounds: Bounds = field(default_factory=Bounds)
    heartbeat_url: SecretStr | None = None
    metrics_port: int | None = None
    """0: any free one."""
    nightly_at: time | None = None


async def run_auditor(
    config: AuditorConfig, *, stop: asyncio.Event, clock: Clock | None = None
) -> None:
    """Audit until told to stop. Raises ConfigurationError: the port for the figures is taken."""
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        redis = connect(config.redis.get_secret_value())
        stack.push_async_callback(redis.aclose)
        producer = Producer(config.kafka, client_id=CLIENT_ID)
        reader = LogReader(config.kafka, client_id=CLIENT_ID)
        group = GroupOffsets(config.kafka, config.group, client_id=CLIENT_ID)
        for client in (producer, reader, group):
            stack.push_async_callback(client.stop)
            if not await _started(client, stop, clock):
                return
        ledger = Ledger(redis, partitions=config.partitions)
        looker = Looker(ledger, reader, group, bounds=config.bounds)
        metrics = AuditMetrics(looker.names)
        port = stack.enter_context(served(metrics, config.metrics_port))
        auditor = Auditor(
            looker,
            Asking(ledger, producer),
            Quarantine(producer, config.partitions, clock=clock),
            metrics=metrics,
            heartbeat=Heartbeat(config.heartbeat_url, clock),
            clock=clock,
            pace=config.pace,
        )

        async def count(since: datetime) -> Balance:
            return await audit(ledger, reader, partitions=config.partitions, since=since)

        nightly = Nightly(ledger, producer, count, clock, at=config.nightly_at)
        _log.info("auditor ready", invariants=len(looker.names), metrics_port=port)
        work = {"auditor rounds": auditor.run(stop), "nightly line": nightly.run(stop)}
        await _until_stopped(stop, work)


async def _until_stopped(
    stop: asyncio.Event, work: Mapping[str, Coroutine[Any, Any, None]]
) -> None:
    """Run both until told to stop; what is under way gets a moment, and needs no more."""
    tasks = [asyncio.create_task(each, name=name) for name, each in work.items()]
    try:
        await stop.wait()
        await asyncio.wait(tasks, timeout=_STOP_WITHIN_S)
    finally:
        await ended(tasks)


async def _started(
    client: Producer | LogReader | GroupOffsets, stop: asyncio.Event, clock: Clock
) -> bool:
    """Connect, however long Kafka is away; return whether that was before the end."""
    while not stop.is_set():
        try:
            await client.start()
        except RetryableError as error:
            _log.warning("waiting for Kafka", why=str(error))
            await clock.sleep(_AGAIN_S)
        else:
            return True
    return False
