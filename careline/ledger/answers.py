"""A command and what became of it: sent once, then its events or its refusal read from the log.

Promises: a command is stored before anybody waits for its answer; asking again under the same key
sends nothing and gives the first result. Giving up on waiting takes nothing back: the command
stands in Kafka and will be decided.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import Final

from careline.ledger.outbox import PARTS, Epochs
from careline.ledger.store import Ledger
from careline.runtime.clock import Clock, SystemClock
from careline.runtime.errors import ConfigurationError
from careline.runtime.kafka import LogReader, Producer, Record
from schemas.commands import Command
from schemas.envelope import Unreadable, header, unpack
from schemas.events import LOG, AuthorErased, CaseEvent, CommandRefused, EpochStarted
from schemas.identity import NAMESPACE, shard_of_case
from schemas.packing import pack_command
from schemas.topics import CASES_COMMANDS, CASES_EVENTS

_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command came to, as far as it is known."""

    events: tuple[CaseEvent, ...] = ()
    refusal: CommandRefused | None = None
    earlier: str = ""
    """The key was used before, and this is the first result: an event's id, or a refusal."""

    @property
    def known(self) -> bool:
        """Whether it was decided in time."""
        return bool(self.events or self.refusal or self.earlier)


def command_id(*parts: str) -> str:
    """Return the id of a command by who asks for what under which key."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(("shell", *parts))))


class Asker:
    """Sends commands and waits for their answers."""

    def __init__(
        self,
        ledger: Ledger,
        producer: Producer,
        reader: LogReader,
        *,
        source: str,
        clock: Clock | None = None,
    ) -> None:
        """Speak as ``source``, such as ``careline/shell``, through started clients."""
        self._ledger = ledger
        self._producer = producer
        self._reader = reader
        self._source = source
        self._clock = clock or SystemClock()

    async def ask(self, command: Command, *, within: float) -> Answer:
        """Send a command and return its answer, or an empty one after ``within`` seconds.

        Raises:
            ConfigurationError: the id names no case.
            Unavailable: nobody knows if it was stored; ask again under the same id.
        """
        shard = shard_of_case(command.case_id)
        if shard is None or shard >= self._ledger.partitions:
            raise ConfigurationError(
                f"{command.case_id} is no id of a case", hint="see: careline case list"
            )
        known = await self._ledger.result_of(command.command_id, shard)
        if known is not None:
            return Answer(earlier=known)
        position = await self._reader.end(CASES_EVENTS.name, shard)
        packed = pack_command(command, source=self._source)
        await self._producer.send(CASES_COMMANDS.name, shard, packed)
        return await self._answer(command.command_id, shard, position, within)

    async def _answer(self, cause: str, shard: int, position: int, within: float) -> Answer:
        epochs = Epochs()
        events: dict[int, CaseEvent] = {}
        end_at = self._clock.monotonic() + within
        while self._clock.monotonic() < end_at:
            end = await self._reader.end(CASES_EVENTS.name, shard)
            async for batch in self._reader.read(CASES_EVENTS.name, shard, position, end):
                for record in batch:
                    position = record.offset + 1
                    found = _of_cause(record, cause, epochs)
                    if isinstance(found, CommandRefused):
                        return Answer(refusal=found)
                    if found is not None:
                        events[found.index] = found
                        if len(events) >= int(header(record.headers, PARTS) or 1):
                            return Answer(events=tuple(events[index] for index in sorted(events)))
            await asyncio.sleep(_POLL_S)
        return Answer()


def _of_cause(record: Record, cause: str, epochs: Epochs) -> CaseEvent | CommandRefused | None:
    """Return what a record says of a cause; None if it is void or about something else."""
    if not epochs.admits(record.offset, record.headers):
        return None
    try:
        body = unpack(LOG, record.value)
    except Unreadable:
        return None
    if isinstance(body, EpochStarted | AuthorErased) or body.cause_id != cause:
        return None
    return body
