"""The whole floor for tests: Kafka, Valkey, a worker's work, the sandbox's Slack, the responder.

Promise: all of it is real and on loopback; the worker's part (apply, deadlines, outbox) runs in the
test's own loop, so that a test can stop it, and every wait has an end that says what was seen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

from pydantic import SecretStr

from careline.domain.case import Case
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import RetryableError
from careline.sandbox import Sandbox, SandboxConfig
from careline.sandbox.slack import people
from careline.sandbox.slack.model import Channel, Message
from careline.sandbox.slack.payloads import Press
from careline.sandbox.slack.people import Outcome
from responders.slack.app import run_slack
from responders.slack.config import SlackConfig
from schemas.commands import COMMAND, Command
from schemas.envelope import unpack
from schemas.topics import CASES_COMMANDS
from tests.responders.slack.builders import a_config
from tests.support.ledger import PARTITIONS, LedgerWorld, ledger_world

Json = dict[str, Any]
T = TypeVar("T")


async def seen(ask: Callable[[], T | Awaitable[T]], within: float = 15.0) -> T:
    """Return what is asked for as soon as it is truthy; fail with the last answer."""
    deadline = time.monotonic() + within
    while True:
        answer = ask()
        found = await answer if isinstance(answer, Awaitable) else answer
        if found:
            return found
        assert time.monotonic() < deadline, f"never came about: {found!r}"
        await asyncio.sleep(0.02)


class Floor:
    """What tests look at and do."""

    def __init__(self, world: LedgerWorld, sandbox: Sandbox, config: SlackConfig) -> None:
        self.world = world
        self.sandbox = sandbox
        self.config = config
        self.workspace = sandbox.slack.workspace
        self.history = sandbox.history
        self.ana = self.workspace.user("ana").id
        self.ben = self.workspace.user("ben").id
        self.working = True
        self.ended = False

    @property
    def care(self) -> Channel:
        return self.workspace.channel("care")

    def cards(self, channel: str = "care") -> list[Message]:
        where = self.workspace.channel(channel)
        shown = [one for one in where.by_ts.values() if not one.deleted and one.metadata]
        return [one for one in shown if one.thread_ts is None]

    def thread(self, card: Message) -> list[Message]:
        return [one for one in card.replies if not one.deleted]

    async def card(self, channel: str = "care", *, having: str = "") -> Message:
        """Wait for a card that shows certain words."""
        return await seen(
            lambda: next((one for one in self.cards(channel) if having in words(one)), None)
        )

    async def press(self, card: Message, action: str, user: str = "", **more: Any) -> Outcome:
        act = Press(
            user=user or self.ana, channel=card.channel, ts=card.ts, action_id=action, **more
        )
        return await people.press(self.sandbox.slack, act)

    async def open(self, card: Message, action: str, user: str = "") -> Json:
        """Press a button that opens a form, and return the form."""
        done = await self.press(card, action, user, wait_view_s=3.0)
        assert done.ok, done
        assert done.view is not None, self.whispers()
        return done.view

    async def submit(self, view: Json, values: Json, user: str = "") -> Outcome:
        return await people.submit(
            self.sandbox.slack, user=user or self.ana, view_id=view["id"], values=values
        )

    def whispers(self, user: str = "") -> list[str]:
        notes = self.workspace.ephemerals
        return [note.text for note in notes if user in {"", note.ephemeral_for}]

    async def commands(self, kind: str = "") -> list[Command]:
        found: list[Command] = []
        for shard in range(PARTITIONS):
            for record in await self.world.records(CASES_COMMANDS.name, shard):
                command = unpack(COMMAND, record.value)
                if kind in {"", command.type}:
                    found.append(command)
        return found

    async def case(self, check: Callable[[Case], object]) -> Case:
        """Wait until the only case passes a check."""

        async def ask() -> Case | None:
            found = list((await self.world.cases()).values())
            return found[0] if found and check(found[0]) else None

        case = await seen(ask)
        assert case is not None
        return case

    async def work(self) -> None:
        """Do what a worker does, until ended (aiokafka swallows a cancellation now and then)."""
        while not self.ended:
            if self.working:
                with suppress(RetryableError):
                    await self.world.pump()
                    for shard in range(PARTITIONS):
                        await self.world.applier.fire_due(shard)
                    await self.world.drain_all()
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def responder(self, **changes: Any) -> AsyncIterator[None]:
        """Run a responder; leaving stops it cleanly."""
        stop = asyncio.Event()
        config = self.config.model_copy(update=changes)
        task = asyncio.create_task(run_slack(config, stop=stop), name="responder")
        try:
            sockets = self.sandbox.slack.sockets
            await seen(lambda: sockets.count >= config.connections or task.done())
            if task.done():
                await task
            yield
        finally:
            stop.set()
            async with asyncio.timeout(15):
                await task


def words(message: Message) -> str:
    """Return all that a message shows."""
    return message.text + str(message.blocks)


@asynccontextmanager
async def a_floor(
    valkey: EmbeddedValkey, kafka: EmbeddedKafka, **changes: Any
) -> AsyncIterator[Floor]:
    """Start everything but the responder."""
    policy = changes.pop("policy", None)
    settings = SandboxConfig(
        channels=("care", "ops"), private_channels=("care-dm",), users=("ana", "ben")
    )
    async with Sandbox(settings) as sandbox, ledger_world(valkey, kafka, policy) as world:
        await world.recover_all()
        config = a_config(
            base_url=sandbox.slack_api_url,
            kafka=kafka.bootstrap,
            redis=SecretStr(valkey.url),
            partitions=PARTITIONS,
            **changes,
        )
        floor = Floor(world, sandbox, config)
        task = asyncio.create_task(floor.work(), name="worker")
        try:
            yield floor
        finally:
            floor.ended = True
            await task
