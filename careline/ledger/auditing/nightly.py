"""The nightly line: once a day the operations channel reads what the last 24 hours came to.

Promises: one line for each date, however often it is asked for and whoever asks: the first line of
a date is kept, and every repeat gives the same commands. It is an operations case that is opened
and closed at once, so its card is posted like any other: at least once, one copy to be seen.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final, cast

import structlog

from careline.domain.operations import NIGHTLY, operations_case
from careline.ledger.audit import Balance, sentence
from careline.ledger.fence import where
from careline.ledger.store import Ledger
from careline.runtime.clock import Clock
from careline.runtime.errors import RetryableError
from careline.runtime.kafka import Producer
from schemas.commands import (
    Actor,
    ActorKind,
    Command,
    Disposition,
    ReportUnreadable,
    ResolveCase,
)
from schemas.identity import NAMESPACE, shard_of_case
from schemas.packing import pack_command
from schemas.topics import CASES_COMMANDS

SPAN: Final = timedelta(hours=24)
_KEPT: Final = timedelta(days=7)
_LOOK_EVERY_S: Final = 30.0
_KEY: Final = "careline:auditor:nightly"
_ACTOR: Final = Actor(kind=ActorKind.EXECUTOR, id="auditor", name="auditor")
_log = structlog.get_logger(__name__)

Count = Callable[[datetime], Awaitable[Balance]]
"""Counts the balance of what was heard since then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What is told of a date."""

    date: str
    text: str
    hour: datetime

    @property
    def source(self) -> str:
        """What the operations case is about."""
        return f"{NIGHTLY} {self.date}"


class Nightly:
    """Tells the line of each day."""

    def __init__(
        self, ledger: Ledger, producer: Producer, count: Count, clock: Clock, *, at: time | None
    ) -> None:
        """Tell it at this time of day, in UTC; None: never."""
        self._ledger = ledger
        self._producer = producer
        self._count = count
        self._clock = clock
        self._at = at
        self._told = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Tell the line of each day until told to stop; counting goes on beside the rounds."""
        while not stop.is_set():
            try:
                await self.tell_if_due()
            except RetryableError as error:
                _log.warning("nightly line put off", code=error.code, why=str(error))
            except Exception as error:  # noqa: BLE001 - the task supervisor: it must go on
                _log.error("nightly line failed", code=type(error).__name__, where=where(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await stop.wait()

    async def tell_if_due(self) -> Line | None:
        """Tell the line of today if its time has come and nobody has; return what was told.

        Raises ``Unavailable`` or `LedgerUnavailable`: tell again.
        """
        now = self._clock.now().astimezone(UTC)
        if self._at is None or now.time() < self._at or self._told == f"{now:%F}":
            return None
        if await self._ledger.asked(self._ledger.client.get(f"{_KEY}:{now:%F}:told")):
            self._told = f"{now:%F}"
            return None
        line = await self._line(now, self._at)
        for command in self._commands(line):
            await self._send(command)
        await self._ledger.asked(
            self._ledger.client.set(f"{_KEY}:{line.date}:told", b"1", ex=_KEPT)
        )
        self._told = line.date
        _log.info("nightly line told", date=line.date)
        return line

    async def _line(self, now: datetime, at: time) -> Line:
        """Return the line of a date: the first one that was counted, whoever asks again."""
        name = f"{_KEY}:{now:%F}"
        known = await self._kept(name)
        if known is None:
            counted = sentence(await self._count(now - SPAN))
            await self._ledger.asked(
                self._ledger.client.set(name, counted.encode(), nx=True, ex=_KEPT)
            )
            known = await self._kept(name) or counted.encode()
        hour = now.replace(hour=at.hour, minute=0, second=0, microsecond=0)
        return Line(date=f"{now:%F}", text=known.decode(), hour=hour)

    async def _kept(self, name: str) -> bytes | None:
        return await self._ledger.asked(
            cast("Awaitable[bytes | None]", self._ledger.client.get(name))
        )

    def _commands(self, line: Line) -> tuple[Command, ...]:
        case = operations_case(
            line.source, line.text, line.hour, partitions=self._ledger.partitions
        )
        opened = ReportUnreadable(
            command_id=_id(line, "open"),
            case_id=case,
            issued_at=line.hour,
            actor=_ACTOR,
            reason=line.text,
            source=line.source,
            position=line.date,
            hour=line.hour,
        )
        closed = ResolveCase(
            command_id=_id(line, "close"),
            case_id=case,
            issued_at=line.hour,
            actor=_ACTOR,
            disposition=Disposition.NO_ANSWER_NEEDED,
            covers=(),
        )
        return opened, closed

    async def _send(self, command: Command) -> None:
        packed = pack_command(command, source="careline/auditor")
        shard = shard_of_case(command.case_id) or 0
        await self._producer.send(CASES_COMMANDS.name, shard, packed)


def _id(line: Line, what: str) -> str:
    return str(uuid.uuid5(NAMESPACE, f"nightly|{line.date}|{what}"))
