"""Carries replies from the ledger to the networks: each brand account is one executor.

Delivery: the attempt is recorded before the call; a clear answer is final; an unclear one is looked
up on the network and adopted if it stands; what cannot be found in 15 minutes is for a person to
say. A reply is never sent a second time by itself. `cases.events.v1` only wakes the executors, the
ledger's set of effects is the truth.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from careline.domain.effects import network_executor
from careline.ledger.executor import (
    Blocked,
    Done,
    Executor,
    ExecutorSettings,
    NotDone,
    Refused,
    Report,
    Unknown,
)
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.errors import CarelineError, RetryableError
from careline.runtime.kafka import GroupReader, Producer, Record
from connectors import errors
from connectors.base import ReplySender, ReplyTarget
from schemas.envelope import TYPE_PREFIX, header
from schemas.mentions import Visibility

if TYPE_CHECKING:
    from datetime import datetime

    from careline.domain.case import Case
    from careline.domain.effects import Intent
    from careline.ledger.effects import Attempt
    from careline.ledger.store import Ledger

UNSETTLED_AFTER_S: Final = 900.0
FULL_LOOK_S: Final = 20.0
"""How often an executor looks at every shard, whatever the events say."""
HOT_S: Final = 30.0
"""How long a shard is looked at closely after an event of it."""
FRESH_MS: Final = 300_000
"""Older events wake nobody: the full look finds what is still open."""
_PAUSE_S: Final = 1.0
_WAKING: Final = f"{TYPE_PREFIX}reply.requested.v1"

_log = structlog.get_logger(__name__)


class ReplyPerformer:
    """Makes the calls of one brand account's executor."""

    def __init__(self, sender: ReplySender, ledger: Ledger, *, clock: Clock | None = None) -> None:
        """Speak through a network's sender, by the executor's clock."""
        self._sender = sender
        self._ledger = ledger
        self._clock = clock or SystemClock()

    def lane(self, effect: Intent, case: Case) -> str:  # noqa: ARG002 - the protocol's
        """Return what shares a limit: public replies, or direct messages."""
        return effect.kind

    async def perform(self, effect: Intent, case: Case, attempt: Attempt) -> Report:
        """Send the reply once."""
        text = await self._text(effect, case)
        if text is None:
            return Refused("the text of the reply is not there any more")
        if self._clock.monotonic() > attempt.call_by:
            # A reply cannot be taken back: whoever slept asks again whether it is still wanted.
            return NotDone(0.0)
        try:
            native_id = await self._sender.reply(_target(effect, case), text)
        except CarelineError as error:
            return report_of(error, first=attempt.number == 1)
        return Done(channel="", native_id=native_id)

    async def lookup(self, effect: Intent, case: Case, *, since: datetime) -> Done | None:
        """Search the network for the reply. Raises if that cannot be told now."""
        text = await self._text(effect, case)
        if text is None:
            raise errors.OutcomeUnknown("the text to look for is not there any more")
        native_id = await self._sender.find(
            _target(effect, case), text, since=since, adopted=frozenset(case.delivered)
        )
        return None if native_id is None else Done(channel="", native_id=native_id)

    async def _text(self, effect: Intent, case: Case) -> str | None:
        shard = int(case.case_id[1 : case.case_id.index("-")])
        return await self._ledger.reply_text(effect.effect_id, shard)


def report_of(error: CarelineError, *, first: bool) -> Report:
    """Return the class of an answer, by the table of design section 6."""
    match error:
        case errors.RateLimited():
            return NotDone(error.retry_after or _PAUSE_S)
        case errors.BudgetExhausted() | errors.AccessDenied():
            return Blocked(error.message)
        case errors.DuplicateText() if not first:
            return Unknown(error.message)
        case errors.Refused():
            return Refused(error.message)
        case _:
            return Unknown(error.message)


def _target(effect: Intent, case: Case) -> ReplyTarget:
    return ReplyTarget(
        native_id=effect.subject,
        conversation=case.root,
        direct=case.visibility is Visibility.DIRECT,
        author_id=case.author_id,
    )


class _Attention:
    """Which shards an executor looks at: those with news, and all of them now and then."""

    def __init__(self, owned: Callable[[], Iterable[int]]) -> None:
        self._owned = owned
        self._hot: dict[int, float] = {}
        self._full_at = 0.0
        self._known: set[int] = set()

    def heat(self, shard: int) -> None:
        self._hot[shard] = time.monotonic() + HOT_S

    def shards(self) -> set[int]:
        now = time.monotonic()
        owned = set(self._owned())
        if now >= self._full_at or owned != self._known:
            self._full_at = now + FULL_LOOK_S
            self._known = owned
            return owned
        self._hot = {shard: until for shard, until in self._hot.items() if until > now}
        return owned & set(self._hot)


class ReplyDesk:
    """The executors of all brand accounts of a process."""

    def __init__(
        self,
        senders: Sequence[ReplySender],
        *,
        ledger: Ledger,
        producer: Producer,
        events: GroupReader,
        settings: ExecutorSettings,
    ) -> None:
        """Take started collaborators; the reader's assignment says which shards are ours."""
        self._ledger = ledger
        self._events = events
        self._attention = {
            sender.executor: _Attention(lambda: events.assigned) for sender in senders
        }
        self._executors: Mapping[str, Executor] = {
            sender.executor: Executor(
                ledger,
                sender.executor,
                ReplyPerformer(sender, ledger),
                producer=producer,
                shards=self._attention[sender.executor].shards,
                settings=settings,
            )
            for sender in senders
        }

    async def run(self, stop: asyncio.Event) -> None:
        """Send replies until told to stop; calls under way are waited for."""
        async with asyncio.TaskGroup() as group:
            for name, executor in self._executors.items():
                group.create_task(executor.run(stop), name=f"replies {name}")
            waking = group.create_task(self._wake_up(), name="replies wake-up")
            await stop.wait()
            waking.cancel()

    async def _wake_up(self) -> None:
        while True:
            try:
                async for batch in self._events.batches():
                    for record in batch:
                        await self._look_at(record)
                    self._events.done(batch)
            except RetryableError as error:
                _log.warning("replies are not woken by events", reason=error.message)
                await asyncio.sleep(_PAUSE_S)

    async def _look_at(self, record: Record) -> None:
        if header(record.headers, "type") != _WAKING:
            return
        if time.time() * 1000 - record.timestamp_ms > FRESH_MS:
            return
        case = await self._ledger.read_case(header(record.headers, "subject") or "")
        name = "" if case is None else network_executor(case)
        executor = self._executors.get(name)
        if executor is not None:
            self._attention[name].heat(record.partition)
            executor.notify(record.partition)


def group_of(senders: Iterable[ReplySender]) -> str:
    """Return the consumer group: processes that serve the same accounts share their shards."""
    names = "\n".join(sorted(sender.executor for sender in senders))
    return f"careline-replies-{hashlib.sha256(names.encode()).hexdigest()[:8]}"
