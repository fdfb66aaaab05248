"""What every event of a case carries: its place in the history, its cause, time and actor."""

from __future__ import annotations

from schemas.base import UtcDatetime, Wire
from schemas.commands import Actor


class Stamped(Wire):
    """An event of a case: numbered without a gap, and with the same id if it is made again."""

    event_id: str
    case_id: str
    version: int
    cause_id: str
    cause_digest: str
    index: int
    at: UtcDatetime
    actor: Actor
