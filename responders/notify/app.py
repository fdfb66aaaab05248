"""The second path as one role: woken by the log, driven by the ledger's set of effects.

Promise: it needs neither Slack nor a network: a ladder whose steps name a webhook or mail reaches
people while those are away. It ends when told to, with nothing half done that the ledger does not
know of; while Kafka or the ledger are away it waits.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Final

import structlog

from careline.domain.effects import NOTIFY
from careline.ledger.executor import Executor, ExecutorSettings
from careline.ledger.store import Ledger
from careline.runtime.brokers import Where
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.errors import RetryableError
from careline.runtime.kafka import GroupReader, Producer, Record
from careline.runtime.outbound import outbound_session
from careline.runtime.redis import connect
from responders.notify.config import NotifyConfig
from responders.notify.performer import NotifyPerformer
from schemas.envelope import TYPE_PREFIX, header
from schemas.topics import CASES_EVENTS

GROUP: Final = "careline-responder-notify"
_AGAIN_S: Final = 1.0
_GRACE_S: Final = 2.0
"""The executor waits a little longer than the call, which knows better what happened."""
_WAKING: Final = f"{TYPE_PREFIX}case.escalated.v1"
_PER_TARGET: Final = 4
_log = structlog.get_logger(__name__)


async def run_notify(
    config: NotifyConfig, *, stop: asyncio.Event, clock: Clock | None = None
) -> None:
    """Tell people by webhook and mail until told to stop."""
    clock = clock or SystemClock()
    if not config.webhooks and not config.mail:
        _log.warning("nobody is configured to be told: see notify: in careline.yaml")
    async with AsyncExitStack() as stack:
        redis = connect(config.redis.get_secret_value())
        stack.push_async_callback(redis.aclose)
        producer = Producer(config.kafka, client_id=GROUP)
        stack.push_async_callback(producer.stop)
        session = await stack.enter_async_context(outbound_session(timeout=config.request_timeout))
        waking = _Waking(config.kafka, clock)
        executor = Executor(
            Ledger(redis, partitions=config.partitions),
            NOTIFY,
            NotifyPerformer(config, session, clock),
            producer=producer,
            shards=waking.shards,
            settings=ExecutorSettings(
                request_timeout=config.request_timeout + _GRACE_S,
                landing=config.landing,
                per_lane=_PER_TARGET,
            ),
            clock=clock,
        )
        async with asyncio.TaskGroup() as group:
            reading = group.create_task(waking.run(executor, stop), name="notify wake")
            group.create_task(executor.run(stop), name="notify executor")
            await stop.wait()
            await waking.close()
            while not reading.done():  # a library below may swallow a cancellation
                reading.cancel()
                await asyncio.wait({reading}, timeout=_AGAIN_S)


class _Waking:
    """Follows the log: which shards are ours, and which have a step to be told."""

    def __init__(self, bootstrap: Where, clock: Clock) -> None:
        self._bootstrap = bootstrap
        self._clock = clock
        self._reader: GroupReader | None = None

    def shards(self) -> frozenset[int]:
        return self._reader.assigned if self._reader is not None else frozenset()

    async def run(self, executor: Executor, stop: asyncio.Event) -> None:
        while not stop.is_set():
            reader = GroupReader(self._bootstrap, CASES_EVENTS.name, GROUP, client_id=GROUP)
            try:
                await reader.start()
                self._reader = reader
                async for batch in reader.batches():
                    self._wake(executor, batch)
                    reader.done(batch)
            except RetryableError as error:
                _log.warning("log not followed, trying again", group=GROUP, code=error.code)
            finally:
                self._reader = None
                await reader.stop()
            if not stop.is_set():
                await self._clock.sleep(_AGAIN_S)

    def _wake(self, executor: Executor, batch: list[Record]) -> None:
        for record in batch:
            if header(record.headers, "type") == _WAKING:
                executor.notify(record.partition)

    async def close(self) -> None:
        if self._reader is not None:
            await self._reader.stop()
