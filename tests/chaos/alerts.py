"""Many alerts against a hostile Slack, by a responder that is killed again and again.

Promise: each life of the responder ends by `kill -9` in the middle of its posts; Slack refuses,
fails, accepts and cuts, and shows messages late. At the end every question has one visible card.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from careline.runtime.errors import RetryableError
from tests.chaos.rounds import broken, duplicates, lost
from tests.chaos.stand import Stand

_POST: Final = "/api/chat.postMessage"
HOSTILE: Final[tuple[Mapping[str, Any], ...]] = (
    {"kind": "rate_limit", "probability": 0.05, "retry_after": 1},
    {"kind": "server_error", "status": 503, "probability": 0.05},
    {"kind": "cut", "probability": 0.10},
    {"kind": "server_error", "status": 502, "accepted": True, "probability": 0.05},
    {"kind": "late_landing", "seconds": 0.8, "answer": "ok", "probability": 0.15},
    {"kind": "late_landing", "seconds": 0.8, "answer": "cut", "probability": 0.15},
)
_LIFE_S: Final = 120.0
_LOOK_S: Final = 0.01
_SETTLED_S: Final = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it."""

    alerts: int
    kills: int
    faults: int
    """How often Slack misbehaved."""
    lost: int
    duplicates: int
    """Second copies that somebody sees at the end."""
    copies_removed: int
    seconds: float
    problems: list[str]

    @property
    def closes(self) -> bool:
        """Whether each alert stands once, although Slack did misbehave."""
        return self.faults > 0 and not (self.lost or self.duplicates or self.problems)


async def play(
    stand: Stand, *, alerts: int, kills: int, rng: random.Random, say: Callable[[str], None]
) -> Outcome:
    """Ask for `alerts` cards in as many portions as there are lives, and kill each life."""
    started = time.monotonic()
    for fault in HOSTILE:
        body = {"server": "slack", "path": _POST, **fault, "seed": rng.randrange(10**6)}
        await stand.stage.sandbox.post("faults", body)
    portion, rest = divmod(alerts, kills)
    for life in range(kills):
        count = portion + (life < rest)
        before = await stand.traffic.look()
        await stand.traffic.ask(count)
        await _some_out(stand, before + rng.randint(1, max(1, count - 1)))
        stand.signal("responder", signal.SIGKILL)
        say(f"☠ responder {life + 1} of {kills}; {await stand.traffic.look()} cards are out")
    await stand.settled(within=_SETTLED_S)
    faults = sum(fault["hits"] for fault in (await stand.stage.sandbox.get("faults"))["faults"])
    report = await stand.balance()
    await stand.traffic.look()
    return Outcome(
        alerts=alerts,
        kills=kills,
        faults=faults,
        lost=lost(report, stand.traffic.without_card(), posted=alerts),
        duplicates=duplicates(report),
        copies_removed=int(report.figures["cards_removed"] or 0),
        seconds=round(time.monotonic() - started, 1),
        problems=broken(report),
    )


async def _some_out(stand: Stand, wanted: int) -> None:
    """Wait until so many cards are out, or the life has been long enough; the responder runs."""
    deadline = time.monotonic() + _LIFE_S
    while time.monotonic() < deadline:
        if await stand.traffic.look() >= wanted:
            break
        await asyncio.sleep(_LOOK_S)
    while "responder" not in stand.stage.supervisor.pids:
        if time.monotonic() > deadline + _LIFE_S:
            raise RetryableError(f"the responder was not started again within {_LIFE_S:g} s")
        await asyncio.sleep(_LOOK_S)
