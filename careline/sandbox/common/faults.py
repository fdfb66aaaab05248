"""Faults a test switches on: what networks do to a client on a bad day.

Promise: which request a fault hits depends only on its seed and on the order of the requests that
match it, so a failing run can be repeated. A fault never alters stored data by itself: it only
refuses, repeats, delays or hides what a handler does.
"""

from __future__ import annotations

import fnmatch
import random
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from careline.sandbox.common.wire import Json


class FaultKind(StrEnum):
    """What goes wrong."""

    RATE_LIMIT = "rate_limit"
    """429 with Retry-After; nothing happened."""
    SERVER_ERROR = "server_error"
    """5xx with an HTML body; with `accepted` the effect happened before."""
    CUT = "cut"
    """The connection is reset; unless `accepted` is false the effect happened."""
    LATE_LANDING = "late_landing"
    """The effect appears `seconds` later, whatever `answer` (cut, error, ok) the client got."""
    DUPLICATE = "duplicate"
    """A write happens twice, a page lists its items twice, an envelope is sent twice."""
    STALL = "stall"
    """The server goes silent for `seconds`; with `accepted` the effect happened."""
    REFUSE = "refuse"
    """The service answers with the error named in `error` (Slack ok:false, X a problem)."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One switched-on fault: what, where, how often."""

    id: str
    kind: FaultKind
    server: str
    method: str = "*"
    path: str = "*"
    probability: float = 1.0
    count: int | None = None
    seed: int = 0
    status: int = 503
    retry_after: float = 1.0
    seconds: float = 3600.0
    accepted: bool = True
    answer: str = "cut"
    error: str = "internal_error"
    seen: int = 0
    hits: int = 0
    rng: random.Random = field(default_factory=random.Random)

    @classmethod
    def from_json(cls, body: Json, *, number: int) -> Fault:
        """Read a fault from the control API; unknown fields and kinds are errors."""
        names = set(cls.__slots__) - {"id", "seen", "hits", "rng", "kind"}
        unknown = set(body) - names - {"kind", "id"}
        if unknown:
            message = f"unknown fault fields: {', '.join(sorted(unknown))}"
            raise ValueError(message)
        kind = FaultKind(body["kind"])
        fields: Json = {name: body[name] for name in names & set(body)}
        fields.setdefault("server", "*")
        if kind in {FaultKind.SERVER_ERROR, FaultKind.STALL}:
            fields.setdefault("accepted", False)
        fault = cls(id=str(body.get("id", f"f{number}")), kind=kind, **fields)
        fault.rng = random.Random(fault.seed)  # noqa: S311 - repeatable, no secret
        return fault

    def matches(self, server: str, method: str, path: str) -> bool:
        """Say whether the fault is about this request."""
        return (
            self.server in {"*", server}
            and self.method in {"*", method}
            and fnmatch.fnmatchcase(path, self.path)
        )

    def fires(self) -> bool:
        """Draw once for a matching request."""
        self.seen += 1
        if self.count is not None and self.hits >= self.count:
            return False
        if self.probability < 1 and self.rng.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def at_retry(self) -> float:
        """Give the instant from which a refused client may try again."""
        return time.time() + self.retry_after

    def to_json(self) -> Json:
        """Show the fault and how often it hit."""
        names = [name for name in self.__slots__ if name != "rng"]
        return {name: getattr(self, name) for name in names}


class FaultPlan:
    """The faults switched on now, asked in the order they were added."""

    def __init__(self) -> None:
        """Start without faults."""
        self._faults: dict[str, Fault] = {}
        self._numbers = 0

    def add(self, body: Json) -> Fault:
        """Switch a fault on."""
        self._numbers += 1
        fault = Fault.from_json(body, number=self._numbers)
        self._faults[fault.id] = fault
        return fault

    def clear(self, fault_id: str | None = None) -> int:
        """Switch one fault off, or all; return how many were on."""
        if fault_id is None:
            number = len(self._faults)
            self._faults.clear()
            return number
        return 1 if self._faults.pop(fault_id, None) else 0

    def list(self) -> list[Json]:
        """Show all faults that are on."""
        return [fault.to_json() for fault in self._faults.values()]

    def pick(self, server: str, method: str, path: str) -> Fault | None:
        """Give the first fault that fires on this request."""
        for fault in self._faults.values():
            if fault.matches(server, method, path) and fault.fires():
                return fault
        return None
