"""Answers on X: a reply to a post, a direct message in a conversation, and the look back at both.

Delivery: X has no idempotency key. A clear answer is final; anything else is unknown, and then only
the account's own timeline (or the conversation) tells: a post of ours that replies to the same post
with the same words, written since the attempt and not known as another reply.
"""

from __future__ import annotations

import html
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from careline.domain.decide_mentions import text_digest
from connectors.errors import OutcomeUnknown
from connectors.x.mapping import NETWORK, Edits
from connectors.x.timeline import PAGE_SIZE, id_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from connectors.base import ReplyTarget
    from connectors.x.client import XClient
    from connectors.x.connector import XConnector

CLOCKS_APART: Final = timedelta(seconds=60)
"""How far X's clock and ours may differ."""
_PAGES_MAX: Final = 10


class XReplies:
    """Speaks for one brand account on X."""

    def __init__(self, connector: XConnector) -> None:
        """Use the account's own client, once the connector is started."""
        self._connector = connector
        self._client: XClient = connector.client

    @property
    def executor(self) -> str:
        """Whose effects it carries out."""
        return f"{NETWORK}:{self._connector.account}"

    async def reply(self, target: ReplyTarget, text: str) -> str:
        """Send a reply and return its id."""
        if target.direct:
            body = await self._client.call(
                "create_direct_message", dm_conversation_id=target.conversation, text=text
            )
            native_id = (body.get("data") or {}).get("dm_event_id")
        else:
            body = await self._client.call(
                "create_tweet", in_reply_to_tweet_id=target.native_id, text=text
            )
            native_id = (body.get("data") or {}).get("id")
        if not native_id:
            raise OutcomeUnknown("x: the answer to a reply names no id")
        return str(native_id)

    async def find(
        self, target: ReplyTarget, text: str, *, since: datetime, adopted: frozenset[str]
    ) -> str | None:
        """Return the id of the reply if it stands."""
        floor = id_at(since - CLOCKS_APART)
        wanted = _digest(text)
        candidates = self._messages(target) if target.direct else self._posts(target, floor)
        async for native_id, found in candidates:
            if int(native_id) < floor:
                return None
            if native_id not in adopted and _digest(found) == wanted:
                return native_id
        return None

    async def _posts(self, target: ReplyTarget, floor: int) -> AsyncIterator[tuple[str, str]]:
        """Give our replies to the target's post, newest first."""
        edits = Edits()
        options: dict[str, Any] = {
            "max_results": PAGE_SIZE,
            "since_id": str(floor),
            "tweet_fields": ["referenced_tweets", "edit_history_tweet_ids", "created_at"],
            "expansions": ["referenced_tweets.id"],
        }
        for _ in range(_PAGES_MAX):
            body = await self._client.call("get_users_tweets", self._connector.user_id, **options)
            edits.learn((body.get("includes") or {}).get("tweets") or ())
            for item in body.get("data") or ():
                parents = {
                    edits.first_of(str(each.get("id")))
                    for each in item.get("referenced_tweets") or ()
                    if each.get("type") == "replied_to"
                }
                if target.native_id in parents:
                    yield str(item["id"]), str(item.get("text"))
            token = (body.get("meta") or {}).get("next_token")
            if not token:
                return
            options["pagination_token"] = token
        raise OutcomeUnknown("x: the own timeline is too long to look a reply up")

    async def _messages(self, target: ReplyTarget) -> AsyncIterator[tuple[str, str]]:
        """Give our messages in the target's conversation, newest first."""
        options: dict[str, Any] = {
            "dm_conversation_id": target.conversation,
            "max_results": PAGE_SIZE,
            "dm_event_fields": ["id", "text", "sender_id", "created_at", "event_type"],
        }
        for _ in range(_PAGES_MAX):
            body = await self._client.call("get_direct_message_events", **options)
            for item in body.get("data") or ():
                if str(item.get("sender_id")) == self._connector.user_id:
                    yield str(item["id"]), str(item.get("text"))
            token = (body.get("meta") or {}).get("next_token")
            if not token:
                return
            options["pagination_token"] = token
        raise OutcomeUnknown("x: the conversation is too long to look a reply up")


def _digest(text: str) -> str:
    # X hands out &, < and > as entities, whatever was sent.
    return text_digest(html.unescape(text))
