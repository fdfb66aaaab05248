"""What an alert says on the second path: which case, how urgent, until when and why, what to do.

Promises: pure; ids, staff names, times and the policy's own words only. No word, name or handle of
a customer is in it, whether the case is public or a direct message, so it may travel by mail and
through strangers' systems.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from careline.domain.case import Case
from careline.domain.effects import Intent
from careline.domain.reasons import derivation, kind_of, pressing, running
from careline.domain.sla import Clocked
from schemas.events import CaseKind

TYPE = "com.careline.case.alert.v1"
_REASON_MAX: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert as data and as words."""

    data: dict[str, object]
    headline: str
    lines: tuple[str, ...]

    def body(self) -> str:
        """Return the JSON that a webhook carries."""
        return json.dumps(self.data, ensure_ascii=True, separators=(",", ":"), default=str)

    def text(self) -> str:
        """Return the words that a mail carries."""
        return "\n".join((self.headline, "", *self.lines, ""))


def alert_of(effect: Intent, case: Case, *, case_link: str) -> Alert:
    """Return the alert of an effect on a case as it is now."""
    still = case.open_obligations
    known = pressing(case)
    holder = case.claim.holder.name or case.claim.holder.id if case.claim else ""
    link = case_link.replace("{case}", case.case_id)
    data: dict[str, object] = {
        "type": TYPE,
        "id": effect.effect_id,
        "case": case.case_id,
        "kind": case.kind.value,
        "about": effect.subject,
        "notify": effect.notify,
        "network": case.network,
        "account": case.account,
        "visibility": case.visibility.value,
        "status": case.status.value,
        "version": case.version,
        "priority": min((found.priority.value for found in still), default=None),
        "open_queries": len(still),
        "due_at": known.due_at if known else None,
        "target": kind_of(known).value if known else None,
        "because": known.because if known else None,
        "breached": any(found.breached for found in running(case)),
        "exhausted": case.ladder.exhausted if case.ladder else False,
        "holder": holder or None,
        "link": link or None,
    }
    return Alert(data=data, headline=_headline(case, data), lines=_lines(case, data, known))


def _headline(case: Case, data: dict[str, object]) -> str:
    if case.kind is CaseKind.OPERATIONS:
        return f"careline: operations case {case.case_id} is still open"
    if not case.open_obligations:
        return f"careline: case {case.case_id} needs nobody any more"
    state = "deadline missed" if data["breached"] else "escalated"
    return f"careline: {data['priority']} {state}, case {case.case_id}"


def _lines(case: Case, data: dict[str, object], known: Clocked | None) -> tuple[str, ...]:
    due = f"{_time(known.due_at)} = {_plainly(derivation(known))}" if known else "-"
    rows = [
        f"Case:     {case.case_id}",
        f"Account:  {case.account} on {case.network} ({case.visibility.value})",
        f"Priority: {data['priority'] or '-'}",
        f"Due:      {due}",
        f"Open:     {data['open_queries']} queries",
        f"Holder:   {data['holder'] or 'nobody'}",
    ]
    if data["exhausted"]:
        rows.append("Everybody on the ladder was told; it is told again until somebody answers.")
    if data["link"]:
        rows.append(f"Link:     {data['link']}")
    rows += [
        "",
        f"Without Slack: careline case claim {case.case_id} --as NAME",
    ]
    return tuple(rows)


def _plainly(words: str) -> str:
    """Return names that somebody chose in one line, and no longer than a line."""
    return " ".join(words.split())[:_REASON_MAX]


def _time(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
