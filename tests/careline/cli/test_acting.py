"""A person at a shell acts on a case as in Slack: first claim wins, refusals say who and why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from careline.domain.case import CaseStatus
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import RetryableError
from schemas import commands as c
from schemas.envelope import unpack
from schemas.topics import CASES_COMMANDS
from tests.support.command import Ran, careline
from tests.support.ledger import PARTITIONS, LedgerWorld, ledger_world
from tests.support.stories import a_mention

CONFIG = """
brands: [{name: Acme, accounts: [{handle: acme}]}]
channels: {mentions: care, direct_messages: care-dms}
ops_channel: ops
people: {ana: {slack: U012AB3CD}, ben: {slack: U023BC4DE}}
"""


pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


class Shell:
    """A case, a worker that works when it is let, and `careline case`."""

    def __init__(self, world: LedgerWorld, folder: Path, settings: dict[str, str]) -> None:
        self.world = world
        self._folder = folder
        self._settings = settings
        self.ended = False

    async def work(self) -> None:
        while not self.ended:
            with suppress(RetryableError):
                await self.world.pump()
                await self.world.drain_all()
            await asyncio.sleep(0.05)

    async def case(self, verb: str, *arguments: str, name: str = "ana") -> Ran:
        """Run a verb on the only case."""
        case = await self.world.only_case()
        words = ("case", verb, case.case_id, "--as", name, *arguments)
        return await asyncio.to_thread(careline, *words, cwd=self._folder, **self._settings)


@pytest.fixture
async def shell(
    valkey: EmbeddedValkey, embedded_kafka: EmbeddedKafka, tmp_path: Path
) -> AsyncIterator[Shell]:
    (tmp_path / "careline.yaml").write_text(CONFIG, encoding="utf-8")
    settings = {
        "KAFKA__BOOTSTRAP_SERVERS": embedded_kafka.bootstrap,
        "KAFKA__PARTITIONS": str(PARTITIONS),
        "REDIS__URL": valkey.url,
    }
    async with ledger_world(valkey, embedded_kafka) as world:
        await world.recover_all()
        now = datetime.now(UTC)
        await world.hear(a_mention(heard_at=now, created_at=now))
        await world.pump()
        await world.drain_all()
        found = Shell(world, tmp_path, settings)
        task = asyncio.create_task(found.work())
        yield found
        found.ended = True
        await task


async def test_the_first_claim_wins_and_the_second_is_told_who_holds_it(shell: Shell) -> None:
    ran = await shell.case("claim", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["result"], ran.json["holder"]) == ("done", "ana")
    case = await shell.world.only_case()
    assert case.claim is not None
    assert case.claim.holder.id == "slack:U012AB3CD", "the same person as in Slack"

    ran = await shell.case("claim", name="ben")
    assert ran.code == 1
    assert ran.out.startswith("✗ claim")
    assert "already claimed by ana" in ran.out
    assert "held by ana until" in ran.out


async def test_a_reply_is_requested_with_what_was_open(shell: Shell) -> None:
    ran = await shell.case("reply", "--text", "It is on its way.", "--json")
    assert ran.code == 0, ran.err
    case = await shell.world.only_case()
    assert case.reply is not None
    assert case.reply.covers == ("x:acme:100",)
    effect = case.reply.effect_id
    shard = int(case.case_id[1:3])
    assert await shell.world.ledger.reply_text(effect, shard) == "It is on its way."
    again = await shell.case("reply", "--text", "And once more.", "--json")
    assert (again.code, again.json["reason"]) == (1, "reply_in_flight")


async def test_a_case_is_snoozed_escalated_and_resolved(shell: Shell) -> None:
    assert (await shell.case("snooze", "--for", "2h")).code == 0
    assert (await shell.world.only_case()).status is CaseStatus.SNOOZED
    assert (await shell.case("escalate")).code == 0
    assert (await shell.world.only_case()).ladder is not None
    ran = await shell.case("resolve", "--because", "handled_elsewhere", "--json")
    assert (ran.code, ran.json["status"]) == (0, "resolved")
    assert (await shell.case("release", "--json")).json["reason"] == "not_claimed"


async def test_the_same_key_is_carried_out_once(shell: Shell) -> None:
    first = await shell.case("escalate", "--key", "k1", "--json")
    second = await shell.case("escalate", "--key", "k1", "--json")
    assert (first.code, second.code) == (0, 0)
    assert "already" in second.json["says"]
    assert second.json["version"] == first.json["version"]
    sent = [
        body
        for shard in range(PARTITIONS)
        for record in await shell.world.records(CASES_COMMANDS.name, shard)
        if isinstance(body := unpack(c.COMMAND, record.value), c.EscalateCase)
    ]
    assert len(sent) == 1


async def test_what_is_not_decided_in_time_is_said_and_can_be_asked_for_again(shell: Shell) -> None:
    shell.ended = True
    await asyncio.sleep(0.2)
    ran = await shell.case("claim", "--wait", "0.5", "--key", "k2", "--json")
    assert (ran.code, ran.json["result"]) == (1, "pending")
    await shell.world.pump()
    await shell.world.drain_all()
    ran = await shell.case("claim", "--key", "k2", "--json")
    assert (ran.code, ran.json["holder"]) == (0, "ana")


async def test_a_case_that_has_moved_on_is_not_acted_on(shell: Shell) -> None:
    ran = await shell.case("claim", "--version", "1", "--json")
    assert (ran.code, ran.json["reason"]) == (1, "moved_on")
    assert (await shell.world.only_case()).claim is None


async def test_somebody_unknown_and_a_case_that_is_not_there_are_refused(shell: Shell) -> None:
    ran = await shell.case("claim", name="mallory")
    assert ran.code == 2
    assert "people: ana, ben" in ran.error
    nothing = ("case", "claim", "s01-3fa9c1d2e4b57788-1", "--as", "ana")
    ran = await asyncio.to_thread(careline, *nothing, cwd=shell._folder, **shell._settings)
    assert ran.code == 2
    assert "there is no case" in ran.error
    ran = await shell.case("reply", "--text", "  ")
    assert ran.code == 2
    assert "no words" in ran.error
