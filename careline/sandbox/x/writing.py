"""The POST and DELETE endpoints of the stand-in X.

Promise: what is accepted here is visible to readers and stands in the history; what the real X
refuses (a repeated text, a text too long, a reply to someone who did not summon us) is refused.
"""

from __future__ import annotations

import re
import time
import unicodedata
from typing import TYPE_CHECKING

from careline.sandbox.common.gate import LANDS_AFTER
from careline.sandbox.common.wire import Json, read_json, reply
from careline.sandbox.x.access import XServer, me
from careline.sandbox.x.shapes import invalid, problem
from careline.sandbox.x.store import Draft

if TYPE_CHECKING:
    from aiohttp import web

    from careline.sandbox.x.model import Account, Post

TEXT_MAX = 280
DM_MAX = 10_000
DUPLICATE_WINDOW_S = 43_200.0
URL = re.compile(r"https?://\S+")
LIGHT = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
"""Ranges of characters that count once; all others count twice."""


async def create_post(x: XServer, request: web.Request) -> web.Response:
    """POST /2/tweets."""
    body = await read_json(request)
    account = me(request)
    text = body.get("text")
    if not isinstance(text, str) or not text.strip():
        return invalid("text", "", "text must not be empty")
    if weighted_length(text) > TEXT_MAX:
        return problem(403, "Forbidden", "Your Tweet text is too long.")
    parent, refusal = _parent(x, account, body)
    if refusal is not None:
        return refusal
    now = time.time()
    if _repeated(account, text, now):
        detail = "You are not allowed to create a Tweet with duplicate content."
        return problem(403, "Forbidden", detail)
    account.recent_texts[text] = now
    quoted = body.get("quote_tweet_id")
    draft = Draft(
        author=account,
        text=text,
        parent=None if parent is None else parent.id,
        quoted=int(quoted) if isinstance(quoted, str) and quoted.isdigit() else None,
        visible_after=request.get(LANDS_AFTER, 0.0),
    )
    post = x.store.publish(draft, now=now)
    facts: Json = {
        "id": str(post.id),
        "account": account.username,
        "text": text,
        "in_reply_to": None if parent is None else str(parent.id),
        "in_reply_to_ref": None if parent is None else parent.ref,
        "conversation": str(post.conversation),
    }
    x.history.add("x", "reply" if parent is not None else "post", facts)
    ids = [str(revision) for revision in post.revisions]
    data = {"id": str(post.id), "text": text, "edit_history_tweet_ids": ids}
    return reply({"data": data}, status=201)


async def delete_post(x: XServer, request: web.Request) -> web.Response:
    """DELETE /2/tweets/:id: only the account's own."""
    text = request.match_info["id"]
    post = x.store.posts.get(int(text)) if text.isdigit() else None
    if post is None or post.author is not me(request):
        return problem(403, "Forbidden", "You are not authorized to delete this Tweet.")
    x.store.delete(post)
    x.history.add("x", "post_deleted", {"id": text, "account": post.author.username})
    return reply({"data": {"deleted": True}})


async def send_message(x: XServer, request: web.Request) -> web.Response:
    """POST /2/dm_conversations/with/:id/messages and /2/dm_conversations/:id/messages."""
    body = await read_json(request)
    account = me(request)
    text = body.get("text")
    if not isinstance(text, str) or not text.strip() or len(text) > DM_MAX:
        return invalid("text", "", f"text must have 1 to {DM_MAX} characters")
    wanted = request.match_info.get("participant")
    if wanted is None:
        pair = request.match_info["conversation"].split("-")
        wanted = next((part for part in pair if part != str(account.id)), "")
        if str(account.id) not in pair:
            return problem(403, "Forbidden", "You are not a participant of this conversation.")
    to = x.store.accounts.get(int(wanted)) if wanted.isdigit() else None
    if to is None:
        return problem(403, "Forbidden", "You cannot send a Direct Message to this user.")
    message = x.store.send(account, to, text, visible_after=request.get(LANDS_AFTER, 0.0))
    facts: Json = {
        "id": str(message.id),
        "account": account.username,
        "to": to.username,
        "text": text,
        "conversation": message.conversation,
    }
    x.history.add("x", "dm", facts)
    data = {"dm_conversation_id": message.conversation, "dm_event_id": str(message.id)}
    return reply({"data": data}, status=201)


def weighted_length(text: str) -> int:
    """Count a text as X does: links 23, most scripts 1, others 2 a character."""
    text = unicodedata.normalize("NFC", text)
    links = len(URL.findall(text))
    rest = URL.sub("", text)
    light = sum(any(low <= ord(char) <= high for low, high in LIGHT) for char in rest)
    return 23 * links + 2 * len(rest) - light


def _repeated(account: Account, text: str, now: float) -> bool:
    then = account.recent_texts.get(text)
    return then is not None and now - then < DUPLICATE_WINDOW_S


def _parent(x: XServer, account: Account, body: Json) -> tuple[Post | None, web.Response | None]:
    """Find what the new post replies to, and whether a reply is allowed."""
    wanted = (body.get("reply") or {}).get("in_reply_to_tweet_id")
    if wanted is None:
        return None, None
    post = x.store.posts.get(int(wanted)) if str(wanted).isdigit() else None
    if post is None or post.deleted or post.author is None:
        detail = "You attempted to reply to a Tweet that is deleted or not visible to you."
        return None, problem(403, "Forbidden", detail)
    quoted = x.store.posts.get(post.quoted) if post.quoted else None
    summoned = (
        account.id in post.mentions
        or post.author is account
        or (quoted is not None and quoted.author is account)
    )
    if x.summoned_only and not summoned:
        detail = (
            "Reply to this conversation is not allowed because you have not been mentioned or "
            "otherwise engaged by the author of the post you are replying to."
        )
        return None, problem(403, "Forbidden", detail)
    return post, None
