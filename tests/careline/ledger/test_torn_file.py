"""The ledger's file loses its end at a random byte, as in a power cut: nothing is lost for good."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.careline.ledger.test_recovery import a_busy_day, differences
from tests.support.ledger import LedgerWorld
from tests.support.scale import scaled
from tests.support.stories import a_mention

SEEDS = range(scaled(2, 20))


def tear(folder: Path, chance: random.Random) -> int:
    """Cut the end off the file that Valkey appends to; return how many bytes are gone."""
    (file,) = (folder / "appendonlydir").glob("*.incr.aof")
    size = file.stat().st_size
    torn = chance.randint(1, size - 1)
    os.truncate(file, size - torn)
    return torn


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_file_torn_at_any_byte_is_made_whole_from_the_log(
    world: LedgerWorld, valkey: EmbeddedValkey, tmp_path: Path, seed: int
) -> None:
    await a_busy_day(world, mentions=40, seed=seed)
    await world.drain_all()
    before = await world.cases()
    await valkey.kill()
    torn = tear(tmp_path / "valkey", random.Random(seed))
    await valkey.start()

    await world.recover_all()

    assert torn > 0
    assert len(before) > 5
    assert differences(before, await world.cases()) == []


async def test_what_was_torn_off_before_it_reached_the_log_is_decided_again(
    world: LedgerWorld, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    said = [a_mention(str(n), root=str(n), heard_at=now, created_at=now) for n in range(40)]
    for mention in said:
        await world.hear(mention)
    await world.pump()
    await valkey.kill()
    tear(tmp_path / "valkey", random.Random(3))
    await valkey.start()

    await world.recover_all()

    held = {
        each.mention_id: each.due_at
        for case in (await world.cases()).values()
        for each in case.open_obligations
    }
    assert held.keys() == {mention.mention_id for mention in said}
    assert len(set(held.values())) == 1, "time still runs from when they were heard"
