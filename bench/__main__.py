"""`python -m bench`: measures everything on one real Kafka, in one run, and writes the results.

Reads top to bottom: servers, alternating rounds, one more round with a sampler, the latency run,
then `bench/results.json` and the figures of `docs/performance.md`. Nothing is left running.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import machine, report, results
from bench.corpus import Corpus, corpus_of
from bench.latency import latency
from bench.measure import Speed
from bench.peers import broker
from bench.quix import environment
from bench.throughput import CARELINE, NOOP, QUIX, job_speed, noop_speed, work_of
from tests.support.kafka.jars import missing_tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured."""

    rounds: int
    events: int
    per_second: float
    seconds: float


_REPEATS_AT_MOST = 1.001


FULL = Plan(rounds=5, events=10_000, per_second=50, seconds=60)
QUICK = Plan(rounds=2, events=4_000, per_second=50, seconds=10)


class Bench:
    """One run."""

    def __init__(self, plan: Plan, corpus: Corpus, *, quix: str, folder: Path) -> None:
        """Prepare the work."""
        self.plan = plan
        self.corpus = corpus
        self._quix = quix
        self._log = folder / "subjects.log"
        self._samples = folder / "samples.json"
        self._job, self._both = work_of(corpus, plan.events)
        self._events: dict[str, set[int]] = {CARELINE: set(), QUIX: set()}

    async def rounds(self, bootstrap: str) -> dict[str, list[Speed]]:
        """Measure the three subjects in turns, each round beginning with another one."""
        names = (CARELINE, NOOP, QUIX)
        speeds: dict[str, list[Speed]] = {name: [] for name in names}
        for number in range(self.plan.rounds):
            for place in range(len(names)):
                name = names[(number + place) % len(names)]
                speed = await self._one(name, bootstrap)
                speeds[name].append(speed)
                say(f"round {number + 1}: {name} {speed.per_second:,.0f}/s, {speed.cpu_us:.0f} µs")
        self._assert_same_job()
        return speeds

    async def _one(self, name: str, bootstrap: str) -> Speed:
        if name == NOOP:
            argv = ["-m", "bench.subjects.faust_noop"]
            return await noop_speed(argv, self._both, bootstrap=bootstrap, log=self._log)
        module, python = (
            ("bench.quix.job", self._quix) if name == QUIX else ("bench.subjects.worker", None)
        )
        speed, events = await job_speed(
            ["-m", module],
            self._job,
            bootstrap=bootstrap,
            log=self._log,
            python=python or sys.executable,
        )
        self._events[name].add(events)
        return speed

    def _assert_same_job(self) -> None:
        """Hold the case events of all rounds against each other; a record may be sent twice."""
        counts = set.union(*self._events.values())
        if max(counts) > min(counts) * _REPEATS_AT_MOST:
            raise RuntimeError(f"they did not do the same job: case events {self._events}")

    async def profile(self, bootstrap: str) -> tuple[dict[str, float], Speed]:
        """Return the processor time that a sampler saw in each stage, and what it was in all."""
        argv = ["-m", "bench.subjects.profiled", str(self._samples)]
        speed, _ = await job_speed(argv, self._job, bootstrap=bootstrap, log=self._log)
        found: dict[str, float] = json.loads(self._samples.read_text(encoding="utf-8"))
        return found, speed

    async def latency(self, bootstrap: str) -> results.Results:
        """Measure from mention accepted to card accepted."""
        found = await latency(
            self.corpus,
            bootstrap=bootstrap,
            per_second=self.plan.per_second,
            seconds=self.plan.seconds,
            log=self._log,
        )
        say(f"latency: p50 {found.p50_ms} ms, p99 {found.p99_ms} ms")
        return results.latency_of(found)


def run(plan: Plan, corpus: Corpus) -> results.Results:
    """Measure everything; return the results."""
    quix = environment.python()
    before = machine.load()
    with tempfile.TemporaryDirectory(prefix="careline-bench-") as folder:
        bench = Bench(plan, corpus, quix=quix, folder=Path(folder))
        with broker() as bootstrap, asyncio.Runner() as runner:
            speeds = runner.run(bench.rounds(bootstrap))
            stages, sampled = runner.run(bench.profile(bootstrap))
            delay = runner.run(bench.latency(bootstrap))
    throughput = results.throughput_of(speeds)
    ratios = results.ratios_of(throughput)
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": machine.revision(),
        "machine": machine.machine(),
        "versions": machine.versions(environment.versions(quix)),
        "load": {"before": before, "after": machine.load()},
        "settings": {
            "rounds": plan.rounds,
            "events": plan.events,
            "corpus": corpus.name,
            "latency_per_second": plan.per_second,
            "latency_seconds": plan.seconds,
        },
        "throughput": throughput,
        "ratios": ratios,
        "latency": delay,
        "profile_cpu_us": results.profile_of(
            stages, throughput[CARELINE]["cpu_us_per_event"], helpers_share=sampled.helpers_share
        ),
        "goals": results.goals_of(ratios, delay),
    }


def say(line: str) -> None:
    """Tell how far it is."""
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Read the options, measure, write."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds, not written"
    )
    parser.add_argument("--texts", type=Path, help="real texts: JSON lines with a text, or lines")
    parser.add_argument("--output", type=Path, help="where to; default: bench/results.json")
    options = parser.parse_args()
    if (reason := missing_tool()) is not None:
        say(f"bench: no real Apache Kafka: {reason}")
        return 2
    found = run(QUICK if options.quick else FULL, corpus_of(options.texts))
    print(report.figures(found))
    if options.output is not None:
        results.write(found, options.output)
    elif not options.quick:
        results.write(found, results.FILE)
        report.update(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
