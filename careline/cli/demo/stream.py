"""`careline demo --stream`: a file of real posts through the whole product, and the balance of it.

Promise: every line of the file is fed once; the run ends when nothing is on its way any more, or
says after a bound what still is. Scripted agents answer a seeded share. The figures come from
`balance`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from careline.cli.demo import balance
from careline.cli.demo.kills import Kill, carry_out
from careline.cli.demo.probe import Probe, Standing
from careline.cli.sandbox_process import Furniture
from careline.cli.stage import ROLES, Stage, StagePlan
from careline.config import Account, Brand, CarelineConfig, Channels, Person
from careline.runtime.errors import CarelineError, RetryableError
from careline.runtime.tasks import ended
from careline.sandbox.agents import AgentPlan, Agents
from careline.sandbox.feeder import Feeder, FeedPlan
from careline.sandbox.slack.model import made_id
from careline.sandbox.stream_files import Stream
from schemas.topics import DEAD_LETTERS, DEFAULT_PARTITIONS, MENTIONS_RECEIVED

AGENTS: Final = ("ana", "ben", "chloe", "dev")
CHANNELS: Final = Channels(mentions="care", direct_messages="care-dms")
OPS: Final = "ops"
_ANSWERED_SHARE: Final = 0.07
_BYTES_PER_LINE: Final = 8_000
_BYTES_PER_PARTITION: Final = 3_000_000
"""The embedded broker drops the oldest records of a partition above 5 MB; an even spread is no law.
"""
_SOURCES: Final = ("mentions", "own_posts", "changes")
_QUIET_S: Final = 1.5
_LOOK_S: Final = 0.5
_STUCK_S: Final = 120.0
_POLL_MAX_S: Final = 8.0
"""How rarely a quiet account is read; a post of its own is heard this late."""
_COUNTS: Final = 3
_UNCLEAR_S: Final = 60.0
_READY_S: Final = 90.0
_SETTLE_S: Final = 60.0
_IN_FLIGHT: Final = 300
"""Posts and cards on their way at a time: a queue in front of Slack would only measure itself."""
_BATCH: Final = 100
_AHEAD: Final = 700
"""Posts ahead of the connector: within the reach of X's mentions timeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlan:
    """How a stream is to be played."""

    stream: Stream
    file: Path
    speed: float | None = None
    direct: bool = False
    kills: Sequence[Kill] = ()
    kafka: str = ""
    redis: str = ""
    limit: int | None = None
    seed: int = 7


@dataclass(slots=True, kw_only=True)
class Run:
    """A stream on its way; what the progress line shows."""

    lines: int
    standing: Standing = field(default_factory=Standing)
    started: float = 0.0

    @property
    def share(self) -> float:
        """How much of the stream the ledger has taken in, 0 to 1."""
        applied = self.standing.applied.get("mentions.triaged.v1", 0)
        return min(1.0, applied / max(1, self.lines))


def partitions_for(lines: int) -> int:
    """Return enough partitions of the embedded broker for a stream of so many lines."""
    wanted = DEFAULT_PARTITIONS
    while wanted * _BYTES_PER_PARTITION < lines * _BYTES_PER_LINE:
        wanted *= 2
    return wanted


def stage_plan(plan: StreamPlan) -> StagePlan:
    """Return what is to run for a stream."""
    brands = plan.stream.brands or ["brand"]
    config = CarelineConfig(
        brands=tuple(
            Brand(name=name, accounts=(Account(network="x", handle=name),)) for name in brands
        ),
        channels=CHANNELS,
        ops_channel=OPS,
        people={name: Person(slack=made_id("U", name)) for name in AGENTS},
        groups={"backup": ("ana", "ben"), "manager": ("chloe",)},
    )
    roles = dict(ROLES)
    settings = {
        "CARELINE_LOG_LEVEL": "warning",
        "CARELINE_X__POLL_MIN_SECONDS": "0.1",
        "CARELINE_X__POLL_MAX_SECONDS": f"{_POLL_MAX_S:g}",
        "CARELINE_X__DIRECT_MESSAGES": "false",
        # After a kill some cards and replies are in doubt. What these stand-ins take shows at once,
        # and nobody waits a quarter of an hour for the end of it.
        "CARELINE_SLACK__LANDING_SECONDS": "5",
        "CARELINE_X__LANDING_SECONDS": "5",
        "CARELINE_X__REPLY_UNSETTLED_SECONDS": "60",
    }
    if plan.direct:
        roles["connector"] = ("connector", "replay")
        settings["CARELINE_REPLAY__FILE"] = str(plan.file.resolve())
        settings["CARELINE_REPLAY__SPEED"] = "max" if plan.speed is None else f"{plan.speed:g}"
        if plan.limit is not None:
            settings["CARELINE_REPLAY__LIMIT"] = str(plan.limit)
    return StagePlan(
        config=config,
        furniture=Furniture(
            channels=(CHANNELS.mentions, OPS),
            private_channels=(CHANNELS.direct_messages,),
            users=AGENTS,
            brands=() if plan.direct else tuple(brands),
        ),
        partitions=DEFAULT_PARTITIONS if plan.kafka else partitions_for(len(plan.stream.posts)),
        kafka=plan.kafka,
        redis=plan.redis,
        embedded_kafka=not plan.kafka,
        embedded_redis=not plan.redis,
        roles=roles,
        # It plays at once: what a worker finds at its first start it takes for begun before.
        late=frozenset({"connector"}) if plan.direct else frozenset(),
        settings=settings,
    )


async def play(
    plan: StreamPlan, stage: Stage, *, say: Callable[[str], None], progress: Callable[[Run], None]
) -> balance.Report:
    """Play a stream on a stage that runs, and count."""
    counts = plan.stream.counts
    run = Run(lines=counts["lines"])
    executors = tuple(f"x:{brand}" for brand in plan.stream.brands)
    async with AsyncExitStack() as stack:
        probe = await stack.enter_async_context(Probe(stage, executors=executors))
        share = 0.0 if plan.direct else _ANSWERED_SHARE
        agents = await stack.enter_async_context(
            Agents(stage.sandbox["control_url"], AgentPlan(share=share, seed=plan.seed))
        )
        sources = 0 if plan.direct else len(_SOURCES) * len(plan.stream.brands)
        await ready(probe, cursors=sources)
        say(f"✓ ready; {counts['lines']} lines are on their way")
        run.started = time.monotonic()
        stage.start_late()
        background = [
            asyncio.create_task(_watch(probe, run, progress, sandbox_x=not plan.direct)),
            asyncio.create_task(_kill(plan, stage, run, say)),
        ]
        stack.push_async_callback(ended, background)
        if not plan.direct:
            await _feed(plan, stage, run)
        await asyncio.wait_for(background[1], timeout=_STUCK_S * max(1, len(plan.kills) + 1))
        seconds = await _settle(run, agents, background[0], counts)
        await ended(background)
        say("counting…")
        for _ in range(_COUNTS):
            summary = await stage.sandbox.get("summary", detail=1, event_type="careline_case")
            own = counts["own"] if plan.direct else int(summary["x"]["own_posts"])
            fed = balance.Fed(customers=counts["customers"] + counts["malformed"], own=own)
            report = await balance.count(probe, summary, fed, seconds=seconds)
            if report.closes:
                break
            # A reply is on X before it is heard from there: nothing of ours shows that way.
            await asyncio.sleep(_POLL_MAX_S)
        report.figures["replies_unclear"] = run.standing.replies
        return report


async def ready(probe: Probe, *, cursors: int) -> None:
    """Wait until the connector has said where it begins, and the worker has all its shards.

    What a connector hears before its first cursor is no news; what a worker finds at its first
    start counts as begun by an earlier one, and is looked for in Slack before it is posted.
    """
    deadline, listening = time.monotonic() + _READY_S, False
    while True:
        # A machine that starts everything at once may answer late: look again.
        with contextlib.suppress(RetryableError):
            fences = await asyncio.gather(*map(probe.ledger.fence, range(probe.partitions)))
            listening = sum(await probe.ends(MENTIONS_RECEIVED)) >= cursors
            if listening and all(fence.healthy for fence in fences):
                return
        if time.monotonic() > deadline:
            who = "the worker" if listening else "the connector"
            raise RetryableError(f"{who} did not get ready in {_READY_S:g} s")
        await asyncio.sleep(_LOOK_S / 2)


async def settled(probe: Probe) -> None:
    """Wait until nothing has been on its way for a moment. Raises RetryableError."""
    deadline, quiet_since = time.monotonic() + _SETTLE_S, time.monotonic()
    standing = Standing()
    while True:
        now = time.monotonic()
        try:
            standing = await probe.standing(sandbox_x=True)
        except RetryableError:
            quiet_since = now  # nobody can tell: look again
        else:
            if standing.on_the_way:
                quiet_since = now
            elif now - quiet_since >= _QUIET_S:
                return
        if now > deadline:
            raise RetryableError(f"after {_SETTLE_S:g} s still on its way: {standing.on_the_way}")
        await asyncio.sleep(_LOOK_S / 2)


async def _feed(plan: StreamPlan, stage: Stage, run: Run) -> None:
    async def turn() -> None:
        while sum(run.standing.on_the_way.values()) > _IN_FLIGHT:
            await asyncio.sleep(_LOOK_S / 5)

    feeding = FeedPlan(speed=plan.speed, ahead=_AHEAD, batch=_BATCH, turn=turn)
    async with Feeder(stage.sandbox["control_url"], plan.stream, feeding) as feeder:
        await feeder.run()


async def _watch(
    probe: Probe, run: Run, progress: Callable[[Run], None], *, sandbox_x: bool
) -> None:
    while True:
        # While Valkey is being restarted nobody can be asked: look again.
        with contextlib.suppress(CarelineError, OSError):
            run.standing = await probe.standing(sandbox_x=sandbox_x)
        progress(run)
        await asyncio.sleep(_LOOK_S)


async def _kill(plan: StreamPlan, stage: Stage, run: Run, say: Callable[[str], None]) -> None:
    async def share() -> float:
        return run.share

    await carry_out(plan.kills, stage, share=share, say=say)


async def _settle(
    run: Run, agents: Agents, watching: asyncio.Task[None], counts: Mapping[str, int]
) -> float:
    """Wait until nothing is on its way; return the seconds that took. Raises RetryableError."""
    last, moved = Standing(), time.monotonic()
    quiet_since: float | None = None
    while True:
        if watching.done():
            await watching
        now, standing = time.monotonic(), run.standing
        if standing != last:
            last, moved = standing, now
        read = standing.ends.get(MENTIONS_RECEIVED.name, 0) >= counts["customers"] + counts["own"]
        heard = read and standing.ends.get(DEAD_LETTERS.name, 0) >= counts["malformed"]
        # A reply of unknown outcome is searched for 15 minutes, then a person says what became of
        # it; its query is open with a live deadline meanwhile, which the balance counts.
        unclear = set(standing.on_the_way) == {"replies"} and now - moved > _UNCLEAR_S
        if heard and agents.idle and (unclear or not standing.on_the_way):
            quiet_since = quiet_since or moved
            if now - quiet_since >= _QUIET_S:
                return quiet_since - run.started
        else:
            quiet_since = None
        if now - moved > _STUCK_S:
            rest = ", ".join(f"{name}: {number}" for name, number in standing.on_the_way.items())
            raise RetryableError(
                f"nothing has moved for {_STUCK_S:g} s; still on its way: {rest or 'some posts'}"
            )
        await asyncio.sleep(_LOOK_S / 2)
