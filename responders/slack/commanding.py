"""From a click to a command in Kafka, before anything is acknowledged.

Promise: `send` returns only when the command is stored; the same interaction, delivered twice, is
one command with one body; a command that could not be stored in time says so, and is safe to
repeat.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from datetime import timedelta
from typing import Final, Protocol

import structlog

from careline.runtime.errors import RetryableError
from schemas.commands import Actor, ActorKind, Command
from schemas.envelope import Packed
from schemas.identity import NAMESPACE, shard_of_case
from schemas.packing import pack_command
from schemas.topics import CASES_COMMANDS

BUDGET_S: Final = 2.2
"""Of Slack's three seconds, what storing may take."""
CLICK_VALID: Final = timedelta(minutes=10)
FORM_VALID: Final = timedelta(hours=1)
_REMEMBERED: Final = 10_000
_SOURCE: Final = "/careline/responders/slack"
_ACTOR: Final = "slack:"

_log = structlog.get_logger(__name__)


class NotStored(RetryableError):
    """The command was not stored in time; it may be yet, so repeating it must be harmless."""

    code = "command_not_stored"


class Sender(Protocol):
    """What a command is handed to: Kafka's producer; done when the record is acked."""

    async def send(self, topic: str, partition: int, packed: Packed) -> int:
        """Store one record and return its offset. Raises ``RetryableError``."""
        ...


class Commands:
    """Stores commands, each once, however often its interaction is delivered."""

    def __init__(self, producer: Sender, *, budget: float = BUDGET_S) -> None:
        """Remember where commands go."""
        self._producer = producer
        self._budget = budget
        self._sending: OrderedDict[str, asyncio.Task[int]] = OrderedDict()
        self._bodies: OrderedDict[str, Packed] = OrderedDict()

    async def send(self, command: Command) -> None:
        """Store a command. Raises ``NotStored``."""
        task = self._sending.get(command.command_id)
        if task is None or (task.done() and _failed(task)):
            task = asyncio.create_task(self._store(command), name="store command")
            task.add_done_callback(_note)
            self._sending[command.command_id] = task
        # Giving up on waiting must not cut a record off that is half way to the broker.
        done, _ = await asyncio.wait({task}, timeout=self._budget)
        if not done or _failed(task):
            raise NotStored("the command was not stored in time", hint="press again")

    async def close(self) -> None:
        """Wait for what is still under way."""
        await asyncio.gather(*self._sending.values(), return_exceptions=True)

    async def _store(self, command: Command) -> int:
        packed = self._bodies.get(command.command_id)
        if packed is None:
            packed = pack_command(command, source=_SOURCE)
            self._bodies[command.command_id] = packed
        for known in (self._sending, self._bodies):
            while len(known) > _REMEMBERED:
                known.popitem(last=False)
        partition = shard_of_case(command.case_id)
        if partition is None:
            raise NotStored("the command names no case")
        return await self._producer.send(CASES_COMMANDS.name, partition, packed)


def command_id(*parts: str) -> str:
    """Return the id of the command that an interaction becomes, the same for every delivery."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(("slack", *parts))))


def agent(user: str, name: str) -> Actor:
    """Return a Slack user as an actor."""
    return Actor(kind=ActorKind.AGENT, id=f"{_ACTOR}{user}", name=name)


def slack_user(actor: Actor) -> str:
    """Return the Slack user id of an actor, "" if it is none."""
    return actor.id.removeprefix(_ACTOR) if actor.id.startswith(_ACTOR) else ""


def _note(task: asyncio.Task[int]) -> None:
    """Take notice of a failure that nobody may be waiting for any more."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.warning("command not stored", error=type(error).__name__)


def _failed(task: asyncio.Task[int]) -> bool:
    return task.cancelled() or task.exception() is not None
