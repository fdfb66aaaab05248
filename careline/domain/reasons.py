"""The deadlines of a case that still count, and why each is when it is, for whoever is told.

Promises: pure; a deadline's reason is what the SLA clock said when it was found or moved, never
made up anew; the one that presses is the one missed first, else the one due first.
"""

from __future__ import annotations

from careline.domain.case import Case, Obligation
from careline.domain.sla import Clocked, terms_of
from schemas.targets import TargetKind


def running(case: Case) -> tuple[Clocked, ...]:
    """Return the deadlines of the open queries, and that of the whole case while any is open."""
    still = case.open_obligations
    if not still or case.resolution is None:
        return still
    return (*still, case.resolution)


def pressing(case: Case) -> Clocked | None:
    """Return the deadline that presses: the first one missed, else the first one due."""
    return min(running(case), key=lambda known: (not known.breached, known.due_at), default=None)


def named(case: Case, about: str) -> Clocked | None:
    """Return the deadline of a mention, or of the case, that an alert is about, if it counts."""
    for known in running(case):
        if about == name_of(known):
            return known
    return None


def name_of(known: Clocked) -> str:
    """Return what an alert calls a deadline: its mention, or the resolution of the case."""
    return known.mention_id if isinstance(known, Obligation) else TargetKind.RESOLUTION.value


def kind_of(known: Clocked) -> TargetKind:
    """Return what a deadline is for."""
    return terms_of(known).target


def derivation(known: Clocked) -> str:
    """Return how a deadline was found, without the time: whoever shows it does so in their zone."""
    said, due, _ = known.because.rpartition(", due ")
    return said if due else known.because
