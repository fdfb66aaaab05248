"""Remembers how often an author has written since the brand last answered, and since when.

Promise: bounded, and only ever too modest: what it has forgotten (a restart, another worker, the
oldest of very many threads) raises nothing. A message heard twice, or edited, counts once. It holds
ids and times, no text, and decides nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from careline.domain.policy import Vips
from careline.triage.context import NO_CONTEXT, Context
from schemas.identity import MentionId, mention_id
from schemas.mentions import BrandPosted, HeardRecord, MentionEdited, MentionReceived, Visibility

THREADS_MAX: Final = 20_000
_IDS_MAX: Final = 32


@dataclass(slots=True)
class _Unanswered:
    """One author's messages in one thread since the brand's last post there."""

    since: datetime
    ids: list[MentionId] = field(default_factory=list)


class Contacts:
    """The memory of one worker's triage stage."""

    def __init__(self, vips: Vips, *, threads: int = THREADS_MAX) -> None:
        """Remember at most so many threads."""
        self._vips = vips
        self._most = threads
        self._threads: OrderedDict[str, _Unanswered] = OrderedDict()
        self._thread_of: dict[MentionId, str] = {}
        """By the message's id, for public posts of the brand, which name what they reply to."""

    def __len__(self) -> int:
        """How many threads are remembered."""
        return len(self._threads)

    def heard(self, record: HeardRecord) -> Context:
        """Take a record in; return what is known beside its text."""
        if isinstance(record, (MentionReceived, MentionEdited)):
            return self._written(record)
        if isinstance(record, BrandPosted):
            self._answered(record)
        return NO_CONTEXT

    def _written(self, mention: MentionReceived | MentionEdited) -> Context:
        key, own_id = _thread(mention), mention.mention_id
        thread = self._threads.get(key)
        if thread is None:
            thread = self._threads[key] = _Unanswered(mention.heard_at)
            if len(self._threads) > self._most:
                self._forget(next(iter(self._threads)))
        else:
            self._threads.move_to_end(key)
        if own_id not in thread.ids and len(thread.ids) < _IDS_MAX:
            thread.ids.append(own_id)
            self._thread_of[own_id] = key
        contacts = thread.ids.index(own_id) + 1 if own_id in thread.ids else _IDS_MAX
        return Context(
            vip=self._vips.include(mention.author),
            followers=mention.author.followers,
            contacts=contacts,
            waiting=max((mention.heard_at - thread.since).total_seconds(), 0.0),
            public=mention.conversation.visibility is Visibility.PUBLIC,
        )

    def _answered(self, post: BrandPosted) -> None:
        """Forget what a post of the brand answers: its thread in private, else its author's."""
        if post.conversation.visibility is Visibility.DIRECT:
            self._forget(_thread(post))
        elif post.in_reply_to is not None:
            own_id = mention_id(post.conversation.network, post.account, post.in_reply_to)
            self._forget(self._thread_of.get(own_id, ""))

    def _forget(self, key: str) -> None:
        thread = self._threads.pop(key, None)
        for own_id in thread.ids if thread is not None else ():
            self._thread_of.pop(own_id, None)


def _thread(record: MentionReceived | MentionEdited | BrandPosted) -> str:
    """Return whose messages count together: in private the conversation's, else one author's."""
    if record.conversation.visibility is Visibility.DIRECT:
        return f"{record.account}\x1f{record.conversation.key}"
    return record.line if not isinstance(record, BrandPosted) else ""
