"""The fence of a shard: which life of the ledger a script may speak for.

Promise: a value that is absent, of another recovery or of another server is never taken for a
healthy one; `n` is the offset of the `EpochStarted` that began this life.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from careline.runtime.errors import CarelineError, RetryableError

_VALUE = re.compile(r"^(?:(?P<n>\d+)|recovering:(?P<token>[^@]+))@(?P<run>[0-9a-f]+)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What stands in a shard's epoch, as its server saw it."""

    n: int | None
    recovering: bool
    value: str
    foreign: bool
    """The epoch was set on a server of another run id: a restart or a failover lies between."""

    @property
    def healthy(self) -> bool:
        """Whether cases may be changed under this fence."""
        return self.n is not None and not self.foreign


def fence_of(value: str, run_id: str) -> Fence:
    """Return the fence that a value is on the server with this run id."""
    found = _VALUE.match(value)
    if found is None:
        return Fence(n=None, recovering=False, value=value, foreign=False)
    number = found["n"]
    return Fence(
        n=int(number) if number is not None else None,
        recovering=found["token"] is not None,
        value=value,
        foreign=found["run"] != run_id,
    )


class LedgerUnavailable(RetryableError):
    """The ledger does not answer, or its answer is unknown: read again, then try again."""


class ScriptFailed(CarelineError):
    """The ledger refused the arguments of a script; a record that fails so alone is quarantined."""


class Fenced(RetryableError):
    """The shard's epoch is absent, of another recovery or of another server: recover it first."""

    def __init__(self, shard: int, found: str) -> None:
        """Remember which shard, and what stands there."""
        super().__init__(
            f"shard {shard} is fenced (epoch {found or 'absent'})",
            hint="the worker recovers it; by hand: careline ledger rebuild",
        )
        self.shard = shard
        self.found = found


class InputGap(CarelineError):
    """Records were passed over: replay the topic from ``expected``."""

    def __init__(self, shard: int, topic: str, expected: int) -> None:
        """Remember where to go on."""
        super().__init__(
            f"shard {shard}: {topic} begins past offset {expected} or has holes",
            hint="replay from there",
        )
        self.shard = shard
        self.topic = topic
        self.expected = expected


class InputLost(CarelineError):
    """Records that the ledger has not seen are gone from their topic: a person must know."""

    def __init__(self, shard: int, topic: str, expected: int, found: int) -> None:
        """Remember what is missing."""
        super().__init__(
            f"shard {shard}: {topic} should go on at offset {expected}, the log has {found}",
            hint="they are lost for good: compare with the network, and tell the people concerned",
        )
        self.shard = shard
        self.topic = topic
        self.expected = expected
        self.found = found


def where(error: BaseException) -> str:
    """Return the place where an error was raised, such as ``codec.py:24``: no words, no values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
