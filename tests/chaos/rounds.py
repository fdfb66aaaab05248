"""One round: questions flow, something breaks, everything settles, and the balance is drawn.

Promise: a round closes only if every line of the demo's balance holds, each question has its card,
and nothing is on its way any more; what was lost or seen twice is counted from the outside. A
recovery's time is measured from the blow to the first card of a question asked behind it, and to
the first record that the ledger took in again.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from careline.cli.demo.balance import Report, share
from careline.runtime.errors import CarelineError
from careline.runtime.tasks import ended
from tests.chaos.faults import Fault
from tests.chaos.stand import Stand

_RECOVERED_S: Final = 300.0
_SETTLED_S: Final = 600.0
"""Bounds of a machine that has much else to do: what is late is no loss."""
GOALS: Final = {"worker-kill": ("card_s", 15.0), "valkey-kill": ("commit_s", 3.0)}
"""What the recovery after a kill may take (p99), and by which figure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What came of one round."""

    number: int
    fault: str
    posted: int
    """Questions asked so far."""
    card_s: float | None
    """From the blow to the next card."""
    commit_s: float | None
    """From the blow to the next commit."""
    settled_s: float | None
    lost: int
    duplicates: int
    """Second copies of a card or a reply that somebody sees."""
    took_s: float
    load: float
    problems: list[str] = field(default_factory=list)

    @property
    def closes(self) -> bool:
        """Whether nothing was lost, nothing seen twice, and nothing is left open."""
        return not (self.lost or self.duplicates or self.problems)


async def play(stand: Stand, number: int, fault: Fault, rng: random.Random) -> Round:
    """Play one round to its balance."""
    started = time.monotonic()
    struck: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    commit = asyncio.create_task(stand.next_commit(struck, within=_RECOVERED_S))
    try:
        if fault.role:
            await stand.running(fault.role)
        async with stand.traffic.flowing():
            await asyncio.sleep(rng.uniform(0.5, 1.5))
            await fault.strike(stand, lambda: struck.set_result(time.time()), rng)
            card_s = await stand.traffic.first_card_after(await struck, within=_RECOVERED_S)
            commit_s = await commit
            await asyncio.sleep(0.5)
    finally:
        await ended([commit])
    settled_s: float | None = None
    problems = [] if card_s is not None else [f"no card within {_RECOVERED_S:g} s"]
    try:
        settled_s = await stand.settled(within=_SETTLED_S)
    except CarelineError as error:
        problems.append(str(error))
    report = await stand.balance()
    await stand.traffic.look()
    return Round(
        number=number,
        fault=fault.name,
        posted=len(stand.traffic.posted_at),
        card_s=_rounded(card_s),
        commit_s=_rounded(commit_s),
        settled_s=_rounded(settled_s),
        lost=lost(report, stand.traffic.without_card(), posted=len(stand.traffic.posted_at)),
        duplicates=duplicates(report),
        took_s=round(time.monotonic() - started, 1),
        load=round(os.getloadavg()[0], 1),
        problems=problems + broken(report),
    )


def lost(report: Report, without_card: Sequence[str], *, posted: int) -> int:
    """Count questions that were never heard, are unanswered without a deadline, or have no card."""
    unheard = posted - int(report.figures["heard"] or 0)
    return max(0, unheard) + int(report.figures["unanswered"] or 0) + len(without_card)


def duplicates(report: Report) -> int:
    """Count second copies that somebody sees."""
    return int(report.figures["cards_duplicate"] or 0) + int(report.figures["replies_twice"] or 0)


def broken(report: Report) -> list[str]:
    """Return the lines of a balance that do not hold."""
    return [line.says for line in report.lines if not line.holds] + report.problems


def summary(rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """Return the figures of each fault."""
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(each.fault for each in rounds):
        of = [each for each in rounds if each.fault == name]
        row: dict[str, Any] = {
            "rounds": len(of),
            "lost": sum(each.lost for each in of),
            "duplicates": sum(each.duplicates for each in of),
            "open": sum(not each.closes for each in of),
        }
        for figure in ("card_s", "commit_s"):
            times = [value for each in of if (value := getattr(each, figure)) is not None]
            row |= {f"{figure}_p50": share(times, 0.5), f"{figure}_p99": share(times, 0.99)}
        if (goal := GOALS.get(name)) is not None:
            figure, most = goal
            measured = row[f"{figure}_p99"]
            row["goal"] = f"{figure} p99 <= {most:g}"
            row["goal_kept"] = measured is not None and measured <= most
        found[name] = row
    return found


def table(rounds: Sequence[Round], say: Callable[[str], None]) -> None:
    """Say the figures of each fault as a table."""
    head = ("fault", "rounds", "lost", "twice", "open")
    times = ("card p50", "card p99", "commit p50", "commit p99")
    say("".join(f"{word:<28}" if word == "fault" else f"{word:>8}" for word in head))
    say("  " + "  ".join(times) + "  (seconds from the blow)")
    for name, row in summary(rounds).items():
        counts = (row[word] for word in ("rounds", "lost", "duplicates", "open"))
        measured = (
            row[f"{figure}_{part}"] for figure in ("card_s", "commit_s") for part in ("p50", "p99")
        )
        line = f"{name:<28}" + "".join(f"{count:>8}" for count in counts)
        line += "".join(f"{'-' if one is None else f'{one:.1f}':>8}" for one in measured)
        if "goal" in row:
            line += f"  {row['goal']}: {'kept' if row['goal_kept'] else 'MISSED'}"
        say(line)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)
