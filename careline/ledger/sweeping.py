"""How something stored is taken away or made bare: only if it still is as it was seen.

Promise: under the fence, in one step, and never over something that came meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from careline.domain.case import Case
from careline.ledger.fence import Fence
from careline.ledger.scripts import Arg
from careline.ledger.store import Ledger, from_ms, to_ms

GONE: Final = b""
"""In place of a value: the field leaves."""


@dataclass(frozen=True, slots=True)
class Change:
    """A field as it was seen, and what comes in its place."""

    seen: bytes
    value: bytes = GONE


async def swap(
    ledger: Ledger,
    shard: int,
    fence: Fence,
    name: str,
    changes: Mapping[str, Change],
    *,
    cards: Sequence[Case] = (),
) -> int:
    """Change fields of a hash and ask for the cards of cases anew; return how many were changed."""
    if not changes and not cards:
        return 0
    args: list[Arg] = [fence.value, name, len(changes)]
    for field, change in changes.items():
        seen = hashlib.sha1(change.seen, usedforsecurity=False).hexdigest()
        args += (field, seen, change.value)
    args.append(len(cards))
    for case in cards:
        args += (case.case_id, case.version)
    (changed,) = await ledger.script("swap", shard, *args)
    return int(changed)


async def drop_replies(
    ledger: Ledger, shard: int, fence: Fence, effects: Iterable[str], *, before: datetime
) -> int:
    """Drop the texts of replies that were seen settled before a time; return how many."""
    names = list(effects)
    if not names:
        return 0
    (gone,) = await ledger.script("texts", shard, fence.value, to_ms(before), *names)
    return int(gone)


async def time_of(ledger: Ledger, shard: int) -> datetime:
    """Return the time of the server that holds a shard."""
    (micros,) = await ledger.script("now", shard)
    return from_ms(int(micros) / 1000)
