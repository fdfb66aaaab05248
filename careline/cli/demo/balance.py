"""The balance of a run: what was fed against what was heard, decided, shown and answered.

Promise: every figure is counted from the sandbox's history, the topics or the ledger, after the
run; no counter of the code under test is asked. Each line of the balance is true or false, and says
its figures.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from careline.cli.demo.probe import Probe
from careline.domain.effects import card_effect
from careline.ledger.audit import Balance, audit
from careline.runtime.errors import RetryableError
from schemas.envelope import Unreadable, unpack
from schemas.events import LOG, CaseOpened, ObligationAdded
from schemas.topics import CASES_EVENTS, TOPICS

Json = dict[str, Any]
T = TypeVar("T")
_TRIES: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What was put in."""

    customers: int
    """Lines that are, or should be, a customer's."""
    own: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the balance."""

    holds: bool
    says: str


@dataclass(slots=True, kw_only=True)
class Report:
    """The figures of a run, and whether they add up."""

    figures: dict[str, int | float | None] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def closes(self) -> bool:
        """Whether every line holds and nothing else is wrong."""
        return all(line.holds for line in self.lines) and not self.problems


async def count(probe: Probe, summary: Json, fed: Fed, *, seconds: float) -> Report:
    """Count everything; `summary` is the sandbox's, with detail."""
    audited = await _patiently(
        lambda: audit(probe.ledger, probe.reader, partitions=probe.partitions)
    )
    slack = summary["slack"]
    cards: Mapping[str, float] = slack["accepted_at"]
    opened = await _patiently(lambda: _opened(probe))
    waits = [
        (cards[card_effect(case)] - heard.timestamp()) * 1000
        for case, heard in opened.items()
        if heard is not None and card_effect(case) in cards
    ]
    report = Report()
    report.figures = {
        "heard": audited.heard,
        "unreadable": audited.unreadable,
        "own_posts": audited.own_posts,
        "not_queries": audited.not_queries,
        "queries": audited.queries,
        "answered": audited.answered,
        "closed": audited.closed,
        "open_with_deadline": audited.open_with_deadline,
        "unanswered": audited.unanswered,
        "cases": len(opened),
        "cards": sum(effect.startswith(card_effect("")) for effect in cards),
        "cards_duplicate": sum(slack["duplicates_visible"].values())
        - len(slack["duplicates_visible"]),
        "cards_removed": slack["cards"] - slack["visible"],
        "replies": summary["x"]["replies"] + summary["x"]["dms"],
        "replies_twice": len(summary["x"]["replied_twice"]),
        "seconds": round(seconds, 1),
        "p50_ms": _rounded(share(waits, 0.5)),
        "p99_ms": _rounded(share(waits, 0.99)),
    }
    missing = [case for case in opened if card_effect(case) not in cards]
    report.lines = _lines(audited, report.figures, fed, slack, without_card=len(missing))
    report.lines.append(await _patiently(lambda: _kept(probe)))
    strays = (effect for effect in cards if effect.startswith(card_effect("")))
    known = {card_effect(case) for case in opened}
    unknown = [f"{effect}: a card of no case" for effect in strays if effect not in known]
    report.problems = [*audited.problems, *unknown]
    return report


def _lines(
    audited: Balance, figures: Mapping[str, Any], fed: Fed, slack: Json, *, without_card: int
) -> list[Line]:
    pings = slack["pings"]
    stray = pings["broadcast"] + pings["stranger"]
    return [
        Line(
            holds=audited.heard + audited.unreadable == fed.customers,
            says=f"heard {audited.heard} + unreadable {audited.unreadable} "
            f"= the customers' lines {fed.customers}",
        ),
        Line(
            holds=audited.heard == audited.queries + audited.not_queries,
            says=f"heard {audited.heard} = queries {audited.queries} "
            f"+ not queries {audited.not_queries}",
        ),
        Line(
            holds=audited.queries == audited.answered + audited.closed + audited.open_with_deadline,
            says=f"queries {audited.queries} = answered {audited.answered} "
            f"+ closed {audited.closed} + open with a live deadline {audited.open_with_deadline}",
        ),
        Line(holds=audited.unanswered == 0, says=f"unanswered {audited.unanswered} = 0"),
        Line(
            holds=without_card == 0 and figures["cards"] == figures["cases"],
            says=f"a card for each case: {figures['cards']} cards, {figures['cases']} cases",
        ),
        Line(
            holds=figures["cards_duplicate"] == 0,
            says=f"duplicate cards {figures['cards_duplicate']} = 0",
        ),
        Line(
            holds=figures["replies_twice"] == 0,
            says=f"customers answered twice {figures['replies_twice']} = 0",
        ),
        Line(
            holds=audited.own_posts == fed.own,
            says=f"own posts heard {audited.own_posts} = posted by the brands {fed.own}",
        ),
        Line(holds=stray == 0, says=f"people pinged by customers' words {stray} = 0"),
    ]


async def _kept(probe: Probe) -> Line:
    """Check that the broker has every record: the embedded one drops the oldest in silence."""
    lost = {}
    for topic in TOPICS:
        beginnings = await probe.beginnings(topic)
        if any(beginnings):
            lost[topic.name] = sum(beginnings)
    says = "every record is still in its topic"
    if lost:
        says = "records dropped by the broker: " + ", ".join(f"{n} of {t}" for t, n in lost.items())
    return Line(holds=not lost, says=says)


async def _opened(probe: Probe) -> dict[str, datetime | None]:
    """Return each case with the moment at which its first query was heard (operations: None)."""
    found: dict[str, datetime | None] = {}
    async for record in probe.records(CASES_EVENTS):
        try:
            event = unpack(LOG, record.value)
        except Unreadable:
            continue
        match event:
            case CaseOpened():
                found.setdefault(event.case_id, None)
            case ObligationAdded() if found.get(event.case_id) is None:
                found[event.case_id] = event.heard_at
            case _:
                pass
    return found


async def _patiently(count: Callable[[], Awaitable[T]]) -> T:
    """Count again if the broker did not answer: counting changes nothing."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(RetryableError):
            return await count()
    return await count()


def share(values: Iterable[float], part: float) -> float | None:
    """Return the value that this part of them does not exceed; None if there are none."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
