"""The figures of a run: medians, ratios, goals, and where the worker's time goes.

Promise: plain JSON whose keys stay; every median comes with the rounds it was taken from, and every
goal with the figure that it is held against. Nothing here says whose machine it was.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench.latency import Latency
from bench.measure import Speed
from bench.throughput import CARELINE, NOOP, QUIX

FILE: Final = Path(__file__).parent / "results.json"
GOALS: Final[Mapping[str, tuple[str, float]]] = {
    "throughput / Faust doing nothing": ("at least", 0.4),
    "throughput / Quix Streams": ("at least", 0.6),
    "latency p50 (ms)": ("at most", 60.0),
    "latency p99 (ms)": ("at most", 300.0),
}
Results = dict[str, Any]


def throughput_of(speeds: Mapping[str, Sequence[Speed]]) -> Results:
    """Return the figures of every subject."""
    return {
        name: {
            "events_per_s": round(statistics.median(each.per_second for each in rounds)),
            "cpu_us_per_event": round(statistics.median(each.cpu_us for each in rounds)),
            "rounds": [
                {"events_per_s": round(each.per_second), "cpu_us_per_event": round(each.cpu_us)}
                for each in rounds
            ],
        }
        for name, rounds in speeds.items()
    }


def ratios_of(throughput: Results) -> dict[str, float]:
    """Return careline's median throughput as a share of the others'."""
    own = throughput[CARELINE]["events_per_s"]
    return {name: round(own / throughput[name]["events_per_s"], 2) for name in (NOOP, QUIX)}


def latency_of(found: Latency) -> Results:
    """Return the figures of the latency run."""
    return asdict(found)


def goals_of(ratios: Mapping[str, float], latency: Mapping[str, float]) -> list[Results]:
    """Hold the figures against the goals."""
    found = (ratios[NOOP], ratios[QUIX], latency["p50_ms"], latency["p99_ms"])
    return [
        {
            "what": what,
            "wanted": f"{bound} {limit:g}",
            "found": value,
            "met": value >= limit if bound == "at least" else value <= limit,
        }
        for (what, (bound, limit)), value in zip(GOALS.items(), found, strict=True)
    ]


def profile_of(
    stages: Mapping[str, float], cpu_us: float, *, helpers_share: float = 0.0
) -> dict[str, float]:
    """Spread a worker's processor time for an event over the stages, by their samples."""
    total = sum(stages.values()) or 1.0
    shares = {name: samples / total * (1 - helpers_share) for name, samples in stages.items()}
    if helpers_share:
        shares["triage (a process of its own)"] = helpers_share
    ranked = sorted(shares.items(), key=lambda each: -each[1])
    return {stage: round(share * cpu_us, 1) for stage, share in ranked}


def write(results: Results, file: Path) -> None:
    """Write the figures."""
    file.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read(file: Path = FILE) -> Results:
    """Return the committed figures."""
    found: Results = json.loads(file.read_text(encoding="utf-8"))
    return found
