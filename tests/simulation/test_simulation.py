"""The promise under faults, the judge's own sharpness, and seeds that replay: the size for CI.

The full size is `make simulate`, all planted bugs are `make simulate-planted`.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.faults import KINDS
from tests.simulation.memo import Memo
from tests.simulation.schedule import play

SCHEDULES = 40
NAMED = (
    "causes are not recorded",
    "an unknown outcome is tried again without a search",
    "a resolve closes what its sender's card did not show",
)
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def memo() -> Iterator[None]:
    """Remember what pure functions answered, in one test."""
    remembered = Memo()
    remembered.install()
    yield
    remembered.remove()


@pytest.mark.usefixtures("silence", "memo")
@pytest.mark.parametrize("part", range(2))
def test_no_query_stays_unanswered_and_nobody_sees_anything_twice(part: int) -> None:
    for seed in range(part, SCHEDULES, 2):
        played = play(seed, proving=False)
        assert played.verdict.problems == [], f"python -m tests.simulation tell {seed}"
        assert played.verdict.queries > 80
        assert played.verdict.cases > 80


@pytest.mark.usefixtures("silence", "memo")
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_fault_alone_and_often(kind: str) -> None:
    played = play(1, authors=20, under=(kind,), proving=False)
    assert played.verdict.problems == []
    assert {fault.kind for fault in played.faults} == {kind}


@pytest.mark.usefixtures("silence")
def test_what_is_remembered_changes_no_history() -> None:
    seeds = range(100, 104)
    worked_out = [play(seed, authors=30) for seed in seeds]
    remembered = Memo()
    remembered.install()
    try:
        # Twice: from an empty memory, and from one that knows it all.
        for _ in range(2):
            again = [play(seed, authors=30) for seed in seeds]
            assert [one.fingerprint for one in again] == [one.fingerprint for one in worked_out]
            assert [one.verdict for one in again] == [one.verdict for one in worked_out]
    finally:
        remembered.remove()


@pytest.mark.usefixtures("silence", "memo")
def test_a_world_that_has_ended_leaves_no_circles_behind() -> None:
    play(1, authors=20, proving=False)
    gc.collect()
    gc.disable()
    try:
        play(2, authors=20, proving=False)
        assert gc.collect() < 200
    finally:
        gc.enable()


def _python(seed: int, hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "tell", str(seed), "--authors", "12"]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, text=True)
    return done.stdout


def test_a_seed_replays_bit_for_bit_in_another_process() -> None:
    told = _python(5, "1")
    assert "fingerprint" in told
    assert told == _python(5, "2")


@pytest.mark.parametrize("name", NAMED)
def test_a_planted_bug_is_caught_and_its_seed_replays(name: str) -> None:
    number = next(place for place, bug in enumerate(BUGS) if bug.name == name)
    command = [sys.executable, "-m", "tests.simulation", "hunt", str(number), "--seeds", "12"]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert found["seed"] is not None
    assert found["replays"]


def test_every_place_of_a_planted_bug_is_still_there() -> None:
    for bug in BUGS:
        assert bug.seed is not None, bug.name
        for edit in bug.edits:
            source = Path(f"{edit.module.replace('.', '/')}.py").read_text(encoding="utf-8")
            assert source.count(edit.old) == 1, (bug.name, edit.module)
