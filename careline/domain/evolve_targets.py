"""How events change what is due in a case: its obligations and its resolution.

Promises: pure and total, as all of `evolve`; a deadline stands as its event says, nothing is
computed here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from careline.domain.case import Case, Obligation, ObligationStatus, Resolution, changed
from schemas import events as e
from schemas.targets import TargetKind


def with_obligations(case: Case, mention_ids: Iterable[str], **changes: Any) -> Case:
    """Return the case with the obligations of some mentions changed."""
    wanted = set(mention_ids)
    return changed(
        case,
        obligations=tuple(
            replace(found, **changes) if found.mention_id in wanted else found
            for found in case.obligations
        ),
    )


def obligation_added(case: Case, event: e.ObligationAdded) -> Case:
    """Take a query into the case."""
    added = Obligation(
        mention_id=event.mention_id,
        revision=event.revision,
        order=event.order,
        priority=event.priority,
        sentiment=event.sentiment,
        urgency=event.urgency,
        heard_at=event.heard_at,
        created_at=event.created_at,
        at_risk_at=event.at_risk_at,
        due_at=event.due_at,
        because=event.because,
        terms=event.terms,
    )
    return changed(
        case,
        obligations=(*case.obligations, added),
        # A case that was claimed after its answer is not reopened: what is open ends the follow-up.
        follow_up_at=None,
        noted=tuple(found for found in case.noted if found != event.mention_id),
    )


def obligation_changed(case: Case, event: e.ObligationChanged) -> Case:
    """Take over a query's new revision or priority; a settled one is open again."""
    changes: dict[str, Any] = {
        "revision": event.revision,
        "priority": event.priority,
        "sentiment": event.sentiment,
        "urgency": event.urgency,
        "at_risk_at": event.at_risk_at,
        "due_at": event.due_at,
        "because": event.because,
        "terms": event.terms,
    }
    if event.reopened:
        changes |= {
            "status": ObligationStatus.OPEN,
            "warned": False,
            "breached": False,
            "snoozes": 0,
            "disposition": None,
            "settled_at": None,
        }
        case = changed(case, follow_up_at=None)
    return with_obligations(case, (event.mention_id,), **changes)


def resolution_targeted(case: Case, event: e.ResolutionTargeted) -> Case:
    """Give the whole case a deadline."""
    resolution = Resolution(
        priority=event.priority,
        heard_at=event.heard_at,
        at_risk_at=event.at_risk_at,
        due_at=event.due_at,
        because=event.because,
        terms=event.terms,
    )
    return changed(case, resolution=resolution)


def deadline_moved(case: Case, event: e.DeadlineMoved) -> Case:
    """Move the deadline of a query, or of the case."""
    changes: dict[str, Any] = {
        "at_risk_at": event.at_risk_at,
        "due_at": event.due_at,
        "because": event.because,
        "terms": event.terms,
    }
    return _with_target(case, event.terms.target, event.mention_id, changes)


def at_risk(case: Case, event: e.CaseAtRisk) -> Case:
    """Note that the warning of a target was given."""
    return _with_target(case, event.target, event.mention_id, {"warned": True})


def missed(case: Case, event: e.CaseBreached) -> Case:
    """Note that a target was missed; the ladder is another matter."""
    changes = {"warned": True, "breached": True}
    return _with_target(case, event.target, event.mention_id, changes)


def _with_target(case: Case, target: TargetKind, mention_id: str, changes: dict[str, Any]) -> Case:
    if target is not TargetKind.RESOLUTION:
        return with_obligations(case, (mention_id,), **changes)
    if case.resolution is None:
        return case
    return changed(case, resolution=replace(case.resolution, **changes))
