"""A commit as the script takes it: what it was decided on, and what it writes.

Promise: pure encoding; the order of the arguments is that of ``commit.lua`` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Final, assert_never

import orjson

from careline.domain import effects as fx
from careline.domain.case import Case
from careline.domain.codec import dump_case
from careline.domain.draft import Cause, Decision
from careline.domain.steps import next_due
from careline.ledger.scripts import Arg
from careline.ledger.store import to_ms

NO_OFFSET: Final = -1
_OF_AN_INTENT: Final = frozenset(each.name for each in fields(fx.Intent))


@dataclass(slots=True, kw_only=True)
class Commit:
    """One cause's changes: at most one case, at most one line."""

    cause: Cause
    result: str = ""
    offset: int = NO_OFFSET
    case_id: str = ""
    expected: str = ""
    """The last event of the case that was decided on."""
    head: str = ""
    state: bytes = b""
    due: str = ""
    line: str = ""
    old_line: bytes = b""
    new_line: bytes = b""
    operations: list[Arg] = field(default_factory=list)
    operation_count: int = 0

    def add(self, code: str, *args: Arg) -> None:
        """Append an operation."""
        self.operations.append(code)
        self.operations.extend(args)
        self.operation_count += 1

    def move(self, case: Case) -> None:
        """Write the case as it is after the events."""
        self.head = case.last_event_id
        self.state = dump_case(case)
        due = next_due(case)
        self.due = "-" if due is None else str(to_ms(due))

    def args(self) -> list[Arg]:
        """Return the arguments of this commit."""
        return [
            self.offset,
            self.cause.id,
            self.cause.digest,
            self.result,
            self.case_id,
            self.expected,
            self.head,
            self.state,
            self.due,
            self.line,
            self.old_line,
            self.new_line,
            self.operation_count,
            *self.operations,
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRange:
    """The offsets of a topic that a call stands for."""

    topic: str
    first: int
    last: int
    records: int
    strict: bool = True
    """Whether a topic never seen before must begin at offset 0."""

    def args(self) -> list[Arg]:
        """Return the arguments of this sequence."""
        return [self.topic, self.first, self.last, self.records, int(self.strict)]


@dataclass(frozen=True, slots=True)
class Put:
    """A field that is written whatever becomes of the commits, so that a replay refills it."""

    hash: str
    name: str
    value: bytes
    if_pending: bool = False
    """Only if the effect of this name has no outcome yet."""


@dataclass(slots=True)
class Call:
    """All that one call of ``commit.lua`` carries."""

    epoch: str
    commits: list[Commit] = field(default_factory=list)
    puts: list[Put] = field(default_factory=list)
    sequences: list[InputRange] = field(default_factory=list)
    log: str = ""

    def args(self) -> list[Arg]:
        """Return the arguments of the call."""
        args: list[Arg] = [self.epoch, self.log, len(self.sequences)]
        for sequence in self.sequences:
            args += sequence.args()
        args.append(len(self.puts))
        for put in self.puts:
            args += ("pending" if put.if_pending else "set", put.hash, put.name, put.value)
        args.append(len(self.commits))
        for commit in self.commits:
            args += commit.args()
        return args


def commit_of(
    decision: Decision, cause: Cause, *, case_id: str, expected: str, now: datetime
) -> Commit:
    """Return the commit of a decision on a case: state, due entry, events, effects."""
    commit = Commit(cause=cause, case_id=case_id, expected=expected)
    if decision.refusal is not None:
        commit.result = f"refused:{decision.refusal.reason}"
        commit.add("O", decision.refusal.model_dump_json().encode(), 1)
        return commit
    for event in decision.events:
        commit.add("O", event.model_dump_json().encode(), len(decision.events))
    if decision.events:
        commit.result = decision.events[0].event_id
    if decision.events and decision.case is not None:
        commit.case_id = decision.case.case_id
        commit.move(decision.case)
    add_effects(commit, decision.effects, now=now)
    return commit


def add_effects(commit: Commit, effects: Iterable[fx.Effect], *, now: datetime) -> None:
    """Append the operations of effects."""
    for effect in effects:
        match effect:
            case fx.Intent():
                not_after = "" if effect.not_after is None else str(to_ms(effect.not_after))
                commit.add(
                    "E",
                    effect.executor,
                    effect.effect_id,
                    to_ms(now),
                    not_after,
                    intent_raw(effect),
                )
            case fx.Done():
                commit.add("D", effect.executor, effect.effect_id)
            case fx.Cancel():
                reason = effect.reason.replace("\n", " ")
                commit.add("C", effect.executor, effect.effect_id, reason)
            case fx.Refresh():
                commit.add("R", effect.case_id, effect.version)
            case _:
                assert_never(effect)


def intent_raw(intent: fx.Intent) -> bytes:
    """Return the JSON of an intent."""
    return orjson.dumps(intent)


class UnreadableIntent(ValueError):
    """The ledger's bytes of an effect are no intent: only a rebuild from the log brings it back."""


def intent_of(raw: bytes) -> fx.Intent:
    """Return the intent of its JSON; fields that only a newer version knows are left out.

    Raises `UnreadableIntent`.
    """
    try:
        found = {name: value for name, value in orjson.loads(raw).items() if name in _OF_AN_INTENT}
        not_after = found["not_after"]
        if not_after is not None:
            found["not_after"] = datetime.fromisoformat(not_after)
        return fx.Intent(**found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableIntent(type(error).__name__) from error


def input_range(topic: str, offsets: Sequence[int], *, strict: bool = True) -> InputRange:
    """Return the sequence of a batch's offsets."""
    return InputRange(
        topic=topic, first=offsets[0], last=offsets[-1], records=len(offsets), strict=strict
    )
