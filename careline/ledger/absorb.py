"""Events of the log become the ledger's state again: `evolve` only, nothing is decided.

Promises: what is absorbed twice changes nothing; a record that is void (behind an `EpochStarted`,
of a lower epoch) is never taken in, nor is a cause of which the log has only a part: its input is
decided anew. Cause ids come back, so that the inputs replayed afterwards are told as repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from careline.domain.case import Line
from careline.domain.derive import effects_of
from careline.domain.draft import Cause
from careline.domain.evolve import evolve
from careline.ledger.commits import Call, Commit, add_effects
from careline.ledger.outbox import PARTS, Epochs
from careline.ledger.snapshot import Snapshot, Wanted, snapshot_of
from careline.ledger.store import Ledger
from careline.runtime.errors import InvariantViolation
from careline.runtime.kafka import Record
from schemas import events as e
from schemas.envelope import header, unpack
from schemas.topics import CASES_EVENTS

_SETTLED: Final = frozenset("dr")
_Logged = e.CaseEvent | e.CommandRefused


@dataclass(slots=True)
class _Group:
    """The events of one cause in one case: what one commit wrote."""

    first_offset: int
    parts: int
    events: dict[int, _Logged] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return len(self.events) >= self.parts

    @property
    def in_order(self) -> list[_Logged]:
        return [self.events[index] for index in sorted(self.events)]


class Absorber:
    """Takes the log of one shard in, batch after batch, under a recovery's own fence."""

    def __init__(self, ledger: Ledger, shard: int, *, epoch: str, log_epoch: int) -> None:
        """``log_epoch`` is the epoch at the point of the log where absorbing begins."""
        self._ledger = ledger
        self._shard = shard
        self._epoch = epoch
        self._epochs = Epochs(log_epoch)
        self._open: dict[tuple[str, str], _Group] = {}
        self.causes: set[str] = set()
        """Causes that were new to the ledger."""

    async def absorb(self, records: Sequence[Record]) -> None:
        """Take a batch in. Raises `InvariantViolation` if the log contradicts itself."""
        groups = self._complete(records)
        wanted = _wanted(groups)
        snapshot = await self._read(wanted)
        lines = _other_lines(snapshot, groups)
        if lines:
            more = await self._read(Wanted(CASES_EVENTS.name, lines=lines))
            snapshot.lines |= more.lines
        call = Call(self._epoch, log=f"{self._log(records[-1].offset)}|{self._epochs.current}")
        for group in groups:
            commit = _commit(snapshot, group.in_order)
            if commit is not None:
                call.commits.append(commit)
                self.causes.add(commit.cause.id)
        letters, _ = await self._ledger.script("commit", self._shard, *call.args())
        if not _SETTLED.issuperset(letters.decode()):
            raise InvariantViolation(
                f"shard {self._shard}: the log contradicts itself near offset {records[-1].offset}",
                hint="somebody else wrote to the ledger during its recovery",
            )

    def _complete(self, records: Sequence[Record]) -> list[_Group]:
        """Return the causes whose last part came in, in the order in which it did."""
        found: list[_Group] = []
        for record in records:
            if not self._epochs.admits(record.offset, record.headers):
                continue
            event = unpack(e.LOG, record.value)
            if isinstance(event, e.EpochStarted):
                # A cause that was cut off here was decided anew behind this mark.
                self._open.clear()
                continue
            index = 0 if isinstance(event, e.CommandRefused) else event.index
            parts = int(header(record.headers, PARTS) or index + 1)
            key = (event.cause_id, event.case_id)
            group = self._open.setdefault(key, _Group(record.offset, parts))
            group.events[index] = event
            if group.complete:
                found.append(self._open.pop(key))
        return found

    def _log(self, last: int) -> int:
        """Return the offset that the next recovery may go on behind."""
        return min((group.first_offset - 1 for group in self._open.values()), default=last)

    async def _read(self, wanted: Wanted) -> Snapshot:
        reply = await self._ledger.script("read", self._shard, *wanted.args(self._epoch))
        return snapshot_of(wanted, reply)


def _wanted(groups: Iterable[_Group]) -> Wanted:
    events = [event for group in groups for event in group.in_order]
    return Wanted(
        CASES_EVENTS.name,
        causes=tuple({event.cause_id: None for event in events}),
        lines=tuple({event.line: None for event in events if isinstance(event, e.CaseOpened)}),
        cases=tuple({event.case_id: None for event in events}),
    )


def _other_lines(snapshot: Snapshot, groups: Iterable[_Group]) -> tuple[str, ...]:
    """Return the lines, not read yet, of cases that an own post answered."""
    lines: dict[str, None] = {}
    for group in groups:
        for event in group.events.values():
            if isinstance(event, e.ObligationsAnswered) and event.up_to is not None:
                case = snapshot.case(event.case_id).case
                if case is not None and case.line not in snapshot.lines:
                    lines[case.line] = None
    return tuple(lines)


def _commit(snapshot: Snapshot, events: Sequence[_Logged]) -> Commit | None:
    first = events[0]
    cause = Cause(id=first.cause_id, digest=first.cause_digest)
    if cause.id in snapshot.causes:
        return None
    snapshot.causes[cause.id] = cause.digest.encode() + b"|"
    if isinstance(first, e.CommandRefused):
        return Commit(cause=cause, result=f"refused:{first.reason}")
    slot = snapshot.case(first.case_id)
    commit = Commit(cause=cause, result=first.event_id, case_id=first.case_id, expected=slot.head)
    case = slot.case
    for event in events:
        have = 0 if case is None else case.version
        if isinstance(event, e.CommandRefused) or event.version <= have:
            continue
        if event.version != have + 1:
            raise InvariantViolation(
                f"case {event.case_id}: the log goes from version {have} to {event.version}",
                hint="records of cases.events are lost: compare the case with its network",
            )
        case = evolve(case, event)
        add_effects(commit, effects_of(case, event), now=event.at)
        _add_line(commit, snapshot, event, case.line)
    if case is not None and case.last_event_id != slot.head:
        commit.move(case)
        slot.head, slot.loaded = commit.head, case
    return commit


def _add_line(commit: Commit, snapshot: Snapshot, event: e.CaseEvent, line: str) -> None:
    """Rebuild the line's record from what its cases say of it."""
    old = snapshot.line(line)
    match event:
        case e.CaseOpened(kind=e.CaseKind.CARE):
            new = Line(
                case_id=event.case_id,
                episode=event.episode,
                answered_up_to=old.line.answered_up_to,
            )
        case e.ObligationsAnswered() if event.up_to is not None:
            up_to = max(found for found in (old.line.answered_up_to, event.up_to) if found)
            new = Line(case_id=old.line.case_id, episode=old.line.episode, answered_up_to=up_to)
        case _:
            return
    if not commit.line:
        commit.line, commit.old_line = line, old.raw
    commit.new_line = snapshot.put_line(line, new)
