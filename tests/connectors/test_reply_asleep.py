"""A process that stood still between recording an attempt and sending a reply does not send it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from careline.domain.case import Case
from careline.domain.effects import Intent
from careline.ledger.effects import Attempt
from careline.ledger.executor import ExecutorSettings
from careline.ledger.outcomes import Done, NotDone, Report
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from connectors.base import ReplyTarget
from connectors.replies import ReplyPerformer
from tests.careline.ledger.test_executor import a_requested_reply, no_effects, running
from tests.support.ledger import LedgerWorld, ledger_world, until

SLEPT_S = 2.5


class Account:
    """A network's account that notes what is said."""

    executor = "x:acme"

    def __init__(self) -> None:
        self.said: list[str] = []

    async def reply(self, target: ReplyTarget, text: str) -> str:
        assert target.native_id == "100"
        self.said.append(text)
        return "900"

    async def find(
        self, target: ReplyTarget, text: str, *, since: datetime, adopted: frozenset[str]
    ) -> str | None:
        del target, text, since, adopted
        raise AssertionError("nothing is in doubt")


class Sleeper(ReplyPerformer):
    """Stands still while the ledger answers for the first time, as SIGSTOP has it."""

    came_to: list[tuple[int, Report]]

    async def perform(self, effect: Intent, case: Case, attempt: Attempt) -> Report:
        if not self.came_to:
            asyncio.get_running_loop().call_soon(time.sleep, SLEPT_S)
        report = await super().perform(effect, case, attempt)
        self.came_to.append((attempt.number, report))
        return report


@pytest.fixture
async def world(
    valkey: EmbeddedValkey, embedded_kafka: EmbeddedKafka
) -> AsyncIterator[LedgerWorld]:
    async with ledger_world(valkey, embedded_kafka) as found:
        await found.recover_all()
        yield found


async def test_who_slept_asks_again_whether_the_reply_is_still_wanted(world: LedgerWorld) -> None:
    case = await a_requested_reply(world)
    account = Account()
    performer = Sleeper(account, world.ledger)
    performer.came_to = []
    patient = ExecutorSettings(request_timeout=20.0)
    async with running(world, performer, executor="x:acme", settings=patient):
        await until(lambda: no_effects(world, "x:acme"), what="the reply")
    assert performer.came_to == [(1, NotDone(0.0)), (2, Done(channel="", native_id="900"))]
    assert account.said == ["on its way"]
    assert (await world.cases())[case.case_id].delivered == ("900",)
