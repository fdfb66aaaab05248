"""The whole product on one machine, with every part of it within reach of a fault.

Promise: the roles are the product's own processes under its own supervisor, set up as an operator
would; Kafka and Valkey belong to the stand, so that they can be killed, frozen, cut and starved.
Nothing here asks the product how it fares: topics, ledger and the stand-ins' histories tell.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from careline.cli.demo import balance, stream
from careline.cli.demo.probe import INPUTS, Probe
from careline.cli.sandbox_process import Furniture
from careline.cli.stage import EMBEDDED_SESSION_S, ROLES, WATCHING, Stage, StagePlan
from careline.config import Account, Brand, CarelineConfig, Channels, Person
from careline.ledger.store import key
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import CarelineError, RetryableError
from careline.runtime.topics_admin import TopicsOnBroker, apply
from careline.sandbox.agents import AgentPlan, Agents
from careline.sandbox.slack.model import made_id
from schemas.topics import TOPICS
from tests.chaos.traffic import BRAND, Traffic
from tests.support.kafka.server import KafkaServer

PARTITIONS: Final = 16
AGENTS: Final = ("ana", "ben")
_CURSORS: Final = 3
"""Sources of a brand account, each of which says where it begins."""
_LOOK_S: Final = 0.05
_QUIET_S: Final = 0.6
_COUNTS: Final = 12
_STARTS: Final = 5
_RAN_WELL_S: Final = 21.0
"""After so long the supervisor starts a role again at once, as it does where nothing is wrong."""
_RUNS_WITHIN_S: Final = 300.0
SETTINGS: Final[Mapping[str, str]] = {
    "CARELINE_LOG_LEVEL": "info",
    "CARELINE_X__POLL_MIN_SECONDS": "0.1",
    "CARELINE_X__POLL_MAX_SECONDS": "1",
    "CARELINE_X__DIRECT_MESSAGES": "false",
    # What the stand-ins accept shows within 0.8 s at the latest.
    "CARELINE_SLACK__LANDING_SECONDS": "2",
    "CARELINE_X__LANDING_SECONDS": "2",
    "CARELINE_X__REPLY_UNSETTLED_SECONDS": "60",
    "CARELINE_AUDITOR__NIGHTLY_AT": "off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a stand consists of; one of the two brokers is there."""

    stage: Stage
    probe: Probe
    valkey: EmbeddedValkey
    valkey_files: Path
    embedded: EmbeddedKafka | None
    broker: KafkaServer | None
    agents: Agents | None


class Stand:
    """Everything that runs, and how to look at it."""

    def __init__(self, parts: Parts, *, full: bool) -> None:
        """Take what runs; `full`: faults last as long as the matrix says."""
        self.stage = parts.stage
        self.probe = parts.probe
        self.valkey = parts.valkey
        self.valkey_files = parts.valkey_files
        self.embedded = parts.embedded
        self.broker = parts.broker
        self.full = full
        self.traffic = Traffic(parts.stage.sandbox, partitions=PARTITIONS)
        self._agents = parts.agents
        self._started: dict[str, tuple[int, float]] = {}

    def signal(self, role: str, number: signal.Signals) -> int:
        """Send a signal to a role and return its pid, which runs."""
        pid = self.stage.supervisor.pids[role]
        os.kill(pid, number)
        return pid

    async def running(self, role: str) -> None:
        """Wait until a role has run long enough to be started again without a pause.

        Raises RetryableError: it does not stay up.
        """
        deadline = time.monotonic() + _RUNS_WITHIN_S
        while time.monotonic() < deadline:
            pid = self.stage.supervisor.pids.get(role)
            now = time.monotonic()
            if pid is not None:
                known, since = self._started.get(role, (0, now))
                if known != pid:
                    since = now
                self._started[role] = (pid, since)
                if now - since >= _RAN_WELL_S or self.stage.supervisor.starts[role] == 1:
                    return
            await asyncio.sleep(_LOOK_S)
        raise RetryableError(f"{role} has not stayed up within {_RUNS_WITHIN_S:g} s")

    async def start_valkey(self) -> None:
        """Bring Valkey back, as a supervisor does: again, if the machine was too busy for it."""
        for _ in range(_STARTS - 1):
            with contextlib.suppress(RetryableError):
                await self.valkey.start()
                return
        await self.valkey.start()

    def note_starts(self) -> None:
        """Remember since when each role has been running."""
        now = time.monotonic()
        for role, pid in self.stage.supervisor.pids.items():
            if self._started.get(role, (0, 0.0))[0] != pid:
                self._started[role] = (pid, now)

    async def next_commit(self, struck: asyncio.Future[float], *, within: float) -> float | None:
        """Return how long after the strike the ledger took in a record again; None: it did not."""
        before: int | None = None
        moment = await struck
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            with contextlib.suppress(CarelineError, OSError):
                taken_in = await self._taken_in()
                if before is not None and taken_in > before:
                    return time.time() - moment
                # After a FLUSHALL it begins at nothing.
                before = taken_in if before is None else min(before, taken_in)
            await asyncio.sleep(_LOOK_S)
        return None

    async def settled(self, *, within: float) -> float:
        """Wait until nothing is on its way; return the seconds. Raises RetryableError."""
        started = time.monotonic()
        quiet_since: float | None = None
        rest: Mapping[str, int] = {}
        while True:
            now = time.monotonic()
            with contextlib.suppress(CarelineError, OSError):
                standing = await self.probe.standing(sandbox_x=True)
                # A reply in doubt waits for its search; its query is open with a deadline.
                rest = {k: n for k, n in standing.on_the_way.items() if k != "replies"}
                idle = self._agents is None or self._agents.idle
                quiet_since = (quiet_since or now) if not rest and idle else None
                if quiet_since is not None and now - quiet_since >= _QUIET_S:
                    return quiet_since - started
            if now - started > within:
                raise RetryableError(f"after {within:g} s still on its way: {dict(rest)}")
            self.note_starts()
            await asyncio.sleep(_LOOK_S * 4)

    async def balance(self) -> balance.Report:
        """Count everything; what the connector has yet to hear of itself is waited for."""
        for _ in range(_COUNTS):
            summary = await self.stage.sandbox.get("summary", detail=1, event_type="careline_case")
            fed = balance.Fed(
                customers=len(self.traffic.posted_at), own=int(summary["x"]["own_posts"])
            )
            report = await balance.count(self.probe, summary, fed, seconds=0.0)
            if report.closes:
                break
            await asyncio.sleep(1)
        return report

    async def _taken_in(self) -> int:
        """Return how many records of its inputs the ledger has: one look at all shards."""
        ledger = self.probe.ledger
        pipeline = ledger.client.pipeline(transaction=False)
        for shard in range(PARTITIONS):
            pipeline.hmget(key(shard, "in"), [topic.name for topic in INPUTS])
        found = await ledger.asked(pipeline.execute())
        return sum(int(last) + 1 for row in found for last in row if last is not None)


@asynccontextmanager
async def a_stand(
    *,
    real_kafka: bool = False,
    full: bool = False,
    answered: float = 0.1,
    say: Callable[[str], None],
    roles: Mapping[str, Sequence[str]] | None = None,
) -> AsyncIterator[Stand]:
    """Start everything and wait until it is ready; agents answer a share of the cards."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="careline-chaos-")))
        valkey = await stack.enter_async_context(EmbeddedValkey(folder / "valkey"))
        embedded, broker = None, None
        if real_kafka:
            broker = await asyncio.to_thread(KafkaServer().__enter__)
            stack.push_async_callback(asyncio.to_thread, broker.close)
            where = TopicsOnBroker(bootstrap=broker.bootstrap, partitions=PARTITIONS, topics=TOPICS)
            await apply(where)
        else:
            topics = {topic.name: PARTITIONS for topic in TOPICS}
            embedded = await stack.enter_async_context(EmbeddedKafka(topics))
        bootstrap = broker.bootstrap if broker is not None else embedded.bootstrap  # type: ignore[union-attr]
        settings = dict(SETTINGS)
        if broker is None:
            settings["CARELINE_KAFKA__SESSION_SECONDS"] = EMBEDDED_SESSION_S
        plan = _plan(bootstrap, valkey.url, roles or {**ROLES, **WATCHING}, settings)
        stage = await stack.enter_async_context(Stage(plan, say=say))
        probe = await stack.enter_async_context(Probe(stage, executors=(f"x:{BRAND}",)))
        agents = None
        if answered:
            team = AgentPlan(agents=len(AGENTS), share=answered, names=AGENTS)
            agents = Agents(stage.sandbox["control_url"], team)
            await stack.enter_async_context(agents)
        await stream.ready(probe, cursors=_CURSORS)
        parts = Parts(
            stage=stage,
            probe=probe,
            valkey=valkey,
            valkey_files=folder / "valkey",
            embedded=embedded,
            broker=broker,
            agents=agents,
        )
        stand = Stand(parts, full=full)
        stand.note_starts()
        yield stand


def _plan(
    bootstrap: str,
    redis: str,
    roles: Mapping[str, Sequence[str]],
    settings: Mapping[str, str],
) -> StagePlan:
    channels = Channels(mentions="care", direct_messages="care-dms")
    config = CarelineConfig(
        brands=(Brand(name="Acme", accounts=(Account(network="x", handle=BRAND),)),),
        channels=channels,
        ops_channel="ops",
        people={name: Person(slack=made_id("U", name)) for name in AGENTS},
        groups={"backup": AGENTS, "manager": AGENTS[:1]},
    )
    return StagePlan(
        config=config,
        furniture=Furniture(
            channels=(channels.mentions, "ops"),
            private_channels=(channels.direct_messages,),
            users=AGENTS,
            brands=(BRAND,),
        ),
        partitions=PARTITIONS,
        kafka=bootstrap,
        redis=redis,
        roles=roles,
        settings=settings,
    )
