# ruff: noqa: T201 - a command line prints
"""The command line: ``run`` many schedules, ``tell`` one, ``planted`` for all the bugs.

Promise: every figure printed is of schedules that were really played; a failing seed is played
again, shortened, and its story printed with the command that plays it.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import multiprocessing
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.simulation.bugs import BUGS
from tests.simulation.planter import Planter

_STORY_LINES = 60
_HUNTED = 400
_SHARED = ("aiokafka", "redis.asyncio", "structlog", "orjson", "schemas.events", "schemas.envelope")
"""What no bug touches: imported once for all hunts."""
_FEW = 40
"""Authors in the schedules of a hunt: most bugs show themselves at once."""
_TOLD_EVERY = 1_000
_COLLECTED_EVERY = 500


def main(args: Sequence[str]) -> int:
    """Do what the arguments say; return the exit status."""
    chosen = _parser().parse_args(args)
    match chosen.command:
        case "run":
            return _run(chosen)
        case "tell":
            return _tell(chosen)
        case "planted":
            return _planted(chosen.jobs, chosen.only, chosen.seeds, anew=chosen.anew)
        case "hunt":
            return _hunt(chosen.bug, chosen.seeds)
        case _:
            return _chunk(range(chosen.first, chosen.last, chosen.step), memo=not chosen.no_memo)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="play many schedules")
    run.add_argument("--schedules", type=int, default=10_000)
    run.add_argument("--first", type=int, default=0)
    run.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    run.add_argument("--no-memo", action="store_true", help="work everything out again, always")
    tell = commands.add_parser("tell", help="play one seed and print its story")
    tell.add_argument("seed", type=int)
    tell.add_argument("--authors", type=int)
    tell.add_argument("--without", type=_numbers, default=())
    tell.add_argument("--bug", type=int)
    tell.add_argument("--all", action="store_true", help="the whole story")
    planted = commands.add_parser("planted", help="find every planted bug")
    planted.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    planted.add_argument("--only", type=_numbers)
    planted.add_argument("--seeds", type=int, default=_HUNTED)
    planted.add_argument("--anew", action="store_true", help="do not try the known seeds first")
    hunt = commands.add_parser("hunt", help="find one planted bug; prints JSON")
    hunt.add_argument("bug", type=int)
    hunt.add_argument("--seeds", type=int, default=_HUNTED)
    chunk = commands.add_parser("chunk", help="play some seeds; prints JSON lines")
    chunk.add_argument("first", type=int)
    chunk.add_argument("step", type=int)
    chunk.add_argument("last", type=int)
    chunk.add_argument("--no-memo", action="store_true")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part)


# -- many schedules -------------------------------------------------------------------------------


def _run(chosen: argparse.Namespace) -> int:
    begun, cpu = time.monotonic(), os.times()
    last = chosen.first + chosen.schedules
    flags = ["--no-memo"] if chosen.no_memo else []
    found = list(
        _played(
            [("chunk", chosen.first + job, chosen.jobs, last, *flags) for job in range(chosen.jobs)]
        )
    )
    took, spent = time.monotonic() - begun, os.times()
    worked = spent.children_user + spent.children_system - cpu.children_user - cpu.children_system
    sums = {
        name: sum(one[name] for one in found)
        for name in ("cases", "queries", "answered", "closed", "open", "unanswered", "duplicates")
    }
    failing = sorted((one for one in found if one["problems"]), key=lambda one: one["seed"])
    words = ", ".join(f"{sums[name]:,} {name}" for name in sums)
    faults = sum(one["faults"] for one in found)
    print(f"{len(found):,} schedules, {faults:,} faults: {words}")
    print(
        f"{took:.1f} s on {chosen.jobs} processes, {worked:.1f} s of CPU: "
        f"{worked / max(len(found), 1) * 1e3:.1f} ms a schedule, "
        f"{worked / max(sums['cases'], 1) * 1e6:.0f} µs a case"
    )
    print(f"{len(failing)} schedules broke the promise")
    if len(found) != chosen.schedules:
        print(f"only {len(found)} of {chosen.schedules} schedules came to an end")
        return 1
    for one in failing:
        print(f"  seed {one['seed']}: {one['problems'][0]}")
    if failing:
        return _shortened(failing[0]["seed"])
    return 0


def _played(jobs: Sequence[tuple[object, ...]]) -> Iterator[dict[str, Any]]:
    """Start a process for each job; yield what they say of each schedule, as they say it."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def listen(job: tuple[object, ...]) -> None:
        command = [sys.executable, "-m", "tests.simulation", *map(str, job)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            for line in child.stdout or ():
                lines.put(line)
        lines.put(None)

    for job in jobs:
        threading.Thread(target=listen, args=(job,), daemon=True).start()
    count, left = 0, len(jobs)
    while left:
        line = lines.get()
        if line is None:
            left -= 1
            continue
        yield json.loads(line)
        count += 1
        if count % _TOLD_EVERY == 0:
            print(f"{count:,} schedules", file=sys.stderr, flush=True)


def _chunk(seeds: Collection[int], *, memo: bool) -> int:
    from tests.simulation.memo import Memo  # noqa: PLC0415 - a bug may be planted first
    from tests.simulation.schedule import play, quiet  # noqa: PLC0415

    quiet(for_good=True)
    if memo:
        Memo().install()
    # A world undoes nearly all of its circles itself; to look for the rest costs a whole schedule.
    gc.disable()
    for number, seed in enumerate(seeds, 1):
        played = play(seed, proving=False)
        if number % _COLLECTED_EVERY == 0:
            gc.collect()
        verdict = played.verdict
        facts = {name: getattr(verdict, name) for name in verdict.__slots__ if name != "problems"}
        facts |= {"seed": seed, "faults": len(played.faults), "problems": verdict.problems[:5]}
        print(json.dumps(facts), flush=True)
    return 0


# -- one schedule ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Short:
    authors: int
    without: tuple[int, ...]
    under: tuple[str, ...] = ()


def _smaller(short: _Short, faults: Sequence[int]) -> Iterator[_Short]:
    for size in (short.authors // 4, short.authors // 2, short.authors * 3 // 4):
        if 0 < size < short.authors:
            yield _Short(size, short.without)
    for fault in faults:
        yield _Short(short.authors, (*short.without, fault))


def _shortened(seed: int) -> int:
    """Leave out authors and faults as long as something is still broken, then tell the rest."""
    from tests.simulation.schedule import AUTHORS, play, quiet  # noqa: PLC0415

    quiet()
    short = _Short(AUTHORS, ())
    faults = [fault.number for fault in play(seed).faults]
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(short, [one for one in faults if one not in short.without]):
            played = play(seed, authors=candidate.authors, without=candidate.without)
            if played.verdict.problems:
                short, smaller = candidate, True
                break
    return _story(seed, short, everything=False)


def _tell(chosen: argparse.Namespace) -> int:
    if chosen.bug is not None:
        Planter(BUGS[chosen.bug]).plant()
    from tests.simulation.schedule import AUTHORS, quiet  # noqa: PLC0415

    quiet()
    under = BUGS[chosen.bug].under if chosen.bug is not None else ()
    short = _Short(chosen.authors or AUTHORS, tuple(chosen.without), under)
    return _story(chosen.seed, short, everything=chosen.all)


def _story(seed: int, short: _Short, *, everything: bool) -> int:
    from tests.simulation.schedule import play  # noqa: PLC0415

    played = play(
        seed, authors=short.authors, without=short.without, under=short.under, telling=True
    )
    left_out = ",".join(map(str, short.without))
    command = f"python -m tests.simulation tell {seed} --authors {short.authors}"
    print(f"\n{command}" + (f" --without {left_out}" if left_out else ""))
    cases = {problem.partition(":")[0] for problem in played.verdict.problems}
    lines = [
        f"{at / 1e6:10.3f} s  {text}"
        for at, text in played.story
        if everything or _concerns(text, cases)
    ]
    shown = lines if everything else lines[-_STORY_LINES:]
    print(*shown, sep="\n")
    print(*(played.verdict.problems or ["nothing is broken"]), sep="\n")
    print(f"fingerprint {played.fingerprint}")
    return 1 if played.verdict.problems else 0


_TOLD = (
    "***",
    "recover",
    "owns",
    "failover",
    "Redis",
    "under way",
    "breaks",
    "dies",
    "no work",
)


def _concerns(text: str, cases: Collection[str]) -> bool:
    return any(word in text for word in _TOLD) or any(case in text for case in cases)


# -- planted bugs ---------------------------------------------------------------------------------


def _planted(jobs: int, only: Sequence[int] | None, seeds: int, *, anew: bool) -> int:
    begun = time.monotonic()
    numbers = list(range(len(BUGS))) if only is None else list(only)
    for name in _SHARED:
        importlib.import_module(name)
    caught = 0
    # A process for each bug: a planted module stays planted.
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        for number, found in pool.imap_unordered(
            partial(_hunted_one, seeds=seeds, anew=anew), numbers, chunksize=1
        ):
            caught += found.replays
            print(f"{number:3} {BUGS[number].name}")
            if found.seed is None:
                print(f"      NOT CAUGHT {found.problem}", flush=True)
                continue
            again = "replays" if found.replays else "DOES NOT REPLAY"
            print(f"      seed {found.seed}, {again}: {found.problem}", flush=True)
    print(
        f"{caught} of {len(numbers)} planted bugs caught, each by a seed that replays, "
        f"in {time.monotonic() - begun:.0f} s"
    )
    return 0 if caught == len(numbers) else 1


@dataclass(frozen=True, slots=True)
class _Found:
    """What a hunt brought home."""

    seed: int | None = None
    problem: str = ""
    replays: bool = False


def _hunted_one(number: int, *, seeds: int, anew: bool) -> tuple[int, _Found]:
    try:
        return number, _hunted(number, seeds, anew=anew)
    except LookupError as error:
        return number, _Found(problem=f"{error}")


def _hunted(number: int, seeds: int, *, anew: bool = False) -> _Found:
    """Plant a bug in this process and play seeds until the judge says something."""
    bug = BUGS[number]
    Planter(bug).plant()
    from tests.simulation.memo import Memo  # noqa: PLC0415
    from tests.simulation.schedule import play, quiet  # noqa: PLC0415

    quiet()
    Memo().install()
    known = [] if bug.seed is None or anew else [bug.seed]
    for seed in (*known, *range(seeds)):
        played = play(seed, authors=_FEW, under=bug.under)
        if played.verdict.problems:
            again = play(seed, authors=_FEW, under=bug.under)
            same = again.verdict == played.verdict and again.fingerprint == played.fingerprint
            return _Found(seed, played.verdict.problems[0], same)
    return _Found()


def _hunt(number: int, seeds: int) -> int:
    found = _hunted(number, seeds)
    print(json.dumps({"seed": found.seed, "problem": found.problem, "replays": found.replays}))
    return 0
