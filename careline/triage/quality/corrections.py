"""How well triage does, by what people made of it: precision and recall for each label and week.

Promise: pure, from the log of record alone, in which no customer's word stands. A query that was
answered or closed counts as rightly judged where nobody has corrected it; what nobody has dealt
with yet counts for nothing. A query that triage missed is known only once a person finds it, so
the recall of `query` is at most what is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from schemas import events as e
from schemas.commands import ActorKind, Disposition
from schemas.stamped import Stamped
from schemas.triage import Sentiment, Urgency

QUERY: Final = "query"
_VERDICTS: Final[Mapping[Disposition, bool]] = MappingProxyType(
    {
        Disposition.ANSWERED: True,
        Disposition.DUPLICATE: True,
        Disposition.HANDLED_ELSEWHERE: True,
        Disposition.NOT_A_QUERY: False,
        Disposition.SPAM: False,
    }
)
"""What a closing says of whether it was a query; the other reasons say nothing of that."""


@dataclass(slots=True, kw_only=True)
class Reviewed:
    """A mention that people have dealt with: what triage said of it, and what it is."""

    mention_id: str
    heard_at: datetime
    query_said: bool
    query: bool | None = None
    """None: nobody has dealt with it yet."""
    sentiment_said: Sentiment | None = None
    sentiment: Sentiment | None = None
    urgency_said: Urgency | None = None
    urgency: Urgency | None = None
    corrected: bool = False
    """A person said so in as many words."""

    @property
    def week(self) -> str:
        """The ISO week in which it was heard, such as `2026-W47`."""
        year, week, _ = self.heard_at.isocalendar()
        return f"{year}-W{week:02d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """How one label did in one week."""

    week: str
    label: str
    """`query`, or a sentiment or urgency: `sentiment:negative`, `urgency:high`."""
    said: int
    """How often triage said so, of what people have dealt with."""
    true: int
    """How often it was so."""
    right: int
    """Both."""
    corrected: int
    """In how many of these a person said so in as many words."""

    @property
    def precision(self) -> float | None:
        """Which share of what triage called so was so."""
        return round(self.right / self.said, 4) if self.said else None

    @property
    def recall(self) -> float | None:
        """Which share of what was so triage called so."""
        return round(self.right / self.true, 4) if self.true else None

    def document(self) -> dict[str, Any]:
        """Return it for JSON."""
        return asdict(self) | {"precision": self.precision, "recall": self.recall}


class Corrections:
    """Reads the events of cases, each partition in order, and knows what people made of triage."""

    def __init__(self) -> None:
        """Begin with nothing read."""
        self._mentions: dict[str, Reviewed] = {}
        self._versions: dict[str, int] = {}
        self._found: dict[str, e.TriageCorrected] = {}
        """Corrections of mentions that triage took for no query, until their query is added."""

    def take(self, event: Stamped) -> None:
        """Take an event in; one that was read before changes nothing."""
        if event.version <= self._versions.get(event.case_id, 0):
            return
        self._versions[event.case_id] = event.version
        match event:
            case e.ObligationAdded():
                self._added(event)
            case e.ObligationChanged():
                self._changed(event)
            case e.TriageCorrected():
                self._corrected(event)
            case e.ObligationsAnswered():
                self._settled(event.covers, query=True)
            case e.ObligationsClosed():
                self._settled(event.covers, query=_VERDICTS.get(event.disposition))
            case _:
                pass

    def reviewed(self, *, since: datetime | None = None) -> list[Reviewed]:
        """Return the mentions that people have dealt with, in the order of their hearing."""
        found = [
            each
            for each in self._mentions.values()
            if each.query is not None and (since is None or each.heard_at >= since)
        ]
        return sorted(found, key=lambda each: (each.heard_at, each.mention_id))

    def _added(self, event: e.ObligationAdded) -> None:
        found = self._found.pop(event.mention_id, None)
        missed = found is not None
        self._mentions[event.mention_id] = Reviewed(
            mention_id=event.mention_id,
            heard_at=event.heard_at,
            query_said=not missed,
            query=True if missed else None,
            sentiment_said=None if missed else event.sentiment,
            sentiment=found.sentiment if found is not None else None,
            urgency_said=None if missed else event.urgency,
            urgency=found.urgency if found is not None else None,
            corrected=missed,
        )

    def _changed(self, event: e.ObligationChanged) -> None:
        known = self._mentions.get(event.mention_id)
        # A correction changes an obligation too; what triage said was said before.
        if known is None or event.actor.kind is not ActorKind.AUTHOR:
            return
        known.sentiment_said, known.urgency_said = event.sentiment, event.urgency
        known.sentiment = known.urgency = known.query = None
        known.corrected = False

    def _corrected(self, event: e.TriageCorrected) -> None:
        known = self._mentions.get(event.mention_id)
        if known is None:
            self._found[event.mention_id] = event
            return
        known.query = event.query
        known.sentiment = event.sentiment or known.sentiment
        known.urgency = event.urgency or known.urgency
        known.corrected = True

    def _settled(self, covers: Iterable[str], *, query: bool | None) -> None:
        for mention_id in covers:
            known = self._mentions.get(mention_id)
            if known is not None and query is not None and not known.corrected:
                known.query = query


def figures(reviewed: Iterable[Reviewed]) -> list[Figure]:
    """Return how each label did in each week, the weeks in their order."""
    counted: dict[tuple[str, str], list[int]] = {}
    for mention in reviewed:
        for label, said, true in _labels(mention):
            row = counted.setdefault((mention.week, label), [0, 0, 0, 0])
            row[0] += said
            row[1] += true
            row[2] += said and true
            row[3] += mention.corrected
    return [
        Figure(week=week, label=label, said=said, true=true, right=right, corrected=corrected)
        for (week, label), (said, true, right, corrected) in sorted(counted.items())
    ]


def _labels(mention: Reviewed) -> Iterator[tuple[str, bool, bool]]:
    """Yield each label that was said or is true of a mention, with both."""
    yield QUERY, mention.query_said, bool(mention.query)
    for head, said, corrected in (
        ("sentiment", mention.sentiment_said, mention.sentiment),
        ("urgency", mention.urgency_said, mention.urgency),
    ):
        if said is None:
            continue
        # Of what is no query nobody looks at the rest, unless they say so.
        true = corrected or (said if mention.query else None)
        if true is None:
            continue
        for label in {said, true}:
            yield f"{head}:{label.value}", label is said, label is true


def exposition(found: Iterable[Figure]) -> str:
    """Return the figures as Prometheus reads them from a file, the latest week's alone."""
    rows = list(found)
    latest = max((row.week for row in rows), default="")
    lines: list[str] = []
    for name, about in (
        ("precision", "Share of what triage called so that was so, this week."),
        ("recall", "Share of what was so that triage called so, this week."),
    ):
        lines += [f"# HELP careline_triage_{name}_ratio {about}"]
        lines += [f"# TYPE careline_triage_{name}_ratio gauge"]
        for row in rows:
            value = row.precision if name == "precision" else row.recall
            if row.week == latest and value is not None:
                lines.append(f'careline_triage_{name}_ratio{{label="{row.label}"}} {value}')
    lines += [
        "# HELP careline_triage_corrected Mentions whose triage a person corrected, this week.",
        "# TYPE careline_triage_corrected gauge",
    ]
    lines += [
        f'careline_triage_corrected{{label="{row.label}"}} {row.corrected}'
        for row in rows
        if row.week == latest
    ]
    return "\n".join(lines) + "\n"
