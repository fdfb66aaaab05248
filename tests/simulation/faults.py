"""What goes wrong in a schedule: drawn from the seed before it begins, and done at its time.

Promise: a schedule's faults are a list; leaving one out changes nothing about the others' times.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tests.simulation.world import SECOND

_MANY = 12
_HOW_MANY = (0, 2, 3, 4, 5, 7)
KINDS = {
    "worker dies": 6,
    "worker freezes": 4,
    "responder dies": 4,
    "responder freezes": 2,
    "connector dies": 3,
    "redis restarts": 4,
    "redis loses its tail": 4,
    "failover": 5,
    "stale promotion": 3,
    "flush": 4,
    "flush, recovery killed": 4,
    "late outbox, then flush": 3,
    "lag, then failover": 3,
    "kafka trouble": 3,
    "redis trouble": 3,
    "slack trouble": 4,
    "slack limits": 2,
    "network trouble": 4,
    "network blocked": 2,
    "two owners": 3,
    "batch cancelled": 3,
    "sender frozen before its write": 2,
    "cursor lost": 1,
    "worker dies behind its commit": 3,
    "page half published": 3,
    "correction, then flush": 2,
    "two claims, then lost": 2,
    "flush, then stale promotion": 2,
    "redis slow": 2,
    "two workers, slow redis": 2,
    "log away, then flush": 2,
    "recovery freezes before its last step": 2,
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong."""

    number: int
    at: int
    kind: str

    def __str__(self) -> str:
        """Return it in words."""
        return f"fault {self.number} at {self.at / SECOND:.1f} s: {self.kind}"


def draw(dice: random.Random, *, active: int, under: Sequence[str] = ()) -> list[Fault]:
    """Draw a schedule's faults, in the order of their time; ``under``: only such, and many."""
    count = _MANY if under else dice.choice(_HOW_MANY)
    weights = {kind: weight for kind, weight in KINDS.items() if not under or kind in under}
    kinds = dice.choices(list(weights), list(weights.values()), k=count)
    times = sorted(dice.randint(5 * SECOND, active) for _ in kinds)
    return [
        Fault(number, at, kind) for number, (at, kind) in enumerate(zip(times, kinds, strict=True))
    ]
