"""One shard's batch on its way into the ledger: what is left of it, round after round.

Promises: a record is settled once; `in` is asked to move over the whole batch, and the script stops
it before the first record that is still to be decided. What the triage skipped is noticed by its
source offset before anything is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from careline.domain.policy import Policy
from careline.ledger.commits import Call, InputRange, input_range
from careline.ledger.deciding import Decider
from careline.ledger.fence import InputGap, where
from careline.ledger.items import Item
from careline.ledger.snapshot import Snapshot, Wanted
from schemas.topics import MENTIONS_RECEIVED

_SETTLED: Final = frozenset("dr")
_log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Batch:
    """The records of one topic for one shard."""

    topic: str
    shard: int
    items: list[Item]
    epoch: str = ""
    """The fence wanted; empty: any healthy one."""
    settled_up_to: int = -1
    offsets: list[int] = field(default_factory=list)
    failures: int = 0
    repeats: int = 0
    done: int = 0
    _carried: list[Item] = field(default_factory=list)
    _source_last: int | None = None
    _source_gone: int | None = None
    """Up to here nothing was ever triaged, and is not there any more."""

    def __post_init__(self) -> None:
        """Remember the offsets of the topic itself; missed records may join the items later."""
        self.offsets = self.offsets or [item.record.offset for item in self.items]

    @property
    def pending(self) -> list[Item]:
        """The records that are not settled yet."""
        return [item for item in self.items if not item.done]

    def wanted(self) -> Wanted:
        """Return what is to be read for the next round."""
        return Wanted.by(self.topic, self.pending)

    def missed(self, snapshot: Snapshot) -> tuple[int, int] | None:
        """Return the received offsets (first, last) that triage passed over, if it did."""
        last = self._source_gone if snapshot.source_seen is None else snapshot.source_seen
        for item in self.items:
            source = item.source_offset
            if source is None:
                continue
            if last is None and item.record.offset == 0:
                last = -1  # the topic's very first record: before it nothing was triaged
            if last is not None and source > last + 1:
                return last + 1, source - 1
            last = source if last is None else max(last, source)
        self._source_last = last
        return None

    def begins_behind(self, source: int) -> None:
        """Take over that nothing up to this offset can be triaged any more: no shard saw it."""
        self._source_gone = source

    def insert_missed(self, missed: Sequence[Item]) -> None:
        """Put records, triaged on the spot, where the triage should have put them."""
        first = missed[0].source_offset or 0
        for place, item in enumerate(self.items):
            if item.source_offset is not None and item.source_offset > first:
                # They move nothing of their own: a conflict holds `in` before their successor.
                at = item.record.offset
                self.items[place:place] = [
                    replace(found, record=replace(found.record, offset=at)) for found in missed
                ]
                return

    def call(self, snapshot: Snapshot, policy: Policy) -> Call:
        """Decide the pending records; one that cannot be decided says so in its item."""
        decider = Decider(snapshot, policy, self.settled_up_to)
        call = Call(snapshot.epoch, puts=decider.puts, sequences=self._sequences(snapshot))
        self._carried = []
        for item in self.pending:
            known = item.cause is not None and item.cause.id in snapshot.causes
            try:
                commit = decider.decide(item)
            except Exception as error:  # noqa: BLE001 - the record loop: a person sees what broke
                # The error's words and its frames may hold a customer's text.
                _log.error(
                    "record could not be decided",
                    topic=self.topic,
                    shard=self.shard,
                    offset=item.record.offset,
                    code=type(error).__name__,
                    where=where(error),
                )
                item.unreadable, item.body = "decide_failed", None
                continue
            self.repeats += known
            if commit is not None:
                call.commits.append(commit)
                self._carried.append(item)
        return call

    def settle(self, letters: str) -> bool:
        """Take over the script's verdicts; return whether nothing is left."""
        conflicting = set()
        for item, letter in zip(self._carried, letters, strict=True):
            if letter not in _SETTLED:
                conflicting.add(id(item))
            else:
                self.done += letter == "d"
                self.repeats += letter == "r"
        for item in self.items:
            item.done = item.done or id(item) not in conflicting
        return not conflicting

    def singles(self) -> list[Batch]:
        """Return a batch for each record, in order, to find the one that fails alone."""
        found: list[Batch] = []
        for item in self.items:
            at = item.record.offset
            offsets = [at] if not found or found[-1].offsets[-1] != at else found[-1].offsets
            found.append(replace(self, items=[item], offsets=offsets, failures=0))
        return found

    def gap(self, snapshot: Snapshot) -> InputGap:
        """Return the error of a batch that does not follow what the shard has seen."""
        seen = -1 if snapshot.seen is None else snapshot.seen
        return InputGap(self.shard, self.topic, seen + 1)

    def _sequences(self, snapshot: Snapshot) -> list[InputRange]:
        if not self.offsets:
            return []
        found = [input_range(self.topic, self.offsets)]
        last, seen = self._source_last, snapshot.source_seen
        if last is not None and (seen is None or last > seen):
            first = last if seen is None else seen + 1
            found.append(
                InputRange(
                    topic=MENTIONS_RECEIVED.name,
                    first=first,
                    last=last,
                    records=last - first + 1,
                    strict=False,
                )
            )
        return found
