"""The figures as a person reads them: the part of docs/performance.md that a run writes.

Promise: the page quotes the committed results and nothing else; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.machine import ROOT
from bench.results import Results
from bench.throughput import CARELINE, NOOP, QUIX

PAGE: Final = ROOT / "docs" / "performance.md"
BEGIN: Final = "<!-- figures: written by `make bench` -->"
END: Final = "<!-- end of figures -->"
_NAMES: Final = {
    NOOP: "Faust doing nothing over the same two hops",
    QUIX: "Quix Streams doing the same job (batching sink)",
    CARELINE: "careline's worker",
}


def figures(results: Results) -> str:
    """Return the tables."""
    return "\n".join(_lines(results))


def quoted(page: str, results: Results) -> str:
    """Return the page with the figures in their place."""
    return placed(page, figures(results), begin=BEGIN, end=END)


def placed(page: str, text: str, *, begin: str, end: str) -> str:
    """Return the page with a text between two marks. Raises ValueError: it has not both."""
    before, opened, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise ValueError(f"the page has no place for the figures: {begin} … {end}")
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def update(results: Results, page: Path = PAGE) -> None:
    """Write the figures into the page."""
    page.write_text(quoted(page.read_text(encoding="utf-8"), results), encoding="utf-8")


def _lines(results: Results) -> Iterator[str]:
    yield from _conditions(results)
    yield ""
    yield "| one worker, received → triaged → case events | events/s | CPU µs an event | rounds |"
    yield "|---|---|---|---|"
    for name, title in _NAMES.items():
        found = results["throughput"][name]
        rounds = [each["events_per_s"] for each in found["rounds"]]
        spread = f"{min(rounds):,} to {max(rounds):,}"
        yield f"| {title} | {found['events_per_s']:,} | {found['cpu_us_per_event']} | {spread} |"
    yield ""
    yield "| goal | wanted | found | met |"
    yield "|---|---|---|---|"
    for goal in results["goals"]:
        met = "yes" if goal["met"] else "**no**"
        yield f"| {goal['what']} | {goal['wanted']} | {goal['found']:g} | {met} |"
    yield ""
    latency = results["latency"]
    yield (
        f"Mention accepted → card accepted, {latency['cards']:,} mentions at "
        f"{latency['per_second']:g}/s: p50 {latency['p50_ms']:g} ms, p90 {latency['p90_ms']:g} ms, "
        f"p99 {latency['p99_ms']:g} ms, the slowest {latency['max_ms']:g} ms."
    )
    yield ""
    yield "| where the worker's processor time goes | µs an event |"
    yield "|---|---|"
    for stage, cost in results["profile_cpu_us"].items():
        yield f"| {stage} | {cost:g} |"


def _conditions(results: Results) -> Iterator[str]:
    machine, versions, settings = (results[key] for key in ("machine", "versions", "settings"))
    yield (
        f"Measured at commit `{results['commit']}` on {machine['cores']} cores "
        f"({machine['processor']}, {machine['memory_gib']:g} GiB, {machine['system']} "
        f"{machine['architecture']}): medians of {settings['rounds']} alternating rounds of "
        f"{settings['events']:,} {settings['corpus']} mentions. Load average before "
        f"{results['load']['before']:g}, after {results['load']['after']:g}."
    )
    yield ""
    yield "Versions: " + ", ".join(f"{name} {each}" for name, each in versions.items()) + "."
