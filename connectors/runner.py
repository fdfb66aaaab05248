"""Runs every connector of a process: one supervised task for each source of each account.

Promise: an account in trouble holds up no other; what is wrong in the settings ends the process
with one clear error; on `stop` the pages under way get a few seconds, and what is cut off then is
read again at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from careline.ledger.executor import ExecutorSettings
from careline.ledger.quarantine import Quarantine
from careline.ledger.store import Ledger
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.errors import CarelineError, ConfigurationError
from careline.runtime.kafka import GroupReader, LogReader, Producer
from careline.runtime.redis import connect
from connectors.cursors import Cursors, PublishedCursors
from connectors.listening import BLOCKED_PAUSE_S, Desk, Listening, wait
from connectors.publisher import Publisher
from connectors.replay.connector import ReplayConnector
from connectors.replay.replies import ReplayReplies
from connectors.replies import ReplyDesk, group_of
from connectors.x.client import XSession
from connectors.x.connector import XConnector
from connectors.x.replies import XReplies
from schemas.topics import CASES_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from connectors.base import Connector, ConnectorHealth, ReplySender
    from connectors.config import ConnectorsConfig
    from connectors.watchlist import HashValue

CLIENT_ID: Final = "careline-connector"
REQUEST_GRACE_S: Final = 2.0
"""An executor waits a little longer than the HTTP session, which knows better what happened."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Running:
    """What a connector process does, for those who look at it."""

    health: dict[str, ConnectorHealth] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)


async def run_connectors(
    config: ConnectorsConfig,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
    running: Running | None = None,
    on_started: Callable[[str], None] | None = None,
) -> None:
    """Listen until `stop`, or until every source has ended.

    Raises ``ConfigurationError`` when something is set wrongly.
    """
    clock = clock or SystemClock()
    running = running or Running()
    async with contextlib.AsyncExitStack() as stack:
        furniture = await _furnish(config, stack, clock)
        timeout = max((each.request_timeout_s for each in config.x), default=30.0)
        session = await stack.enter_async_context(XSession(timeout_s=timeout))
        x = [XConnector(each, session, store=furniture.store, clock=clock) for each in config.x]
        replays = [ReplayConnector(each, clock=clock) for each in config.replay]
        for replay in replays:
            await replay.start()  # an unreadable file ends the process before anything is heard
        senders: list[ReplySender] = [XReplies(each) for each in x]
        for replay, its in zip(replays, config.replay, strict=True):
            if its.replies_path is not None:
                path = its.replies_path
                senders += [ReplayReplies(replay.network, one, path) for one in replay.accounts]
        connectors: list[Connector] = [*x, *replays]
        halt = asyncio.Event()
        work = [_keep(each, furniture.desk, running, halt, on_started) for each in connectors]
        if config.send_replies and senders:
            work.append(_send_replies(config, furniture, senders, halt))
        await _supervise(work, stop, halt, within=config.stop_within_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Furniture:
    producer: Producer
    store: HashValue
    ledger: Ledger
    desk: Desk


async def _furnish(
    config: ConnectorsConfig, stack: contextlib.AsyncExitStack, clock: Clock
) -> _Furniture:
    """Connect to Kafka and Redis; the stack closes everything."""
    producer = Producer(
        config.kafka_bootstrap,
        client_id=CLIENT_ID,
        timeout=config.kafka_timeout_s,
    )
    stack.push_async_callback(producer.stop)
    await producer.start()
    reader = LogReader(config.kafka_bootstrap, client_id=CLIENT_ID)
    stack.push_async_callback(reader.stop)
    await reader.start()
    redis = connect(config.redis_url)
    stack.push_async_callback(redis.aclose)
    cursors = Cursors(redis)
    reports = Quarantine(producer, config.partitions, spool=config.spool)
    desk = Desk(
        publisher=Publisher(producer, cursors, reports, partitions=config.partitions, clock=clock),
        cursors=cursors,
        published=PublishedCursors(reader, partitions=config.partitions),
        reports=reports,
        clock=clock,
        turns=asyncio.Semaphore(config.concurrent),
    )
    ledger = Ledger(redis, partitions=config.partitions)
    return _Furniture(producer=producer, store=redis, ledger=ledger, desk=desk)


async def _send_replies(
    config: ConnectorsConfig,
    furniture: _Furniture,
    senders: Sequence[ReplySender],
    stop: asyncio.Event,
) -> None:
    timeout = max((each.request_timeout_s for each in config.x), default=10.0)
    settings = ExecutorSettings(
        request_timeout=timeout + REQUEST_GRACE_S,
        landing=config.reply_landing_s,
        unsettled_after=config.reply_unsettled_s,
        search_every=config.reply_search_s,
        per_lane=config.replies_at_once,
        at_once=config.replies_at_once * 2,
    )
    events = GroupReader(
        config.kafka_bootstrap,
        CASES_EVENTS.name,
        group_of(senders),
        client_id=CLIENT_ID,
    )
    await events.start()
    try:
        replies = ReplyDesk(
            senders,
            ledger=furniture.ledger,
            producer=furniture.producer,
            events=events,
            settings=settings,
        )
        await replies.run(stop)
    finally:
        await events.stop()


async def _keep(
    connector: Connector,
    desk: Desk,
    running: Running,
    stop: asyncio.Event,
    on_started: Callable[[str], None] | None,
) -> None:
    """Start a connector, patiently, and listen to its sources."""
    name = f"{connector.network}:{connector.account}"
    if not isinstance(connector, ReplayConnector) and not await _started(
        connector, name, desk, stop
    ):
        return
    running.started.add(name)
    if on_started is not None:
        on_started(name)
    listening = [Listening(connector, source, desk) for source in connector.sources]
    running.health.update({each.where.key: each.health for each in listening})
    try:
        async with asyncio.TaskGroup() as group:
            for each in listening:
                group.create_task(each.run(stop), name=f"listen {each.where.key}")
    finally:
        await connector.stop()


async def _started(connector: Connector, name: str, desk: Desk, stop: asyncio.Event) -> bool:
    said = ""
    while not stop.is_set():
        try:
            async with desk.turns:
                await connector.start()
        except ConfigurationError:
            raise
        except CarelineError as error:
            if error.message != said:
                _log.error(
                    "connector cannot start", account=name, what=error.message, hint=error.hint
                )
            said = error.message
            await wait(stop, getattr(error, "retry_after", None) or BLOCKED_PAUSE_S / 10)
        else:
            return True
    return False


async def _supervise(
    work: list[Coroutine[Any, Any, None]],
    stop: asyncio.Event,
    halt: asyncio.Event,
    *,
    within: float,
) -> None:
    """Run all; after `stop` give them a while, then cut them off.

    `halt` is what the work itself looks at: a library under it may swallow a cancellation, and then
    only this ends its loop.
    """
    tasks = [asyncio.create_task(each) for each in work]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        pending: set[asyncio.Task[Any]] = set(tasks)
        while pending and not stop.is_set():
            done, _ = await asyncio.wait({*pending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            pending -= done
            _raise_first(done - {stopping})
        halt.set()
        if pending:
            done, _ = await asyncio.wait(pending, timeout=within)
            _raise_first(done)
    finally:
        halt.set()
        for task in (stopping, *tasks):
            task.cancel()
        await asyncio.wait([stopping, *tasks], timeout=within)


def _raise_first(done: set[asyncio.Task[Any]]) -> None:
    for task in done:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, BaseExceptionGroup):
            error = _innermost(error)
        if error is not None:
            raise error


def _innermost(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
