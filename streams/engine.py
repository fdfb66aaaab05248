"""What runs beside Faust in a worker: connections, shards, deadlines, outboxes, the watchdog.

Promises: it starts before the agents and stops after them; shards are recovered as they are
assigned, before anything is applied to them; every task is named, and one that ends by itself
ends the worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

import faust
import mode
import structlog

from careline.ledger import recovery
from careline.ledger.apply import Applier
from careline.ledger.fence import Fence
from careline.ledger.housekeeping import Housekeeper
from careline.ledger.outboxes import Sent, drain_once
from careline.ledger.overdue import overdue
from careline.ledger.quarantine import Quarantine
from careline.ledger.store import Ledger
from careline.runtime.kafka import LogReader, Producer
from careline.runtime.redis import connect
from careline.runtime.tasks import ended
from careline.triage.protocol import Judge
from schemas.commands import Command
from schemas.envelope import Packed
from schemas.topics import CASES_COMMANDS, MENTIONS_RECEIVED, MENTIONS_TRIAGED
from streams.agent import Body, Drain, add_agent
from streams.cases import CasesStage, missed_by_triage
from streams.config import WorkerConfig
from streams.deadlines import Deadlines
from streams.housekeeping import Housekeeping
from streams.outbox import OutboxSender
from streams.retry import insist
from streams.shards import Shards
from streams.triage import TriageStage
from streams.watchdog import Watchdog

_STOP_TIMEOUT_S: Final = 3.0

_log = structlog.get_logger(__name__)


class Engine(mode.Service):  # type: ignore[misc]
    """The worker's own half."""

    def __init__(
        self,
        app: faust.App,
        config: WorkerConfig,
        *,
        decision: Callable[[], Judge],
        drain: Drain,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Wire everything and register the agents; nothing is connected yet."""
        super().__init__(loop=loop)
        self._config = config
        self._drain = drain
        self._redis = connect(config.redis_url.get_secret_value())
        self._producer = Producer(
            config.bootstrap,
            client_id="careline-worker",
            timeout=config.kafka_timeout,
        )
        self._reader = LogReader(config.bootstrap, client_id="careline-worker")
        self._ledger = Ledger(self._redis, partitions=config.partitions)
        quarantine = Quarantine(self._producer, config.partitions, spool=config.spool)
        self._quarantine = quarantine
        self._triage = TriageStage(
            decision,
            self._producer,
            quarantine,
            partitions=config.partitions,
            budget=config.triage_budget,
            budget_each=config.triage_budget_each,
            vips=config.policy.vips,
        )
        self._applier = Applier(
            self._ledger,
            policy=config.policy,
            quarantine=quarantine,
            forward=self._forward,
            missed=missed_by_triage(self._reader, self._triage),
            remembered=self._triage.remembered,
        )
        self._shards = Shards(self._ledger, self._recover)
        self._outbox = OutboxSender(self._shards, self._send_outbox, every=config.outbox_poll)
        self._cases = CasesStage(
            self._applier,
            self._shards,
            self._outbox,
            replay=self._replay,
            quarantine=quarantine,
            leave=drain.leave,
        )
        self._deadlines = Deadlines(
            self._shards,
            self._applier.fire_due,
            self._outbox,
            overdue=self._overdue,
            partitions=config.partitions,
            every=config.deadline_poll,
            others_after=config.overdue_of_others,
        )
        self._housekeeping = Housekeeping(
            self._shards, Housekeeper(self._ledger).tidy, self._outbox
        )
        self._bodies = self._register(app)
        self._watchdog = Watchdog(app, self._bodies, self._shards, config=config)
        self._tasks: list[asyncio.Task[None]] = []
        self._told: set[tuple[str, int, int]] = set()
        app.skipped = self._skipped
        app.on_partitions_assigned.connect(self._on_assigned)
        app.on_partitions_revoked.connect(self._on_revoked)

    def _register(self, app: faust.App) -> tuple[Body, ...]:
        """Add the three agents; one for each topic, each with a total body."""
        config, cases = self._config, self._cases
        plan = (
            ("triage", MENTIONS_RECEIVED.name, self._triage, self._triage.refuse),
            (
                "cases-mentions",
                MENTIONS_TRIAGED.name,
                cases.work_on(MENTIONS_TRIAGED.name),
                cases.refuse,
            ),
            (
                "cases-commands",
                CASES_COMMANDS.name,
                cases.work_on(CASES_COMMANDS.name),
                cases.refuse,
            ),
        )
        bodies = []
        for name, topic, work, refuse in plan:
            body = Body(name, work, refuse=refuse, drain=self._drain)
            add_agent(app, topic, body, size=config.batch_size)
            bodies.append(body)
        return tuple(bodies)

    # -- life -------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Connect, then start what runs by itself."""
        await insist(self._producer.start, what="Kafka")
        await insist(self._reader.start, what="Kafka")
        await self._triage.start()
        self._supervise(
            "shards", self._shards.keep(lambda shard: self._outbox.wake([shard]), self._cases.lost)
        )
        self._supervise("deadlines", self._deadlines.run())
        self._supervise("outbox", self._outbox.run())
        self._supervise("housekeeping", self._housekeeping.run())
        self._supervise("watchdog", self._watchdog.run())

    async def on_stop(self) -> None:
        """Stop after the agents have stopped; what is left stands in the ledger."""
        await ended(self._tasks)
        with contextlib.suppress(TimeoutError):  # what is left waits for the next worker
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                self._outbox.wake(self._shards.owned)
                await self._outbox.send()
        await self._producer.stop()
        await self._reader.stop()
        await self._redis.aclose()
        await self._triage.close()

    def _supervise(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._drain.leave(f"{task.get_name()} ended by itself: {task.exception()!r}")

    # -- assignment -------------------------------------------------------------------------------

    async def _on_assigned(self, _app: Any, assigned: Iterable[Any], **_: Any) -> None:
        owned = {each.partition for each in assigned if each.topic == MENTIONS_TRIAGED.name}
        self._shards.own(owned)
        _log.info("assigned", shards=sorted(owned))

    async def _on_revoked(self, _app: Any, revoked: Iterable[Any], **_: Any) -> None:
        gone = {each.partition for each in revoked}
        self._shards.own(self._shards.owned - gone)

    # -- damage -----------------------------------------------------------------------------------

    async def _skipped(self, topic: str, partition: int, offset: int) -> range:
        """Return what a person has had skipped from there on; nothing: somebody has to look."""
        found = await self._reader.skips.run(topic, partition, offset)
        if not found and (topic, partition, offset) not in self._told:
            position = f"{partition}:{offset}"
            await self._quarantine.tell(source=topic, position=position, reason="damaged")
            self._told.add((topic, partition, offset))
        return found

    # -- seams to the ledger ----------------------------------------------------------------------

    async def _recover(self, shard: int) -> Fence:
        return await recovery.recover(
            self._ledger,
            shard,
            producer=self._producer,
            reader=self._reader,
            applier=self._applier,
        )

    async def _replay(self, shard: int, topic: str, start: int) -> None:
        await recovery.replay(
            self._ledger, shard, topic, start, reader=self._reader, applier=self._applier
        )

    async def _send_outbox(self, fences: Mapping[int, Fence]) -> Mapping[int, Sent]:
        return await drain_once(self._ledger, self._producer, fences)

    async def _forward(self, shard: int, _command: Command, packed: Packed) -> None:
        await self._producer.send(CASES_COMMANDS.name, shard, packed)

    async def _overdue(self, shards: Iterable[int], by: float) -> list[int]:
        return await overdue(self._ledger, shards, by=by)
