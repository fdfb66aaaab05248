"""Carries effects out: attempt recorded, call made, outcome reported; never repeated blindly.

Promises: no call without an attempt recorded at most 2 s before it; after an attempt of unknown
outcome nothing is called again before the far side was searched, late enough for the first call to
have landed; an outcome goes to `cases.commands.v1` under an id that every repeat shares, and the
entry leaves in its commit. If that report is lost, the search finds what stands and reports it
anew. Shared by the Slack responder and the reply senders; knows neither.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol, assert_never

import structlog

from careline.domain.case import Case
from careline.domain.effects import Intent
from careline.ledger.deadlines import urgency_of
from careline.ledger.effects import Attempt, Effects, NotNow, PendingEffect
from careline.ledger.fence import Fenced, where
from careline.ledger.lanes import Lane
from careline.ledger.outcomes import Blocked, Done, NotDone, Refused, Report, Unknown
from careline.ledger.store import Ledger
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.errors import RetryableError
from careline.runtime.kafka import Producer
from schemas.commands import Actor, ActorKind, Outcome, RecordOutcome
from schemas.identity import NAMESPACE
from schemas.packing import pack_command
from schemas.topics import CASES_COMMANDS

__all__ = [
    "Blocked",
    "Done",
    "Executor",
    "ExecutorSettings",
    "NotDone",
    "Performer",
    "Refused",
    "Report",
    "Unknown",
]

_log = structlog.get_logger(__name__)

_LATEST_CALL_S: Final = 2.0
"""Between the recorded attempt and its call; a later call might overlap with somebody's search."""
_NOT_IN_LOG_S: Final = 0.02
_GATHER_S: Final = 0.1
_POLL_S: Final = 1.0
_IN_HAND: Final = 16
"""How many times `at_once` may stand in line in memory; the rest waits in the ledger."""


class Performer(Protocol):
    """Makes the calls of one executor."""

    def lane(self, effect: Intent, case: Case) -> str:
        """Return what shares a limit with what, such as a channel."""
        ...

    async def perform(self, effect: Intent, case: Case, attempt: Attempt) -> Report:
        """Make the call once, without retries; an exception counts as `Unknown`."""
        ...

    async def lookup(self, effect: Intent, case: Case, *, since: datetime) -> Done | None:
        """Search the far side for this effect, done after ``since``; None: it is not there.

        Reads only. Raises if it cannot tell; then it is asked again later.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSettings:
    """Times and limits of an executor."""

    request_timeout: float = 10.0
    landing: float = 30.0
    """How late a call that was cut off may still take effect on the far side."""
    unsettled_after: float | None = None
    """Seconds after which an attempt that cannot be found needs a person's word, and is never
    repeated; None: what is not found was not done, and is attempted again."""
    search_every: float = 30.0
    blocked_pause: float = 60.0
    reported_pause: float = 60.0
    """How long an outcome may take to be committed before the far side is searched."""
    per_lane: int = 1
    at_once: int = 32

    @property
    def wait(self) -> float:
        """Seconds after an attempt before its outcome can be searched for."""
        return self.request_timeout + self.landing


class Executor:
    """The loop of one executor over the shards that are this process's."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        ledger: Ledger,
        executor: str,
        performer: Performer,
        *,
        producer: Producer,
        shards: Callable[[], Iterable[int]],
        settings: ExecutorSettings | None = None,
        clock: Clock | None = None,
    ) -> None:
        """``shards`` is asked at each pass: an assignment may change at any time."""
        self.effects = Effects(ledger, executor)
        self._ledger = ledger
        self._performer = performer
        self._producer = producer
        self._shards = shards
        self._settings = settings or ExecutorSettings()
        self._clock = clock or SystemClock()
        self._actor = Actor(kind=ActorKind.EXECUTOR, id=executor)
        self._lanes: defaultdict[str, Lane] = defaultdict(lambda: Lane(self._settings.per_lane))
        self._at_once = asyncio.Semaphore(self._settings.at_once)
        self._in_hand: set[str] = set()
        self._blocked: dict[str, str] = {}
        self._notified: set[int] = set()
        self._last = -1
        self._wake = asyncio.Event()

    def notify(self, shard: int) -> None:
        """Look at a shard at once: an event of it came in."""
        self._notified.add(shard)
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Carry effects out until told to stop; calls under way are waited for."""
        async with asyncio.TaskGroup() as calls:
            next_poll = 0.0
            while not stop.is_set():
                if self._clock.monotonic() >= next_poll:
                    self._notified.clear()
                    shards = set(self._shards())
                    next_poll = self._clock.monotonic() + _POLL_S
                else:
                    shards = self._notified & set(self._shards())
                    self._notified.clear()
                self._wake.clear()
                for shard in sorted(shards, key=lambda one: (one <= self._last, one)):
                    # Enough stand in line: the next poll goes on with the shard after the last.
                    if len(self._in_hand) >= self._settings.at_once * _IN_HAND:
                        break
                    await self._look(shard, calls)
                    self._last = shard
                await self._pause(stop, next_poll)

    async def _pause(self, stop: asyncio.Event, until: float) -> None:
        waits = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._wake.wait())]
        try:
            left = max(0.0, until - self._clock.monotonic())
            await asyncio.wait(waits, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _look(self, shard: int, calls: asyncio.TaskGroup) -> None:
        try:
            due = await self.effects.due(shard, self._settings.at_once * 4, without=self._in_hand)
        except Fenced:
            return  # its owner recovers it; nothing may be attempted meanwhile
        except RetryableError as error:
            _log.warning("effects not read", executor=self.effects.executor, reason=str(error))
            return
        for pending in due:
            if pending.effect_id not in self._in_hand:
                self._in_hand.add(pending.effect_id)
                calls.create_task(self._carry_out(pending), name=pending.effect_id)

    async def _carry_out(self, pending: PendingEffect) -> None:
        try:
            case = await self._ledger.read_case(pending.intent.case_id)
            if case is None:
                await self.effects.hold(pending, self._settings.search_every)
                return
            if pending.unknown:
                # A search reads only: it holds up no call, and many may share one.
                async with self._at_once:
                    if not await self._searched(pending, case):
                        return
            lane = self._lanes[self._performer.lane(pending.intent, case)]
            waited = lane.locked() or self._at_once.locked()
            async with lane.turn(urgency_of(case)), self._at_once:
                if waited:  # it may have changed while this effect stood in line
                    case = await self._ledger.read_case(pending.intent.case_id) or case
                called = await self._next_step(pending, case)
            if called is not None:
                await self._take_over(pending, *called)
        except RetryableError as error:
            _log.warning("effect left for later", effect=pending.effect_id, reason=str(error))
        except Exception as error:  # noqa: BLE001 - the task supervisor: one effect stops no other
            self._broken("effect failed", pending, error)
        finally:
            self._in_hand.discard(pending.effect_id)

    async def _next_step(self, pending: PendingEffect, case: Case) -> tuple[int, Report] | None:
        """Attempt it; return the attempt's number and what came of the call, if one was made."""
        started = self._clock.monotonic()
        attempt = await self.effects.attempt(pending, hold=self._settings.wait)
        match attempt:
            case NotNow():
                await self._not_now(pending, attempt)
            case Attempt() if self._clock.monotonic() - started > _LATEST_CALL_S:
                await self.effects.defer(pending, 0, attempts=attempt.number)
            case Attempt():
                allowed = replace(attempt, call_by=started + _LATEST_CALL_S)
                return attempt.number, await self._called(pending, case, allowed)
            case _:
                assert_never(attempt)
        return None

    async def _called(self, pending: PendingEffect, case: Case, attempt: Attempt) -> Report:
        try:
            async with asyncio.timeout(self._settings.request_timeout):
                return await self._performer.perform(pending.intent, case, attempt)
        except TimeoutError:
            return Unknown("timeout")
        except Exception as error:  # noqa: BLE001 - whatever broke, the call may have been made
            self._broken("call broke", pending, error)
            return Unknown(type(error).__name__)

    def _broken(self, what: str, pending: PendingEffect, error: Exception) -> None:
        """Log a bug by its kind and place: its words and frames may hold a customer's text."""
        code = type(error).__name__
        _log.error(what, effect=pending.effect_id, code=code, where=where(error))

    async def _searched(self, pending: PendingEffect, case: Case) -> bool:
        """Search for an attempt of unknown outcome; return whether it may be attempted again."""
        settings = self._settings
        at = pending.attempted_at or pending.now
        too_early = (at + timedelta(seconds=settings.wait) - pending.now).total_seconds()
        if too_early > 0:
            await self.effects.hold(pending, too_early)
            return False
        # Nobody else needs to search meanwhile.
        await self.effects.hold(pending, settings.search_every)
        try:
            found = await self._performer.lookup(pending.intent, case, since=pending.asked_at)
        except Exception as error:  # noqa: BLE001 - not being able to tell is an answer too
            _log.warning("search failed", effect=pending.effect_id, code=type(error).__name__)
            return False
        number = max(pending.attempts, 1)
        if found is not None:
            await self._take_over(pending, number, found)
            return False
        if settings.unsettled_after is None:
            await self.effects.defer(pending, 0, attempts=pending.attempts)
            return True
        if (pending.now - at).total_seconds() >= settings.unsettled_after:
            await self._report(pending, number, Outcome.UNSETTLED, reason="not found")
        return False

    async def _not_now(self, pending: PendingEffect, refused: NotNow) -> None:
        number = pending.attempts + 1
        match refused.reason:
            case "cancelled":
                await self._report(pending, number, Outcome.DROPPED, reason=refused.detail)
            case "too_late":
                why = self._blocked.get(pending.effect_id, "")
                reason = f"its time had passed; {why}" if why else "its time had passed"
                await self._report(pending, number, Outcome.DROPPED, reason=reason)
            case "not_in_log":
                loop = asyncio.get_running_loop()
                loop.call_later(_NOT_IN_LOG_S, self.notify, pending.shard)
            case _:  # gone, or somebody else's for the moment
                return

    async def _take_over(self, pending: PendingEffect, number: int, report: Report) -> None:
        match report:
            case Done():
                await self._report(pending, number, Outcome.DONE, done=report)
            case NotDone():
                await self.effects.defer(pending, report.retry_after, attempts=number)
            case Blocked():
                # The effect stays: whoever mends the access is all that it waits for.
                _log.error(
                    "effect blocked",
                    executor=self.effects.executor,
                    effect=pending.effect_id,
                    reason=report.reason,
                )
                self._blocked[pending.effect_id] = report.reason
                await self.effects.defer(pending, self._settings.blocked_pause, attempts=number)
            case Refused():
                await self._report(pending, number, Outcome.REFUSED, reason=report.reason)
            case Unknown():
                _log.warning(
                    "outcome unknown", effect=pending.effect_id, reason=report.reason, number=number
                )
                await self.effects.hold(pending, self._settings.wait)
            case _:
                assert_never(report)

    async def _report(
        self,
        pending: PendingEffect,
        number: int,
        outcome: Outcome,
        *,
        reason: str = "",
        done: Done | None = None,
    ) -> None:
        """Report an outcome; whoever comes too late with the same one only repeats it."""
        self._blocked.pop(pending.effect_id, None)
        intent = pending.intent
        command = RecordOutcome(
            command_id=str(uuid.uuid5(NAMESPACE, f"outcome|{intent.effect_id}|{number}|{outcome}")),
            case_id=intent.case_id,
            issued_at=self._clock.now(),
            actor=self._actor,
            effect_id=intent.effect_id,
            attempt=number,
            outcome=outcome,
            reason=reason,
            channel=done.channel if done else "",
            native_id=done.native_id if done else "",
            shown_version=done.shown_version if done else 0,
        )
        packed = pack_command(command, source=f"careline/executor/{self.effects.executor}")
        # Nobody waits for an outcome: those of one moment share a request, a batch, a commit.
        now = self._clock.monotonic()
        await self._clock.sleep(_GATHER_S - now % _GATHER_S)
        await self._producer.send(CASES_COMMANDS.name, pending.shard, packed)
        if outcome not in {Outcome.DONE, Outcome.REFUSED}:  # after a call its attempt still holds
            await self.effects.hold(pending, self._settings.reported_pause)
