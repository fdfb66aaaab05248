"""The log of record as a reader sees it: without what is void, and each event once.

Promise: behind an `EpochStarted` a record of a lower epoch is void, even another `EpochStarted`; an
event whose version was seen is a repeat. What cannot be read is passed over: the ledger, not this
reader, keeps the promise.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import structlog

from careline.runtime.kafka import Record
from schemas.envelope import Unreadable, header, unpack
from schemas.events import LOG, AuthorErased, CaseEvent, CommandRefused, EpochStarted

CASES_REMEMBERED: Final = 50_000
_log = structlog.get_logger(__name__)


class LogView:
    """What was read of each partition, and of each case."""

    def __init__(self, *, remembered: int = CASES_REMEMBERED) -> None:
        """Start with nothing read."""
        self._remembered = remembered
        self._epochs: dict[int, int] = {}
        self._versions: OrderedDict[str, int] = OrderedDict()
        self._refusals: OrderedDict[str, None] = OrderedDict()

    def read(self, record: Record) -> CaseEvent | CommandRefused | None:
        """Return what a record says; None if it is void, a repeat, or nothing to act on."""
        try:
            body = unpack(LOG, record.value)
        except Unreadable as error:
            _log.warning(
                "event not readable",
                reason=error.reason,
                partition=record.partition,
                offset=record.offset,
            )
            return None
        if self._is_void(record):
            return None
        if isinstance(body, EpochStarted):
            self._raise_to(record.partition, record.offset)
            return None
        if isinstance(body, AuthorErased):
            return None  # its cards stand in the ledger's list of refreshes
        return body if self._is_new(body) else None

    def _is_void(self, record: Record) -> bool:
        text = header(record.headers, "epoch") or ""
        if not text.isdecimal():
            return False
        epoch = int(text)
        if epoch < self._epochs.get(record.partition, 0):
            return True
        self._raise_to(record.partition, epoch)
        return False

    def _raise_to(self, partition: int, epoch: int) -> None:
        self._epochs[partition] = max(epoch, self._epochs.get(partition, 0))

    def _is_new(self, body: CaseEvent | CommandRefused) -> bool:
        if isinstance(body, CommandRefused):
            if body.event_id in self._refusals:
                return False
            self._refusals[body.event_id] = None
            _bound(self._refusals, self._remembered)
            return True
        if body.version <= self._versions.get(body.case_id, 0):
            return False
        self._versions[body.case_id] = body.version
        self._versions.move_to_end(body.case_id)
        _bound(self._versions, self._remembered)
        return True


def _bound(known: OrderedDict[str, int] | OrderedDict[str, None], most: int) -> None:
    while len(known) > most:
        known.popitem(last=False)
