"""Row 18 of the fault matrix: the ledger's disk is empty after a restart, as of a new machine.

All cases come back from the log and the inputs, and nothing that stands on the far side is made a
second time.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from careline.domain.case import Case
from careline.domain.effects import Intent
from careline.ledger.effects import Attempt, Effects, PendingEffect
from careline.ledger.outcomes import Done, Report
from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.careline.ledger.test_executor import QUICK, FarSide, no_effects, pending, running
from tests.careline.ledger.test_recovery import a_busy_day, differences
from tests.support.ledger import LedgerWorld, until
from tests.support.stories import a_mention

EXECUTORS = ("slack", "x:acme")
UNSENT = 6


@dataclass
class Watched(FarSide):
    """A far side that notes who looked and who wrote, in order."""

    history: list[tuple[str, str]] = field(default_factory=list)

    async def perform(self, effect: Intent, case: Case, attempt: Attempt) -> Report:
        self.history.append(("write", effect.effect_id))
        return await super().perform(effect, case, attempt)

    async def lookup(self, effect: Intent, case: Case, *, since: datetime) -> Done | None:
        self.history.append(("look", effect.effect_id))
        return await super().lookup(effect, case, since=since)


async def all_done(world: LedgerWorld, far_sides: Sequence[FarSide]) -> None:
    """Let each executor carry out all it has to do."""
    for name, far in zip(EXECUTORS, far_sides, strict=True):
        async with running(world, far, executor=name, settings=QUICK):
            await until(lambda name=name: no_effects(world, name), what=name)  # type: ignore[misc]


async def written_and_died(world: LedgerWorld, far: FarSide, one: PendingEffect) -> None:
    """Make an effect's call, of which its process could tell nobody any more."""
    attempt = await Effects(world.ledger, one.intent.executor).attempt(one, hold=1)
    case = await world.ledger.read_case(one.intent.case_id)
    assert isinstance(attempt, Attempt)
    assert case is not None
    await far.perform(one.intent, case, attempt)


async def test_an_emptied_disk_is_rebuilt_without_a_difference_and_nothing_is_posted_twice(
    world: LedgerWorld, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    slack, network = Watched(), Watched()
    await a_busy_day(world, mentions=40)
    await world.drain_all()
    await all_done(world, (slack, network))
    told = set(slack.posts)
    now = datetime.now(UTC)
    for n in range(UNSENT):
        mention = a_mention(str(9000 + n), root=str(90 + n), author=str(90 + n), heard_at=now)
        await world.hear(mention)
    await world.pump()
    await world.drain_all()
    unsent = await pending(world)
    for one in unsent[::2]:
        await written_and_died(world, slack, one)
    before, replies = await world.cases(), list(network.posts)
    for far in (slack, network):
        far.history.clear()

    url = valkey.url
    await valkey.stop()
    shutil.rmtree(tmp_path / "valkey")
    await valkey.start()
    assert valkey.url == url
    assert await world.client.dbsize() == 0
    await world.recover_all()

    assert len(before) > 8
    assert differences(before, await world.cases()) == []
    await all_done(world, (slack, network))
    wanted = {one.effect_id for one in unsent}
    assert len(unsent) == UNSENT
    assert Counter(slack.posts) == dict.fromkeys(told | wanted, 1), "each card once"
    assert replies
    assert network.posts == replies
    assert network.history == []
    firsts = dict(reversed([(effect, did) for did, effect in slack.history]))
    assert firsts == dict.fromkeys(wanted, "look"), "nothing is attempted anew without a search"
    anew = {effect for did, effect in slack.history if did == "write"}
    assert anew == {one.effect_id for one in unsent[1::2]}
