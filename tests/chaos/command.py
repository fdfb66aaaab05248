# ruff: noqa: T201 - a command line prints
"""The command line: rounds of faults by turns, or alerts against a hostile Slack.

Promise: exit 1 as soon as anything was lost, seen twice, or left open; times are told beside their
goals and decide nothing, because they depend on the machine. The table goes to standard error, one
JSON document to standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos import alerts, rounds
from tests.chaos.faults import FAULTS, by_turns
from tests.chaos.stand import Stand, a_stand

_SEED = 7
_ROUNDS_A_STAND = 30


def main(args: Sequence[str]) -> int:
    """Do what the arguments say; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("rounds", "alerts"), default="rounds")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", type=_names, default=(), help="faults, separated by commas")
    parser.add_argument("--alerts", type=int, default=600)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--kafka", action="store_true", help="on a real Apache Kafka")
    parser.add_argument("--full", action="store_true", help="faults as long as the matrix says")
    parser.add_argument("--keep", action="store_true", help="keep the logs of all roles")
    parser.add_argument("--seed", type=int, default=_SEED)
    chosen = parser.parse_args(args)
    if min(chosen.rounds, chosen.alerts, chosen.kills) < 1 or chosen.kills > chosen.alerts:
        parser.error("--rounds and --kills are at least 1, and there are no more kills than alerts")
    if not any(by_turns(chosen.only, real_kafka=chosen.kafka)):
        parser.error(f"no broker of this kind can do {', '.join(chosen.only)}: try the other one")
    play = _alerts if chosen.what == "alerts" else _rounds
    document, closes = asyncio.run(play(chosen, random.Random(chosen.seed)))
    print(json.dumps(document, indent=2))
    return 0 if closes else 1


async def _rounds(chosen: argparse.Namespace, rng: random.Random) -> tuple[dict[str, Any], bool]:
    """Play the rounds; the embedded broker forgets, so a new stand is built now and then."""
    turns = enumerate(by_turns(chosen.only, real_kafka=chosen.kafka), start=1)
    left = itertools.islice(turns, chosen.rounds)
    played: list[rounds.Round] = []
    posted = 0
    while part := list(itertools.islice(left, _ROUNDS_A_STAND)):
        async with (
            a_stand(real_kafka=chosen.kafka, full=chosen.full, say=_tell) as stand,
            _logs_of_a_failure(stand),
        ):
            for number, fault in part:
                one = await rounds.play(stand, number, fault, rng)
                played.append(one)
                _tell_round(one)
                if not one.closes:
                    break
            _keep(stand, wanted=chosen.keep or not played[-1].closes)
            posted += len(stand.traffic.posted_at)
        if not played[-1].closes:
            break
    rounds.table(played, _tell)
    closes = len(played) == chosen.rounds and all(one.closes for one in played)
    document = {
        "closes": closes,
        "broker": "real" if chosen.kafka else "embedded",
        "full": chosen.full,
        "seed": chosen.seed,
        "posted": posted,
        "lost": sum(one.lost for one in played),
        "duplicates": sum(one.duplicates for one in played),
        "by_fault": rounds.summary(played),
        "rounds": [asdict(one) for one in played],
    }
    return document, closes


def _tell_round(one: rounds.Round) -> None:
    times = ", ".join(
        f"{name} {value:.1f} s"
        for name, value in (
            ("card", one.card_s),
            ("commit", one.commit_s),
            ("settled", one.settled_s),
        )
        if value is not None
    )
    mark = "✓" if one.closes else "✗"
    _tell(f"{mark} {one.number:>3} {one.fault:<28} {times} ({one.took_s:.0f} s)")
    for problem in one.problems:
        _tell(f"      {problem}")


async def _alerts(chosen: argparse.Namespace, rng: random.Random) -> tuple[dict[str, Any], bool]:
    async with (
        a_stand(real_kafka=chosen.kafka, full=chosen.full, answered=0.0, say=_tell) as stand,
        _logs_of_a_failure(stand),
    ):
        found = await alerts.play(
            stand, alerts=chosen.alerts, kills=chosen.kills, rng=rng, say=_tell
        )
        _keep(stand, wanted=chosen.keep or not found.closes)
    _tell(
        f"{found.alerts} alerts, {found.kills} kills, {found.faults} faults of Slack in "
        f"{found.seconds:.0f} s: lost {found.lost}, visible duplicates {found.duplicates}, "
        f"copies removed {found.copies_removed}"
    )
    for problem in found.problems:
        _tell(f"  {problem}")
    return {"closes": found.closes, **asdict(found)}, found.closes


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part for part in text.split(",") if part)
    if unknown := set(names) - {fault.name for fault in FAULTS}:
        known = ", ".join(fault.name for fault in FAULTS)
        raise argparse.ArgumentTypeError(f"no such fault: {', '.join(unknown)}; there are {known}")
    return names


@asynccontextmanager
async def _logs_of_a_failure(stand: Stand) -> AsyncIterator[None]:
    """Keep the logs of what broke off: the folder that they stand in goes with the stand."""
    try:
        yield
    except Exception:
        _keep(stand, wanted=True)
        raise


def _keep(stand: Stand, *, wanted: bool) -> None:
    if not wanted:
        return
    kept = Path(tempfile.mkdtemp(prefix="careline-chaos-logs-"))
    for log in stand.stage.directory.glob("*.log"):
        shutil.copy(log, kept)
    _tell(f"the logs are kept in {kept}")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
