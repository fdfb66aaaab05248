"""How long a thing may take before the auditor calls it forgotten.

Promise: each bound is above what the product's own machinery takes when a process dies and another
one takes over, so that an ordinary restart is no finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The auditor's patience."""

    deadline_late: timedelta = timedelta(seconds=120)
    """Another worker takes a due entry that its owner left for 30 s."""
    outbox_late: timedelta = timedelta(seconds=120)
    effect_late: timedelta = timedelta(minutes=15)
    """Paced channels and long searches make effects wait; nobody looking is something else."""
    effect_refused: timedelta = timedelta(minutes=5)
    """How long a place where people are told may refuse: longer than a search, and most limits."""
    reply_refused: timedelta = timedelta(minutes=20)
    """A network's limit is a matter of a quarter of an hour."""
    unrecovered: timedelta = timedelta(seconds=120)
    """How long a shard may be without a healthy fence."""
    input_stands: timedelta = timedelta(seconds=120)
    """How long records may wait in an input of which nothing is taken in."""
    card_within: timedelta = timedelta(seconds=5)
    """A case this young may still be on its way to its card's effect."""
