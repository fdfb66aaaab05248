"""The Slack responder as one role: what runs in it, in the order in which it is started.

cases.events ─▶ wake ─▶ executor (cards, alerts) and projection (edits) ─▶ Slack
cases.events ─▶ notices (who was first, what became of a reply)         ─▶ Slack
Slack ─▶ sockets ─▶ listeners ─▶ cases.commands

Promise: it ends within its drain budget when told to, with nothing half done that the ledger does
not know of; wrong tokens or a missing operations channel end it at once, with what to do.
"""

from __future__ import annotations

import asyncio
import contextlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import structlog

from careline.ledger.executor import Executor, ExecutorSettings
from careline.ledger.quarantine import Quarantine
from careline.ledger.store import Ledger
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.errors import CarelineError, ConfigurationError, RetryableError
from careline.runtime.kafka import Producer, Record
from careline.runtime.redis import connect
from careline.runtime.tasks import ended
from responders.slack.bolt import build_app
from responders.slack.client import Identity, SlackClient
from responders.slack.commanding import Commands
from responders.slack.config import OPS, SlackConfig
from responders.slack.desk import Desk
from responders.slack.errors import Answer, SlackFailed
from responders.slack.following import GROUP, Follower
from responders.slack.logview import LogView
from responders.slack.notices import Notices
from responders.slack.performer import SlackPerformer
from responders.slack.projection import Projection
from responders.slack.sockets import Sockets
from responders.slack.sweeper import Sweeper

EXECUTOR: Final = "slack"
_AGAIN_S: Final = 2.0
_POLL_S: Final = 1.0
_UNPACED_AT_ONCE: Final = 8
"""Messages under way in one channel where nothing limits them; a paced channel has one."""
_log = structlog.get_logger(__name__)


async def run_slack(
    config: SlackConfig, *, stop: asyncio.Event, clock: Clock | None = None
) -> None:
    """Serve people in Slack until told to stop.

    Raises:
        ConfigurationError: the tokens or the operations channel are wrong.
        Unavailable: Slack could not be reached by any socket for too long.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as stack:
        redis = connect(config.redis.get_secret_value())
        stack.push_async_callback(redis.aclose)
        producer = Producer(config.kafka, client_id=GROUP)
        stack.push_async_callback(producer.stop)
        client = SlackClient(config, clock=clock)
        stack.push_async_callback(client.stop)
        identity = await _introduced(client, config, stop, clock)
        if identity is None:
            return
        with contextlib.suppress(RetryableError):  # without Kafka the first click is slow, no more
            await producer.start()
        ledger = Ledger(redis, partitions=config.partitions)
        responder = _responder(config, client, ledger, producer, clock)
        stack.push_async_callback(responder.desk.commands.close)
        try:
            await responder.run(identity, stop)
        except ExceptionGroup as group:
            raise _first(group) from group


@dataclass(frozen=True, slots=True, kw_only=True)
class _Responder:
    """The parts of the running responder."""

    desk: Desk
    executor: Executor
    projection: Projection
    notices: Notices
    sweeper: Sweeper
    waking: Follower
    telling: Follower
    woken: _Woken

    async def run(self, identity: Identity, stop: asyncio.Event) -> None:
        config, clock = self.desk.config, self.desk.clock
        sockets = Sockets(build_app(config, self.desk, identity), config, clock)
        async with asyncio.TaskGroup() as group:
            endless = [
                group.create_task(self.waking.run(self._wake), name="slack wake"),
                group.create_task(self._project(), name="slack projection"),
                group.create_task(self.telling.run(self._tell), name="slack notices"),
                group.create_task(self.sweeper.run(), name="slack sweeper"),
                group.create_task(sockets.run(), name="slack sockets"),
            ]
            group.create_task(self.executor.run(stop), name="slack executor")
            await stop.wait()
            await asyncio.gather(self.waking.close(), self.telling.close())
            await ended(endless)

    async def _wake(self, batch: list[Record]) -> None:
        for record in batch:
            if self.woken.log.read(record) is not None:
                self.woken.shards.add(record.partition)
                self.executor.notify(record.partition)
        self.woken.event.set()

    async def _project(self) -> None:
        """Bring the cards of woken shards up to date; look at all of them now and then."""
        clock = self.desk.clock
        while True:
            shards = self.woken.shards & self.waking.shards() or self.waking.shards()
            self.woken.shards.clear()
            self.woken.event.clear()
            done = 0
            for shard in sorted(shards):
                try:
                    done += await self.projection.refresh_shard(shard)
                except RetryableError as error:
                    _log.info("cards not brought up to date", shard=shard, code=error.code)
                    await clock.sleep(_POLL_S)
            if not done:
                await self.woken.wait(_POLL_S)

    async def _tell(self, batch: list[Record]) -> None:
        for record in batch:
            event = self.woken.told.read(record)
            while event is not None:
                try:
                    await self.notices.tell(event)
                except RetryableError as error:
                    # Read again from Kafka it would be taken for a repeat: it is kept in hand.
                    _log.info("notice put off", code=error.code)
                    await self.desk.clock.sleep(_POLL_S)
                else:
                    break


class _Woken:
    """What was heard of since it was last looked at."""

    def __init__(self) -> None:
        self.shards: set[int] = set()
        self.event = asyncio.Event()
        self.log = LogView()
        self.told = LogView()

    async def wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.event.wait()
        except TimeoutError:
            return


def _responder(
    config: SlackConfig, client: SlackClient, ledger: Ledger, producer: Producer, clock: Clock
) -> _Responder:
    waking = Follower(config.kafka, GROUP, clock)
    sweeper = Sweeper(client, ledger, clock, landing=config.landing)
    executor = Executor(
        ledger,
        EXECUTOR,
        SlackPerformer(
            client,
            ledger,
            config,
            sweeper=sweeper,
            operations=Quarantine(producer, config.partitions, clock=clock),
        ),
        producer=producer,
        shards=waking.shards,
        settings=ExecutorSettings(
            request_timeout=config.request_timeout,
            landing=config.landing,
            search_every=max(1.0, config.landing),
            per_lane=1 if config.paced else _UNPACED_AT_ONCE,
        ),
        clock=clock,
    )
    return _Responder(
        desk=Desk(
            config=config,
            client=client,
            ledger=ledger,
            commands=Commands(producer),
            clock=clock,
        ),
        executor=executor,
        projection=Projection(client, ledger, executor.effects, clock),
        notices=Notices(client, ledger, clock),
        sweeper=sweeper,
        waking=waking,
        telling=Follower(config.kafka, f"{GROUP}-notices", clock, gather=True),
        woken=_Woken(),
    )


async def _introduced(
    client: SlackClient, config: SlackConfig, stop: asyncio.Event, clock: Clock
) -> Identity | None:
    """Learn who we are and check the channels; None if told to stop before Slack answered."""
    while not stop.is_set():
        try:
            identity = await client.start()
            await _check_channels(client, config)
        except SlackFailed as error:
            if error.verdict.answer in {Answer.BLOCKED, Answer.REFUSED}:
                raise ConfigurationError(
                    f"slack: {error.method} says {error.verdict.reason}",
                    hint="check CARELINE_SLACK__BOT_TOKEN and the app's scopes (docs/slack.md)",
                ) from error
            _log.warning("slack does not answer yet", reason=error.verdict.reason)
            await client.stop()
            await clock.sleep(error.verdict.retry_after or _AGAIN_S)
        else:
            return identity
    return None


async def _check_channels(client: SlackClient, config: SlackConfig) -> None:
    """See that operations has a channel, and say which others are not as they should be."""
    for queue, name in sorted(config.channels.items(), key=lambda one: one[0] != OPS):
        try:
            channel = await client.channel(name)
        except SlackFailed as error:
            if error.verdict.answer is not Answer.BLOCKED or error.verdict.reason in {
                "invalid_auth",
                "missing_scope",
            }:
                raise
            if queue == OPS:
                raise ConfigurationError(
                    f"slack: the channel {name!r} for {OPS!r} is not there for the app",
                    hint=f"create it, then /invite the app to #{name}",
                ) from error
            _log.error("channel is not there, its cards go to operations", queue=queue)
            continue
        if queue.endswith(":direct") and not channel.private:
            _log.error("channel for direct messages is not private, words are hidden", queue=queue)


def _first(group: ExceptionGroup[Exception]) -> Exception:
    """Return the error of ours in a group, else any of it."""
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            return _first(error)
        if isinstance(error, CarelineError):
            return error
    return group.exceptions[0]
