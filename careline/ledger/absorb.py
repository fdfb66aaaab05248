"""Events of the log become the ledger's state again: `evolve` only, nothing is decided.

Promises: what is absorbed twice changes nothing; a record that is void (behind an `EpochStarted`,
of a lower epoch) is never taken in, nor is a cause of which the log has only a part: its input is
decided anew. Cause ids come back, so that the inputs replayed afterwards are told as repeats. A
case begins with `CaseOpened` or, where the log has forgotten that, with its next `CaseSnapshotted`;
one of which neither is left, and a record of a kind that only a newer version knows, are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from careline.domain.case import Case
from careline.domain.derive import effects_of
from careline.domain.draft import Cause
from careline.domain.effects import Effect
from careline.domain.evolve import evolve
from careline.domain.snapshots import standing_effects
from careline.ledger.absorb_lines import line_after, lines_named, other_lines
from careline.ledger.commits import Call, Commit, Put, add_effects
from careline.ledger.outbox import PARTS, Epochs
from careline.ledger.snapshot import CaseSlot, Snapshot, Wanted, snapshot_of
from careline.ledger.store import Ledger, to_ms
from careline.runtime.errors import InvariantViolation
from careline.runtime.kafka import Record
from schemas import events as e
from schemas.envelope import Unreadable, header, unpack
from schemas.topics import CASES_EVENTS

_SETTLED: Final = frozenset("dr")
_Logged = e.CaseEvent | e.UnknownEvent | e.CommandRefused | e.AuthorErased
_UNVERSIONED: Final = (e.CommandRefused, e.AuthorErased)


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

    def __init__(
        self, ledger: Ledger, shard: int, *, epoch: str, log_epoch: int, beginning: int = 0
    ) -> None:
        """``log_epoch`` is the epoch at the point of the log where absorbing begins.

        ``beginning`` is the first offset that the log still has: behind it, cases may lack theirs.
        """
        self._ledger = ledger
        self._shard = shard
        self._epoch = epoch
        self._epochs = Epochs(log_epoch)
        self._cut = beginning > 0
        self._open: dict[tuple[str, str], _Group] = {}
        self._closed: set[tuple[str, str]] = set()
        self.causes: set[str] = set()
        """Causes that were new to the ledger."""
        self.headless: dict[str, int] = {}
        """Cases whose beginning the log has forgotten, with their last offset, until a snapshot."""
        self.unreadable: list[tuple[Record, str]] = []
        """Records that this version cannot read, each with its reason."""

    async def absorb(self, records: Sequence[Record]) -> None:
        """Take a batch in. Raises `InvariantViolation` if the log contradicts itself."""
        groups = self._complete(records)
        wanted = _wanted(groups)
        snapshot = await self._read(wanted)
        lines = other_lines(snapshot, (event for group in groups for event in group.in_order))
        if lines:
            more = await self._read(Wanted(CASES_EVENTS.name, lines=lines))
            snapshot.lines |= more.lines
        call = Call(self._epoch, log=f"{self._log(records[-1].offset)}|{self._epochs.current}")
        moved: dict[str, tuple[Commit, Case]] = {}
        for group in groups:
            commit = self._commit(snapshot, group, moved)
            if commit is not None:
                call.commits.append(commit)
                self.causes.add(commit.cause.id)
            call.puts += _erased(group)
        # A case that changes many times in a batch is written once, as it is in the end.
        for commit, case in moved.values():
            commit.move(case)
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
            event = self._event(record)
            if event is None:
                continue
            if isinstance(event, e.EpochStarted):
                # A cause that was cut off here was decided anew behind this mark.
                self._open.clear()
                continue
            index = 0 if isinstance(event, _UNVERSIONED) else event.index
            parts = int(header(record.headers, PARTS) or index + 1)
            key = (event.cause_id, event.case_id)
            if key in self._closed:
                continue  # a second sender's repeat
            if index and self._cut and key not in self._open:
                # The log begins in the middle of a cause.
                self.headless[event.case_id] = record.offset
                continue
            group = self._open.setdefault(key, _Group(record.offset, parts))
            group.events[index] = event
            if group.complete:
                found.append(self._open.pop(key))
                self._closed.add(key)
        return found

    def _event(self, record: Record) -> _Logged | e.EpochStarted | None:
        try:
            return unpack(e.LOG, record.value)
        except Unreadable as error:
            self.unreadable.append((record, error.reason))
        try:
            # A newer version's kind: its place in the case's history is all that can be kept.
            return unpack(e.UNKNOWN, record.value)
        except Unreadable:
            return None

    def _log(self, last: int) -> int:
        """Return the offset that the next recovery may go on behind."""
        return min((group.first_offset - 1 for group in self._open.values()), default=last)

    async def _read(self, wanted: Wanted) -> Snapshot:
        reply = await self._ledger.script("read", self._shard, *wanted.args(self._epoch))
        return snapshot_of(wanted, reply)

    def _commit(
        self, snapshot: Snapshot, group: _Group, moved: dict[str, tuple[Commit, Case]]
    ) -> Commit | None:
        events = group.in_order
        first = events[0]
        cause = Cause(id=first.cause_id, digest=first.cause_digest)
        if cause.id in snapshot.causes:
            return None
        snapshot.causes[cause.id] = cause.digest.encode() + b"|"
        if isinstance(first, e.CommandRefused):
            return Commit(cause=cause, result=f"refused:{first.reason}")
        commit = Commit(cause=cause, result=first.event_id)
        if isinstance(first, e.AuthorErased):
            return commit
        slot = snapshot.case(first.case_id)
        commit.case_id, commit.expected = first.case_id, slot.head
        case = self._evolved(snapshot, group, slot, commit)
        if case is not None and case.last_event_id != slot.head:
            commit.head = slot.head = case.last_event_id
            slot.loaded = case
            moved[case.case_id] = (commit, case)
        return commit

    def _evolved(
        self, snapshot: Snapshot, group: _Group, slot: CaseSlot, commit: Commit
    ) -> Case | None:
        case = slot.case
        for event in group.in_order:
            have = 0 if case is None else case.version
            if isinstance(event, _UNVERSIONED) or event.version <= have:
                continue
            begun = case is not None or not isinstance(event, e.UnknownEvent)
            if event.version == have + 1 and begun:
                case = evolve(case, event)
                effects = _effects(case, event)
            elif isinstance(event, e.CaseSnapshotted):
                # It holds all that came before it.
                self.headless.pop(event.case_id, None)
                case = evolve(None, event)
                effects = tuple(standing_effects(case, event))
            else:
                self._note_gap(event, have, group.first_offset)
                return case
            add_effects(commit, effects, now=event.at)
            line_after(commit, snapshot, event, case)
        return case

    def _note_gap(self, event: e.CaseEvent | e.UnknownEvent, have: int, offset: int) -> None:
        """Remember a case without its beginning. Raises `InvariantViolation` for any other gap."""
        if (have or not self._cut) and not self.unreadable:
            raise InvariantViolation(
                f"case {event.case_id}: the log goes from version {have} to {event.version}",
                hint="records of cases.events are lost: compare the case with its network",
            )
        self.headless[event.case_id] = offset


def _effects(case: Case, event: e.CaseEvent | e.UnknownEvent) -> tuple[Effect, ...]:
    return () if isinstance(event, e.UnknownEvent) else effects_of(case, event)


def _wanted(groups: Iterable[_Group]) -> Wanted:
    events = [event for group in groups for event in group.in_order]
    return Wanted(
        CASES_EVENTS.name,
        causes=tuple({event.cause_id: None for event in events}),
        lines=tuple(dict.fromkeys(lines_named(events))),
        cases=tuple({event.case_id: None for event in events}),
    )


def _erased(group: _Group) -> list[Put]:
    """Return the tombstones of authors that a cause erased: a replay must find them first."""
    return [
        Put("erased", event.author_hash, str(to_ms(event.at)).encode())
        for event in group.in_order
        if isinstance(event, e.AuthorErased)
    ]
