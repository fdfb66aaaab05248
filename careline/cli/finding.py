"""Where a mention is: its shard, what was heard, and the case that its correction goes to.

Promise: reads only. A mention that triage took for no query may have no case: then the id of the
case that it would open is given, so that a correction finds its shard.
"""

from __future__ import annotations

from dataclasses import dataclass

from careline.domain.case import Case
from careline.ledger.store import Ledger
from schemas.identity import case_id as id_of_case
from schemas.mentions import MentionEdited, MentionReceived
from schemas.triage import MentionTriaged

_EPISODES_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A mention in the ledger."""

    mention_id: str
    heard: MentionReceived | MentionEdited
    triaged: MentionTriaged
    case_id: str
    case: Case | None
    """None: it belongs to no case."""


async def find(ledger: Ledger, mention_id: str, *, shard: int | None = None) -> Found | None:
    """Return a mention by its id, from a shard or from whichever has it; None: nobody knows it."""
    shards = range(ledger.partitions) if shard is None else (shard,)
    for number in shards:
        triaged = await ledger.read_mention(mention_id, number)
        if triaged is not None:
            return await found_of(ledger, mention_id, triaged, number)
    return None


async def found_of(
    ledger: Ledger, mention_id: str, triaged: MentionTriaged, shard: int
) -> Found | None:
    """Return where a mention belongs; None if it is no customer's message."""
    heard = triaged.heard
    if not isinstance(heard, (MentionReceived, MentionEdited)):
        return None
    line = await ledger.line(heard.line, shard)

    def named(episode: int) -> str:
        return id_of_case(
            heard.line,
            episode,
            conversation=heard.conversation.key,
            partitions=ledger.partitions,
        )

    for episode in range(line.episode, max(line.episode - _EPISODES_MAX, 0), -1):
        case = await ledger.read_case(named(episode))
        if case is None:
            continue
        if case.obligation(mention_id) is not None or mention_id in case.noted:
            return Found(
                mention_id=mention_id,
                heard=heard,
                triaged=triaged,
                case_id=case.case_id,
                case=case,
            )
    return Found(
        mention_id=mention_id,
        heard=heard,
        triaged=triaged,
        case_id=line.case_id or named(line.episode + 1),
        case=None,
    )
