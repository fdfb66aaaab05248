"""What follows from the same is worked out once: pure functions of the product, remembered.

Promise: nothing is decided here. A function that is wrapped is pure, and its answer is given again
only for the same arguments: the same bytes, the same time, or the very same frozen value (which is
kept, so that its identity names nothing else). `python -m tests.simulation run --no-memo` plays
without, and a test holds both to the same histories.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import attrgetter
from types import ModuleType
from typing import Any

Pure = Callable[..., Any]
MOST = 20_000
"""Answers of a function that are kept, at least: what is asked for again stays."""


@dataclass(frozen=True, slots=True)
class _Seam:
    """A pure function, where it is called by name, and what its answer depends on."""

    name: str
    modules: tuple[str, ...]
    key: Callable[..., Hashable]


_DECIDING, _COMMITS = "careline.ledger.deciding", "careline.ledger.commits"
_SNAPSHOT, _STORE = "careline.ledger.snapshot", "careline.ledger.store"
_DEADLINES, _ABSORB = "careline.ledger.deadlines", "careline.ledger.absorb"
_ITEMS, _EXECUTOR = "careline.ledger.items", "careline.ledger.executor"
_SEAMS = (
    _Seam("unpack", (_ITEMS, _ABSORB), lambda adapter, value: (id(adapter), value)),
    _Seam("load_case", (_SNAPSHOT, _STORE, _DEADLINES), lambda raw: raw),
    _Seam(
        "packed_event",
        ("careline.ledger.outboxes",),
        lambda body, *, epoch, parts: (body, epoch, parts),
    ),
    _Seam("urgency_of", (_DEADLINES, _EXECUTOR), id),
    _Seam("shard_of_case", (_ITEMS, _STORE, "careline.ledger.effects"), lambda case: case),
    _Seam("line_of", (_SNAPSHOT,), lambda raw: raw),
    _Seam("mention_of", (_SNAPSHOT,), lambda raw: raw),
    _Seam("line_raw", (_SNAPSHOT,), lambda line: line),
    _Seam("dump_case", (_COMMITS,), id),
    _Seam("next_due", (_COMMITS, _DEADLINES), id),
    _Seam("intent_of", ("careline.ledger.effects",), lambda raw: raw),
    _Seam("evolve", (_ABSORB,), lambda case, event: (id(case), id(event))),
    _Seam("effects_of", (_ABSORB,), lambda case, event: (id(case), id(event))),
    _Seam(
        "decide_mention",
        (_DECIDING,),
        lambda heard, triage, *, case, line, awaited, cause, now, policy: (
            id(heard),
            id(triage),
            id(case),
            line,
            awaited,
            cause,
            now,
            id(policy),
        ),
    ),
    _Seam(
        "decide_delete",
        (_DECIDING,),
        lambda heard, *, case, cause, now, policy: (id(heard), id(case), cause, now, id(policy)),
    ),
    _Seam(
        "decide_brand_post",
        (_DECIDING,),
        lambda post, *, target, case, line, cause, now, policy: (
            id(post),
            target,
            id(case),
            line,
            cause,
            now,
            id(policy),
        ),
    ),
    _Seam(
        "replace",
        (_DECIDING,),
        lambda decision, **changes: (id(decision), *changes.items()),
    ),
    _Seam(
        "decide_command",
        (_DECIDING,),
        lambda command, *, case, cause, now, policy: (
            id(command),
            id(case),
            cause,
            now,
            id(policy),
        ),
    ),
    _Seam(
        "decide_deadline",
        (_DEADLINES,),
        lambda case, *, now, policy: (id(case), now, id(policy)),
    ),
    _Seam("RecordOutcome", (_EXECUTOR,), lambda **facts: tuple(facts.values())),
    _Seam("pack_command", (_EXECUTOR,), lambda body, *, source: (id(body), source)),
)
_COPIED = _Seam(
    "commit_of",
    (_DECIDING, _DEADLINES),
    lambda decision, cause, *, case_id, expected, now: (
        id(decision),
        cause,
        case_id,
        expected,
        now,
    ),
)
"""Its answer is filled in further by whoever asked: everybody gets a copy."""


class Memo:
    """Answers of pure functions, installed where they are called."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._before: list[tuple[ModuleType, str, object]] = []

    def install(self) -> None:
        """Remember from here on. Bugs are planted before."""
        for seam in _SEAMS:
            self._wrap(seam, self._remembered)
        self._wrap(_COPIED, self._remembered_commit)

    def remove(self) -> None:
        """Forget everything, and let everybody work it out again."""
        for module, name, function in reversed(self._before):
            setattr(module, name, function)
        self._before.clear()

    def _wrap(self, seam: _Seam, how: Callable[[Pure, Callable[..., Hashable]], Pure]) -> None:
        modules = [importlib.import_module(name) for name in seam.modules]
        function: Pure = getattr(modules[0], seam.name)
        wrapped = how(function, seam.key)
        for module in modules:
            self._put(module, seam.name, wrapped)

    def _put(self, module: ModuleType, name: str, new: object) -> None:
        self._before.append((module, name, getattr(module, name)))
        setattr(module, name, new)

    def _remembered(self, function: Pure, key: Callable[..., Hashable]) -> Pure:
        young: dict[Hashable, tuple[Any, object]] = {}
        old = young

        def again(*args: Any, **facts: Any) -> Any:
            nonlocal young, old
            name = key(*args, **facts)
            found = young.get(name)
            if found is None:
                found = old.get(name)
                if found is None:
                    # With the arguments: a name may be an identity, which must not be given again.
                    found = (function(*args, **facts), (args, facts))
                if len(young) >= MOST:
                    young, old = {}, young
                young[name] = found
            return found[0]

        return again

    def _remembered_commit(self, function: Pure, key: Callable[..., Hashable]) -> Pure:
        again = self._remembered(function, key)
        kind: Any = sys.modules[function.__module__].Commit
        putters = [getattr(kind, name).__set__ for name in kind.__slots__]
        values = attrgetter(*kind.__slots__)

        def copied(*args: Any, **facts: Any) -> Any:
            known = again(*args, **facts)
            found = object.__new__(kind)
            for put, value in zip(putters, values(known), strict=True):
                put(found, value)
            found.operations = known.operations.copy()
            return found

        return copied
