"""The promise under faults, the judge's own sharpness, and seeds that replay: the size for CI.

The full size is `make simulate`, all planted bugs are `make simulate-planted`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.schedule import play

SCHEDULES = 24
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.usefixtures("silence")
@pytest.mark.parametrize("part", range(4))
def test_no_query_stays_unanswered_and_nobody_sees_anything_twice(part: int) -> None:
    for seed in range(part, SCHEDULES, 4):
        played = play(seed, authors=40)
        assert played.verdict.problems == [], f"python -m tests.simulation tell {seed} --authors 40"
        assert played.verdict.queries > 30


@pytest.mark.usefixtures("silence")
def test_an_epoch_started_that_lands_late_voids_nothing() -> None:
    played = play(0)
    assert played.verdict.problems == []


def _python(seed: int, hash_seed: str) -> str:
    command = [sys.executable, "-m", "tests.simulation", "tell", str(seed), "--authors", "12"]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False, text=True)
    return done.stdout


def test_a_seed_replays_bit_for_bit_in_another_process() -> None:
    assert _python(5, "1") == _python(5, "2")


@pytest.mark.parametrize(
    "name",
    [
        "causes are not recorded",
        "an unknown outcome is tried again without a search",
        "a resolve closes what its sender's card did not show",
        "a lease expires while a reply is in flight",
    ],
)
def test_a_planted_bug_is_caught_and_its_seed_replays(name: str) -> None:
    number = next(place for place, bug in enumerate(BUGS) if bug.name == name)
    command = [sys.executable, "-m", "tests.simulation", "hunt", str(number), "--seeds", "12"]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert found["seed"] is not None
    assert found["replays"]


def test_every_place_of_a_planted_bug_is_still_there() -> None:
    for bug in BUGS:
        for edit in bug.edits:
            source = Path(f"{edit.module.replace('.', '/')}.py").read_text(encoding="utf-8")
            assert source.count(edit.old) == 1, (bug.name, edit.module)
