"""`python -m bench.deadlines`: how late a step is among 100,000 deadlines, and what a look costs.

Promises: worker, Kafka and Valkey are the product's own and real; a step is as late as its record
in `cases.events` is behind its time, by the record's timestamp; one that never comes is an error.
What a look costs is the server's own time, as a ratio of ten times as many entries to as many. It
writes `bench/deadlines.json` and one paragraph of the page.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from bench import machine, results
from bench.many_cases import case_id, fill
from bench.measure import Subject
from bench.peers import PARTITIONS, broker, fresh_topics, ledger
from bench.percentiles import percentile
from bench.report import PAGE, placed
from careline.ledger.store import Ledger
from careline.runtime.kafka import LogReader
from careline.runtime.redis import connect
from schemas.envelope import unpack
from schemas.events import LOG, CaseAtRisk
from schemas.topics import CASES_EVENTS
from tests.support.kafka.jars import missing_tool

FILE: Final = Path(__file__).parent / "deadlines.json"
BEGIN: Final = "<!-- deadlines: written by `make bench-deadlines` -->"
END: Final = "<!-- end of deadlines -->"
LATE_AT_MOST_S: Final = 2.0
RATIO_AT_MOST: Final = 1.5
TIMES_AS_MANY: Final = 10
_DUE_NOW: Final = 20
"""Entries of each shard that a look finds due."""
_LOOKS: Final = 160
_ROUNDS: Final = 15
_READY_S: Final = 180.0
_AFTER_S: Final = 120.0
_LEAD: Final = timedelta(seconds=20)
"""The cases that will fall due are written in this time, or nothing is measured."""
_FAR: Final = timedelta(hours=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    live: int
    per_second: int
    seconds: int
    burst: int
    """So many fall due in one and the same instant, as at the end of quiet hours."""


FULL: Final = Plan(live=100_000, per_second=50, seconds=60, burst=1_000)
QUICK: Final = Plan(live=5_000, per_second=20, seconds=5, burst=50)


async def lateness(plan: Plan, bootstrap: str, log: Path) -> dict[str, dict[str, float]]:
    """Return how late steps are, at a steady pace and all at once; the broker runs already."""
    await fresh_topics(bootstrap)
    async with ledger() as url, _ledger_at(url) as live:
        with Subject(["-m", "bench.subjects.worker", bootstrap, url], log=log) as worker:
            await _healthy(live, worker)
            far = datetime.now(UTC) + _FAR
            await fill(live, dict.fromkeys(range(plan.live), far))
            say(f"{plan.live:,} deadlines live")
            begin, rng = datetime.now(UTC) + _LEAD, random.Random(1)
            steady = {
                plan.live + number: begin + timedelta(seconds=rng.uniform(0, plan.seconds))
                for number in range(plan.per_second * plan.seconds)
            }
            await _written(live, steady, before=begin)
            late = await _fired(bootstrap, steady, worker)
            say(f"steady: {_figures(late)}")
            at = datetime.now(UTC) + _LEAD
            first = plan.live + len(steady)
            burst = dict.fromkeys(range(first, first + plan.burst), at)
            await _written(live, burst, before=at)
            late_at_once = await _fired(bootstrap, burst, worker)
            say(f"at once: {_figures(late_at_once)}")
    return {"steady": _figures(late), "burst": _figures(late_at_once)}


async def _written(live: Ledger, due: dict[int, datetime], *, before: datetime) -> None:
    """Write cases ahead of time: one written too late would be late by our own doing."""
    await fill(live, due)
    if datetime.now(UTC) >= before:
        raise RuntimeError("the machine is too busy: the cases were not written in time")


async def _healthy(live: Ledger, worker: Subject) -> None:
    """Wait until the worker cares for every shard."""
    until = time.monotonic() + _READY_S
    for shard in range(PARTITIONS):
        while not (await live.fence(shard)).healthy:
            if time.monotonic() > until:
                raise RuntimeError(f"no worker in time\n{worker.tail()}")
            _ = worker.pid
            await asyncio.sleep(0.1)


async def _fired(bootstrap: str, due: dict[int, datetime], worker: Subject) -> list[float]:
    """Return how late the step of each case was; wait until all have come."""
    wanted = {case_id(number % PARTITIONS, number): at for number, at in due.items()}
    until = max(due.values()) + timedelta(seconds=_AFTER_S)
    found: dict[str, float] = {}
    reader = LogReader(bootstrap, client_id="bench-deadlines")
    await reader.start()
    places = dict.fromkeys(range(PARTITIONS), 0)
    try:
        while wanted.keys() - found.keys():
            if datetime.now(UTC) > until:
                missing = len(wanted.keys() - found.keys())
                raise RuntimeError(f"{missing} of {len(wanted)} steps never came\n{worker.tail()}")
            await asyncio.sleep(1.0)
            for shard in range(PARTITIONS):
                places[shard] = await _read(reader, shard, places[shard], wanted, found)
    finally:
        await reader.stop()
    return sorted(found.values())


async def _read(
    reader: LogReader, shard: int, start: int, wanted: dict[str, datetime], found: dict[str, float]
) -> int:
    end = await reader.end(CASES_EVENTS.name, shard)
    async for records in reader.read(CASES_EVENTS.name, shard, start, end):
        for record in records:
            event = unpack(LOG, record.value)
            if isinstance(event, CaseAtRisk) and event.case_id in wanted:
                at = wanted[event.case_id].timestamp()
                found.setdefault(event.case_id, record.timestamp_ms / 1000 - at)
    return max(start, end)


def _figures(late: list[float]) -> dict[str, float]:
    return {
        "steps": len(late),
        "p50_s": round(percentile(late, 50), 3),
        "p99_s": round(percentile(late, 99), 3),
        "max_s": round(late[-1], 3),
    }


async def looks(live: int) -> dict[str, Any]:
    """Return what a look at the due-set costs the server, with so many entries and ten times."""
    sizes = (live, live * TIMES_AS_MANY)
    costs: dict[int, dict[str, list[float]]] = {
        size: {"nothing due": [], "20 due": []} for size in sizes
    }
    async with (
        ledger() as few_url,
        ledger() as many_url,
        _ledger_at(few_url) as few,
        _ledger_at(many_url) as many,
    ):
        ledgers = dict(zip(sizes, (few, many), strict=True))
        for size, each in ledgers.items():
            await _fill_with(each, size)
            say(f"{size:,} entries")
        for number in range(_ROUNDS):
            for size in sizes if number % 2 else sizes[::-1]:
                costs[size]["nothing due"].append(await _cost(ledgers[size], "overdue", 60_000))
                costs[size]["20 due"].append(await _cost(ledgers[size], "due", "", 400))
    # The least of all rounds: whatever else the machine does can only add to it.
    least = {
        str(size): {name: round(min(found), 1) for name, found in by_name.items()}
        for size, by_name in costs.items()
    }
    few_costs, many_costs = least.values()
    return {
        "server_us": least,
        "ratios": {name: round(many_costs[name] / few_costs[name], 2) for name in few_costs},
    }


async def _fill_with(live: Ledger, size: int) -> None:
    now = datetime.now(UTC)
    for shard in range(PARTITIONS):
        await live.scripts.run("set_epoch", shard, "", "1", 0)
    due = PARTITIONS * _DUE_NOW
    just_due = dict.fromkeys(range(due), now - timedelta(seconds=1))
    await fill(live, just_due | dict.fromkeys(range(due, size), now + _FAR))


async def _cost(live: Ledger, name: str, *args: str | int) -> float:
    """Return the microseconds of the server's time that a call of a script takes."""
    for shard in range(PARTITIONS):
        await live.scripts.run(name, shard, *args)
    await live.client.config_resetstat()
    for number in range(_LOOKS):
        await live.scripts.run(name, number % PARTITIONS, *args)
    stats = cast("dict[str, dict[str, float]]", await live.client.info("commandstats"))
    return float(stats["cmdstat_evalsha"]["usec_per_call"])


@asynccontextmanager
async def _ledger_at(url: str) -> AsyncIterator[Ledger]:
    client = connect(url)
    try:
        yield Ledger(client, partitions=PARTITIONS)
    finally:
        await client.aclose()


def run(plan: Plan) -> results.Results:
    """Measure everything; return the results."""
    before = machine.load()
    with tempfile.TemporaryDirectory(prefix="careline-bench-") as folder:
        with broker() as bootstrap:
            late = asyncio.run(lateness(plan, bootstrap, Path(folder) / "worker.log"))
        cost = asyncio.run(looks(plan.live))
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.revision(),
        "machine": machine.machine(),
        "load": {"before": before, "after": machine.load()},
        "settings": {"live": plan.live, "per_second": plan.per_second, "seconds": plan.seconds},
        "lateness": late,
        "looks": cost,
        "goals": goals_of(late, cost),
    }


def goals_of(late: results.Results, cost: results.Results) -> list[results.Results]:
    """Hold the figures against the goals."""
    held = [
        ("lateness p99 (s)", LATE_AT_MOST_S, late["steady"]["p99_s"]),
        ("lateness p99 (s), all at once", LATE_AT_MOST_S, late["burst"]["p99_s"]),
        *(
            (f"cost with {TIMES_AS_MANY} times as many, {name}", RATIO_AT_MOST, ratio)
            for name, ratio in cost["ratios"].items()
        ),
    ]
    return [
        {"what": what, "wanted": f"at most {most:g}", "found": found, "met": found <= most}
        for what, most, found in held
    ]


def paragraph(found: results.Results) -> str:
    """Return what the page says of a run."""
    settings, late, cost = found["settings"], found["lateness"], found["looks"]
    few, many = cost["server_us"].values()
    said = ", ".join(
        f"{name}: {few[name]:g} → {many[name]:g} µs (ratio {cost['ratios'][name]:g})"
        for name in few
    )
    return (
        f"Measured at commit `{found['commit']}`, load average before {found['load']['before']:g}, "
        f"after {found['load']['after']:g}. With {settings['live']:,} live deadlines and "
        f"{settings['per_second']} a second falling due, a step is in the log "
        f"p50 {late['steady']['p50_s']:g} s, p99 {late['steady']['p99_s']:g} s, at most "
        f"{late['steady']['max_s']:g} s after its time ({late['steady']['steps']:,} steps; wanted: "
        f"p99 at most {LATE_AT_MOST_S:g} s). {late['burst']['steps']:,} that fall due in one "
        f"instant: p50 {late['burst']['p50_s']:g} s, p99 {late['burst']['p99_s']:g} s. A look at "
        f"the due-set with {TIMES_AS_MANY} times as many entries costs the server as much: {said}."
    )


def quoted(page: str, found: results.Results) -> str:
    """Return the page with the paragraph in its place."""
    return placed(page, paragraph(found), begin=BEGIN, end=END)


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Read the options, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m bench.deadlines", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short look, not written")
    options = parser.parse_args()
    if (reason := missing_tool()) is not None:
        say(f"bench: no real Apache Kafka: {reason}")
        return 2
    found = run(QUICK if options.quick else FULL)
    print(paragraph(found))
    if not options.quick:
        results.write(found, FILE)
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(quoted(page, found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
