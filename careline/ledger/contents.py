"""What a shard holds, and in what two of them differ: the ledger and one rebuilt from the log.

Promises: reads only. What may differ is left out: what has left a ledger for its age, the cards'
wishes for a refresh, the time at which a cause was committed, the run of a ladder that is older
than runs are counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import TypeVar

from careline.domain.case import Case, Line
from careline.domain.codec import load_case
from careline.domain.snapshots import is_forgettable
from careline.ledger.keeping import CAUSES_KEPT, WORDS_KEPT
from careline.ledger.store import Ledger, line_of, mention_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """What counts of a stored mention."""

    revision: str
    heard_at: datetime | None
    text: str


@dataclass(slots=True)
class Contents:
    """What a shard holds."""

    cases: dict[str, Case] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    due: dict[str, datetime] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    effects: set[str] = field(default_factory=set)
    causes: dict[str, str] = field(default_factory=dict)
    mentions: dict[str, Mention] = field(default_factory=dict)


async def contents_of(ledger: Ledger, shard: int) -> Contents:
    """Read a shard. Raises `LedgerUnavailable`."""
    found = Contents(due=await ledger.due_times(shard))
    async for name, raw in ledger.stored(shard, "cases"):
        found.cases[name] = load_case(raw)
    async for name, raw in ledger.stored(shard, "heads"):
        found.heads[name] = raw.decode()
    async for name, raw in ledger.stored(shard, "lines"):
        found.lines[name] = line_of(raw)
    async for name, _ in ledger.stored(shard, "effect"):
        found.effects.add(name)
    async for name, raw in ledger.stored(shard, "causes"):
        found.causes[name] = raw.decode().partition("|")[0]
    async for name, raw in ledger.stored(shard, "mentions"):
        heard = mention_of(raw).heard
        found.mentions[name] = Mention(
            revision=getattr(heard, "revision", ""),
            heard_at=heard.heard_at,
            text=getattr(heard, "text", ""),
        )
    return found


def differences(
    live: Contents, rebuilt: Contents, *, now: datetime, causes_since: datetime | None
) -> Iterator[str]:
    """Yield in words what the ledger has and the log does not say, or the other way round.

    ``causes_since``: a cause that the log committed before may have been forgotten.
    """
    forgettable = {name for name, case in rebuilt.cases.items() if is_forgettable(case, now=now)}
    forgettable -= live.cases.keys()
    known = {name: _counted(case, rebuilt.cases.get(name)) for name, case in live.cases.items()}
    for case_id, old, new in _pairs(known, rebuilt.cases, forgettable):
        yield f"case {case_id}: {_difference(old, new)}"
    for case_id, at, wanted in _pairs(live.heads, rebuilt.heads, forgettable):
        yield f"case {case_id}: ends with {at} in the ledger, with {wanted} by the log"
    for case_id, due, due_by_log in _pairs(live.due, rebuilt.due, forgettable):
        yield f"case {case_id}: due {due} in the ledger, {due_by_log} by the log"
    known_lines = {name: live.lines[name] for name in live.lines if name in rebuilt.lines}
    for name, line, line_by_log in _pairs(known_lines, rebuilt.lines):
        if line_by_log is not None and line_by_log.case_id not in forgettable:
            yield f"line {name!r}: {_difference(line, line_by_log)}"
    yield from _effects_and_words(live, rebuilt, now=now, causes_since=causes_since)


def _counted(live: Case, by_log: Case | None) -> Case:
    """Return a case of the ledger with the run of its ladder, if that began before one was stored.

    No upcaster can know it: it is the version of an event that only the log has. It names the
    causes of steps to come and nothing else, so either number is as good.
    """
    if live.ladder is None or live.ladder.run or by_log is None or by_log.ladder is None:
        return live
    return replace(live, ladder=replace(live.ladder, run=by_log.ladder.run))


def _effects_and_words(
    live: Contents, rebuilt: Contents, *, now: datetime, causes_since: datetime | None
) -> Iterator[str]:
    for effect in sorted(live.effects ^ rebuilt.effects):
        where = "the ledger" if effect in live.effects else "the log"
        yield f"effect {effect}: open in {where} alone"
    if causes_since is None or now - causes_since < CAUSES_KEPT:
        for cause, digest in rebuilt.causes.items():
            if live.causes.get(cause) != digest:
                yield f"cause {cause}: not known to the ledger"
    for name, heard in rebuilt.mentions.items():
        recent = heard.heard_at is not None and now - heard.heard_at < WORDS_KEPT
        if recent and live.mentions.get(name) != heard:
            yield f"mention {name}: its words are not what was heard last"


def _pairs(
    one: Mapping[str, T], other: Mapping[str, T], without: Collection[str] = ()
) -> Iterator[tuple[str, T | None, T | None]]:
    """Yield what is not the same in both."""
    for name in sorted(one.keys() | other.keys()):
        if name not in without and one.get(name) != other.get(name):
            yield name, one.get(name), other.get(name)


def _difference(old: Case | Line | None, new: Case | Line | None) -> str:
    """Name the fields; their values may hold whatever a case holds."""
    if old is None or new is None:
        return "not in the ledger" if old is None else "not by the log"
    names = (found.name for found in fields(old))
    return ", ".join(name for name in names if getattr(old, name) != getattr(new, name))
