"""What the auditor reads of one shard before it judges: one moment's look, as plain values.

Promises: reading changes nothing and needs no fence. What changed while it was read is told by its
time: a case whose last event is not older than ``now`` is left for the next look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from careline.ledger.effects import PendingEffect, pending_of
from careline.ledger.fence import Fence
from careline.ledger.store import Ledger, from_ms, key


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFacts:
    """An effect without an outcome."""

    effect_id: str
    executor: str
    case_id: str
    next_at: datetime | None
    """When its executor looks at it next; None: it stands in no set, nobody will."""
    attempts: int = 0
    attempted_at: datetime | None = None
    asked_at: datetime | None = None
    """When it was first asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFacts:
    """How a shard stood."""

    shard: int
    now: datetime
    """By the ledger's own clock, before anything else was read."""
    fence: Fence
    inputs: Mapping[str, int] = field(default_factory=dict)
    """The last offset of each topic that the shard has taken in."""
    committed: Mapping[str, int] = field(default_factory=dict)
    """What the workers' group has acknowledged to Kafka: the next offset of each topic."""
    ends: Mapping[str, int] = field(default_factory=dict)
    """Where each input ended, read before the ledger was."""
    due: Mapping[str, datetime] = field(default_factory=dict)
    outbox_oldest: datetime | None = None
    effects: Mapping[str, EffectFacts] = field(default_factory=dict)
    unreadable_effects: tuple[str, ...] = ()


async def read_facts(
    ledger: Ledger, shard: int, committed: Mapping[str, int], ends: Mapping[str, int] | None = None
) -> ShardFacts:
    """Read a shard; the rest must have been read before. Raises `LedgerUnavailable`."""
    now = await ledger.now()
    fence = await ledger.fence(shard)
    position = await ledger.position(shard)
    effects, unreadable = await _effects(ledger, shard, now)
    return ShardFacts(
        shard=shard,
        now=now,
        fence=fence,
        inputs=position.inputs,
        committed=committed,
        ends=ends or {},
        due=await ledger.due_times(shard),
        outbox_oldest=await _outbox_oldest(ledger, shard),
        effects=effects,
        unreadable_effects=unreadable,
    )


async def _outbox_oldest(ledger: Ledger, shard: int) -> datetime | None:
    asked = ledger.client.xrange(key(shard, "outbox"), count=1)
    entries = await ledger.asked(cast("Awaitable[list[tuple[bytes, object]]]", asked))
    return from_ms(int(entries[0][0].partition(b"-")[0])) if entries else None


async def _effects(
    ledger: Ledger, shard: int, now: datetime
) -> tuple[dict[str, EffectFacts], tuple[str, ...]]:
    """Return the effects that can be read, and the ids of the others."""
    known: dict[str, PendingEffect] = {}
    unreadable: dict[str, None] = {}
    async for name, raw in ledger.stored(shard, "effect"):
        try:
            known[name] = pending_of(shard, raw, now)
        except ValueError:
            unreadable[name] = None
    times: dict[tuple[str, str], datetime] = {}
    for executor in {effect.intent.executor for effect in known.values()}:
        asked = ledger.client.zrange(key(shard, f"effects:{executor}"), 0, -1, withscores=True)
        entries = await ledger.asked(cast("Awaitable[list[tuple[bytes, float]]]", asked))
        times |= {(executor, name.decode()): from_ms(score) for name, score in entries}
    effects = {
        name: EffectFacts(
            effect_id=name,
            executor=effect.intent.executor,
            case_id=effect.intent.case_id,
            next_at=times.get((effect.intent.executor, name)),
            attempts=effect.attempts,
            attempted_at=effect.attempted_at,
            asked_at=effect.asked_at,
        )
        for name, effect in known.items()
    }
    return effects, tuple(unreadable)
