"""The chaos suite in small: the command that plays rounds of faults, on the embedded cluster."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from careline.cli.demo.balance import share
from tests.chaos import alerts
from tests.chaos.command import main
from tests.chaos.faults import FAULTS, by_turns
from tests.chaos.rounds import Round, summary

ROOT = Path(__file__).parents[2]
FEW = ("connector-kill", "valkey-tail-cut")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_some_rounds_of_faults_lose_nothing_and_show_nothing_twice() -> None:
    command = [sys.executable, "-m", "tests.chaos", "--rounds", str(len(FEW))]
    ran = subprocess.run(
        [*command, "--only", ",".join(FEW)],
        capture_output=True,
        check=False,
        cwd=ROOT,
        text=True,
        timeout=230,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    found = json.loads(ran.stdout)
    assert {each["fault"] for each in found["rounds"]} == set(FEW)
    assert found["posted"] > 0
    assert (found["lost"], found["duplicates"]) == (0, 0)
    assert all(each["card_s"] is not None for each in found["rounds"])


def test_thirty_rounds_are_enough_for_every_fault_of_a_broker() -> None:
    for real in (False, True):
        turns = by_turns((), real_kafka=real)
        names = [next(turns).name for _ in range(30)]
        assert len(set(names)) == len(FAULTS) - 1


def a_round(number: int, *, card_s: float | None = 1.0, lost: int = 0) -> Round:
    return Round(
        number=number,
        fault="worker-kill",
        posted=10,
        card_s=card_s,
        commit_s=0.5,
        settled_s=2.0,
        lost=lost,
        duplicates=0,
        took_s=5.0,
        load=1.0,
    )


def test_a_round_that_lost_something_does_not_close_and_is_counted() -> None:
    rounds = [a_round(1), a_round(2, lost=2, card_s=None)]
    assert [each.closes for each in rounds] == [True, False]
    row = summary(rounds)["worker-kill"]
    assert (row["rounds"], row["lost"], row["open"]) == (2, 2, 1)


def test_shares_are_of_what_was_measured() -> None:
    values = [float(n) for n in range(1, 101)]
    random.Random(1).shuffle(values)
    assert (share(values, 0.5), share(values, 0.99), share([], 0.5)) == (50.0, 99.0, None)
    row = summary([a_round(n, card_s=16.0) for n in range(3)])["worker-kill"]
    assert row["goal_kept"] is False


@pytest.mark.parametrize(
    "arguments",
    [
        ["--rounds", "0"],
        ["alerts", "--kills", "0"],
        ["alerts", "--alerts", "3", "--kills", "4"],
        ["--only", "broker-freeze"],
        ["--only", "no-such-fault"],
    ],
)
def test_a_run_that_could_show_nothing_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_alerts_that_met_no_misbehaviour_prove_nothing() -> None:
    found = alerts.Outcome(
        alerts=9,
        kills=3,
        faults=7,
        lost=0,
        duplicates=0,
        copies_removed=1,
        seconds=9.0,
        problems=[],
    )
    assert found.closes
    assert not replace(found, faults=0).closes
    assert not replace(found, lost=1).closes
