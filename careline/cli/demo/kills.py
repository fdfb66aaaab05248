"""Kills parts of the running whole at random moments, by `kill -9`, as power cuts would.

Promise: the same seed kills at the same shares of the run; each kill waits until its victim runs.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from careline.cli.stage import Stage
from careline.runtime.errors import ConfigurationError

VICTIMS: Final = ("worker", "connector", "responder", "valkey")
_EARLIEST: Final = 0.05
_LATEST: Final = 0.9
_LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True, order=True)
class Kill:
    """Whom, and at what share of the run."""

    share: float
    victim: str


def read_kills(wanted: Sequence[str], *, seed: int) -> list[Kill]:
    """Read `--kill worker:3`; return when to kill whom, in order. Raises ConfigurationError."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, no secret
    kills: list[Kill] = []
    for each in wanted:
        victim, _, number = each.partition(":")
        if victim not in VICTIMS or not (number or "1").isdecimal():
            raise ConfigurationError(
                f"--kill {each!r} names nobody", hint=f"use NAME:TIMES with {', '.join(VICTIMS)}"
            )
        kills += [Kill(rng.uniform(_EARLIEST, _LATEST), victim) for _ in range(int(number or "1"))]
    return sorted(kills)


async def carry_out(
    kills: Sequence[Kill],
    stage: Stage,
    *,
    share: Callable[[], Awaitable[float]],
    say: Callable[[str], None],
) -> None:
    """Kill each victim once the run has come so far."""
    for kill in kills:
        while await share() < kill.share:
            await asyncio.sleep(_LOOK_S)
        while kill.victim != "valkey" and kill.victim not in stage.supervisor.pids:
            await asyncio.sleep(_LOOK_S)
        say(f"☠ kill -9 {kill.victim} at {kill.share:.0%}")
        await stage.kill(kill.victim)
