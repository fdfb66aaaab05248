"""What the authors wrote, read from the ledger for showing: never kept here.

Promise: only what a card shows is read; what was erased is simply not there.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from careline.domain.case import Case
from responders.slack import wording
from responders.slack.cards import SHOWN_MAX
from schemas.identity import shard_of_case
from schemas.triage import MentionTriaged


class TextStore(Protocol):
    """The ledger's mention store."""

    async def read_mention(self, mention_id: str, shard: int) -> MentionTriaged | None:
        """Return the latest revision of a mention, or None if it is no longer kept."""
        ...


async def shown_texts(store: TextStore, case: Case) -> dict[str, MentionTriaged]:
    """Return what a card of the case shows, by mention id."""
    shard = shard_of_case(case.case_id)
    if shard is None:
        return {}
    wanted = [found.mention_id for found in case.open_obligations[:SHOWN_MAX]]
    leading = wording.leading(case)
    if leading is not None and leading.mention_id not in wanted:
        wanted.append(leading.mention_id)
    found = await asyncio.gather(*(store.read_mention(one, shard) for one in wanted))
    return {one: text for one, text in zip(wanted, found, strict=True) if text is not None}
