"""A responder's host: careline's own `Executor` for Slack and for the network, and the cards.

Promise: the executor's rules are the real ones; only what needs an event loop (its tasks, its
timeout) is the world's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from functools import partial
from typing import Any, cast

from careline.domain.case import Case, ReplyState
from careline.domain.effects import SLACK, Intent
from careline.ledger.effects import Attempt, NotNow, PendingEffect
from careline.ledger.executor import Executor, ExecutorSettings, Performer
from careline.ledger.lanes import Lane
from careline.ledger.outcomes import Done, NotDone, Refused, Report
from careline.ledger.store import Ledger
from careline.runtime.clock import Clock
from careline.runtime.errors import RetryableError
from careline.runtime.kafka import Producer
from schemas.topics import CASES_EVENTS
from tests.simulation.outside import CHANNEL, Network, Shown, Slack
from tests.simulation.redis import SimLedger
from tests.simulation.stage import ACCOUNT, NETWORK, Stage
from tests.simulation.world import SECOND, Host, sleep

_LONGEST = 60.0
_MANY = 1_000_000
SETTINGS = ExecutorSettings(per_lane=_MANY, at_once=_MANY)
REPLIES = ExecutorSettings(per_lane=_MANY, at_once=_MANY, unsettled_after=300.0)


def shown(case: Case) -> Shown:
    """Return what a case's card shows."""
    unsettled = ""
    if case.reply is not None and case.reply.state is ReplyState.UNSETTLED:
        unsettled = case.reply.effect_id
    open_ids = tuple(found.mention_id for found in case.open_obligations)
    return Shown(case.version, open_ids, unsettled)


class SlackPerformer:
    """Posts cards and alerts."""

    def __init__(self, slack: Slack) -> None:
        """Speak to this Slack."""
        self._slack = slack

    def lane(self, _: Intent, __: Case) -> str:
        """One channel, no limit."""
        return CHANNEL

    async def perform(self, effect: Intent, case: Case, _: Attempt) -> Report:
        """Post."""
        return await self._slack.post(effect.effect_id, case.case_id, shown(case))

    async def lookup(self, effect: Intent, _: Case, *, since: datetime) -> Done | None:
        """Search the channel."""
        del since
        message = await self._slack.find(effect.effect_id)
        return None if message is None else Done(CHANNEL, message.ts, message.version)


class NetworkPerformer:
    """Sends replies."""

    def __init__(self, network: Network, ledger: Ledger, clock: Clock) -> None:
        """Speak to this network; texts stand in the ledger."""
        self._network = network
        self._ledger = ledger
        self._clock = clock

    def lane(self, _: Intent, __: Case) -> str:
        """One account, no limit."""
        return ACCOUNT

    async def perform(self, effect: Intent, case: Case, attempt: Attempt) -> Report:
        """Reply."""
        text = await self._ledger.reply_text(effect.effect_id, 0)
        if text is None:
            return Refused("its text is gone")
        if self._clock.monotonic() > attempt.call_by:
            return NotDone(0.0)
        return await self._network.reply(text, effect.subject, case.root)

    async def lookup(self, effect: Intent, _: Case, *, since: datetime) -> Done | None:
        """Search the own timeline."""
        del since
        text = await self._ledger.reply_text(effect.effect_id, 0)
        found = await self._network.find(text or "", effect.subject)
        return None if found is None else Done("", found.native_id)


class _Tasks:
    """Starts an executor's calls as processes of its host."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def create_task(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        """Start one."""
        self._host.spawn(name, work)


class SimExecutor(Executor):
    """The real executor without an event loop."""

    def __init__(self, *args: Any, **facts: Any) -> None:
        """Have lanes without end, which need not know whose they are: no circles."""
        super().__init__(*args, **facts)
        self._lanes.default_factory = partial(Lane, _MANY)

    async def loop(self, stage: Stage, host: Host) -> None:
        """Look at the effects when one is due, as `run` does."""
        name = f"effects:{self.effects.executor}"
        tasks = cast("asyncio.TaskGroup", _Tasks(host))
        dice = stage.world.dice(f"{name}/{host.name}/{stage.world.now}")
        while True:
            if not stage.responders.owns(host):
                await stage.responders.changed.wait(_LONGEST)
                continue
            entries = stage.redis.of(host).zsets.get(name)
            first = min(entries.values(), default=None) if entries else None
            left = _LONGEST if first is None else first / 1000 - stage.redis.clock() / SECOND
            if left > 0:
                await stage.kafka.signal(CASES_EVENTS.name).wait(min(left + 0.01, _LONGEST))
                await sleep(dice.uniform(0.3, 1.2))
            else:
                await self._look(0, tasks)
                # What is not in the log yet is looked at again when something is, or later.
                await stage.kafka.signal(CASES_EVENTS.name).wait(dice.uniform(1.0, 4.0))
                await sleep(dice.uniform(0.1, 0.5))

    async def _called(self, pending: PendingEffect, case: Case, attempt: Attempt) -> Report:
        return await self._performer.perform(pending.intent, case, attempt)

    async def _not_now(self, pending: PendingEffect, refused: NotNow) -> None:
        if refused.reason != "not_in_log":
            await super()._not_now(pending, refused)


class Responder:
    """The processes of one responder host."""

    def __init__(self, stage: Stage, host: Host) -> None:
        """Start."""
        self._stage = stage
        self._host = host
        self._ledger = SimLedger(stage.redis)
        self._dice = stage.world.dice(f"{host.name}/{stage.world.now}")
        slack = SlackPerformer(stage.slack)
        network = NetworkPerformer(stage.network, self._ledger, stage.clock)
        self._cards = self._executor(SLACK, slack, SETTINGS)
        replies = self._executor(f"{NETWORK}:{ACCOUNT}", network, REPLIES)
        host.spawn("cards", self._cards.loop(stage, host))
        host.spawn("replies", replies.loop(stage, host))
        host.spawn("refresh", self._refresh())

    def _executor(self, name: str, performer: Performer, settings: ExecutorSettings) -> SimExecutor:
        return SimExecutor(
            self._ledger,
            name,
            performer,
            producer=cast("Producer", self._stage.producer),
            shards=lambda: (0,),
            settings=settings,
            clock=self._stage.clock,
        )

    async def _refresh(self) -> None:
        """Edit the cards that show something old."""
        stage = self._stage
        while True:
            if not stage.responders.owns(self._host):
                await stage.responders.changed.wait(_LONGEST)
                continue
            await stage.kafka.signal(CASES_EVENTS.name).wait(_LONGEST)
            await sleep(self._dice.uniform(20.0, 40.0))
            if not stage.redis.of(self._host).zsets.get("refresh"):
                continue
            try:
                for case_id, _ in await self._cards.effects.refreshes(0):
                    case = await self._ledger.read_case(case_id)
                    if case is None or case.card is None:
                        continue
                    if case.card.ts in stage.slack.by_ts:
                        await stage.slack.update(case.card.ts, shown(case))
                    await self._cards.effects.refreshed(case_id, case.version)
            except RetryableError:
                await sleep(1.0)
