"""How long the ledger keeps what: from the retention of the topics, and from nothing else.

Promise: nothing that carries the promise has a time to live; what leaves is what no record can ask
for any more, and what a record asks for all the same ends in front of a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from careline.domain.snapshots import AFTER_CLOSE, EVERY, KEPT
from schemas.topics import (
    CASES_COMMANDS,
    DEAD_LETTERS,
    MENTIONS_RECEIVED,
    MENTIONS_TRIAGED,
)

CAUSES_KEPT: Final = timedelta(days=30) + max(
    found.retention for found in (MENTIONS_RECEIVED, MENTIONS_TRIAGED, CASES_COMMANDS, DEAD_LETTERS)
)
"""A cause id is known for so long (120 days): longer than any record can wait to come again."""
WORDS_KEPT: Final = MENTIONS_RECEIVED.retention
"""What people wrote: as long as the mention topics have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """How long each thing stays."""

    causes: timedelta = CAUSES_KEPT
    words: timedelta = WORDS_KEPT
    replies: timedelta = timedelta(days=1)
    """The text of a reply whose outcome is known: who wrote it may still be shown it."""
    tombstones: timedelta = 2 * MENTIONS_RECEIVED.retention
    """That an author was erased: longer than a topic can still hold what was heard before."""
    mentions: timedelta = timedelta(days=365)
    """Who wrote a mention, where and when; beyond that only while its line is known."""
    cases: timedelta = KEPT
    """A closed case: as long as the log knows of it."""
    snapshots: timedelta = EVERY
    """How old the last snapshot of a live case may be."""
    after_close: timedelta = AFTER_CLOSE
