"""What the auditor finds, and what it may ask for: values, no deeds.

Promises: a finding names an invariant, a thing and what is wrong with it in words for an operator,
never a customer's; a repair is only a question: look again, take that record again, recover.
"""

from __future__ import annotations

from dataclasses import dataclass

from careline.runtime.kafka import Record


@dataclass(frozen=True, slots=True)
class LookAgain:
    """Put something in front of its owner, who decides by its state whether anything is to do."""

    shard: int
    set: str
    """The ledger's sorted set that owners look at: ``due`` or ``effects:<executor>``."""
    member: str


@dataclass(frozen=True, slots=True)
class Replay:
    """Publish a record once more where it stood, byte for byte: whatever was done is a repeat."""

    record: Record


@dataclass(frozen=True, slots=True)
class Recovery:
    """Have the owner of a shard recover it: what it was not told it reads again."""

    shard: int
    seen: str
    """The epoch under which the finding was made; under another one nothing is asked."""


Repair = LookAgain | Replay | Recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that an invariant does not hold for."""

    invariant: str
    shard: int
    subject: str
    """A case, mention, effect or topic, by its id."""
    says: str
    evidence: str = ""
    """How it stood; a finding counts when a second look finds the same."""
    repair: Repair | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What makes two findings the same one."""
        return self.invariant, self.subject
