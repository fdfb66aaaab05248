"""The GET endpoints of the stand-in X.

Promise: pages are newest first; `since_id` and `until_id` exclude their bound; a page's
`next_token` continues below its last item whatever arrived meanwhile.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from typing import TYPE_CHECKING

from aiohttp import web

from careline.sandbox.common.pace import Pace
from careline.sandbox.common.wire import Json, reply
from careline.sandbox.x.access import XServer, me
from careline.sandbox.x.model import Account, Post, Timeline
from careline.sandbox.x.shapes import (
    asked,
    invalid,
    message_json,
    missing_json,
    page_json,
    post_json,
    user_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MENTIONS_REACH = 800
"""How far back the real mentions timeline goes."""
LOOKUP_MAX = 100
OPERATOR = re.compile(r"(\w+):(\S+)")


async def users_me(_x: XServer, request: web.Request) -> web.Response:
    """GET /2/users/me."""
    return reply({"data": user_json(me(request), asked(request, "user.fields"))})


async def user_by_name(x: XServer, request: web.Request) -> web.Response:
    """GET /2/users/by/username/:username."""
    name = request.match_info["username"]
    account = x.store.by_username.get(name.lower())
    if account is None:
        return reply({"errors": [missing_json("user", "username", name)]})
    return reply({"data": user_json(account, asked(request, "user.fields"))})


async def user_by_id(x: XServer, request: web.Request) -> web.Response:
    """GET /2/users/:id."""
    account = _account(x, request)
    if account is None:
        return reply({"errors": [missing_json("user", "id", request.match_info["id"])]})
    return reply({"data": user_json(account, asked(request, "user.fields"))})


async def mentions(x: XServer, request: web.Request) -> web.Response:
    """GET /2/users/:id/mentions: the newest 800 only, when the pace is real."""
    reach = MENTIONS_REACH if x.pace is Pace.REAL else None
    return _timeline(x, request, "mentions", reach=reach)


async def own_posts(x: XServer, request: web.Request) -> web.Response:
    """GET /2/users/:id/tweets."""
    return _timeline(x, request, "own", reach=None)


async def lookup(x: XServer, request: web.Request) -> web.Response:
    """GET /2/tweets?ids=: what is gone comes back under `errors`."""
    ids = [part for part in request.query.get("ids", "").split(",") if part]
    if not 1 <= len(ids) <= LOOKUP_MAX:
        return invalid("ids", str(len(ids)), "The number of ids must be between 1 and 100")
    posts: list[Post] = []
    errors: list[Json] = []
    for text in ids:
        post = x.store.posts.get(int(text)) if text.isdigit() else None
        if post is None or post.deleted or post.garbage or post.visible_at > time.time():
            errors.append(missing_json("tweet", "ids", text))
        else:
            posts.append(post)
    body = page_json(request, posts, x.store)
    if errors:
        body["errors"] = errors
    return reply(body)


async def one_post(x: XServer, request: web.Request) -> web.Response:
    """GET /2/tweets/:id."""
    text = request.match_info["id"]
    post = x.store.posts.get(int(text)) if text.isdigit() else None
    if post is None or post.deleted or post.garbage:
        return reply({"errors": [missing_json("tweet", "id", text)]})
    return reply({"data": post_json(post, asked(request, "tweet.fields"), x.store)})


async def search_recent(x: XServer, request: web.Request) -> web.Response:
    """GET /2/tweets/search/recent: conversation_id:, from:, to:, @handle and plain words."""
    query = request.query.get("query", "")
    if not query:
        return invalid("query", "", "The `query` query parameter can not be empty")
    operators = dict(OPERATOR.findall(query))
    words = [word.lower() for word in OPERATOR.sub(" ", query).split()]
    line: Timeline | None = x.store.everything
    if "conversation_id" in operators:
        key = operators["conversation_id"]
        line = x.store.conversations.get(int(key)) if key.isdigit() else None
    elif "from" in operators:
        author = x.store.by_username.get(operators["from"].lower())
        line = x.store.timeline("own", author.id) if author else None

    def wanted(post: Post) -> bool:
        author = operators.get("from", "").lower()
        to = x.store.by_username.get(operators.get("to", "").lower())
        return (
            (not author or (post.author is not None and post.author.username.lower() == author))
            and ("to" not in operators or (to is not None and post.parent_author == to.id))
            and all(word in post.text.lower() for word in words)
        )

    return _page(x, request, line or Timeline(), smallest=10, wanted=wanted)


async def dm_events(x: XServer, request: web.Request) -> web.Response:
    """GET /2/dm_events and the events of one conversation; there is no since_id."""
    account = me(request)
    conversation = request.match_info.get("conversation")
    if "participant" in request.match_info:
        pair = sorted((account.id, int(request.match_info["participant"])))
        conversation = f"{pair[0]}-{pair[1]}"
    size, refusal = _size(request, default=100, smallest=1)
    if refusal is not None:
        return refusal
    below = _token(request)
    now = time.time()
    fields = asked(request, "dm_event.fields")
    found: list[Json] = []
    more = False
    people: dict[int, Account] = {}
    for message in reversed(x.store.messages.get(account.id, [])):
        outside = conversation is not None and message.conversation != conversation
        if outside or message.visible_at > now or (below is not None and message.id >= below):
            continue
        if len(found) == size:
            more = True
            break
        found.append(message_json(message, fields))
        people[message.sender.id] = message.sender
    body: Json = {"data": found} if found else {}
    if "sender_id" in asked(request, "expansions") and people:
        wanted = asked(request, "user.fields")
        body["includes"] = {"users": [user_json(person, wanted) for person in people.values()]}
    body["meta"] = {"result_count": len(found)}
    if more:
        body["meta"]["next_token"] = _next_token(int(found[-1]["id"]))
    return reply(body)


def _timeline(x: XServer, request: web.Request, kind: str, *, reach: int | None) -> web.Response:
    account = _account(x, request)
    if account is None:
        return reply({"errors": [missing_json("user", "id", request.match_info["id"])]})
    line = x.store.timeline(kind, account.id)
    return _page(x, request, line, smallest=5, reach=reach)


def _page(
    x: XServer,
    request: web.Request,
    line: Timeline,
    *,
    smallest: int,
    reach: int | None = None,
    wanted: Callable[[Post], bool] | None = None,
) -> web.Response:
    size, refusal = _size(request, default=10, smallest=smallest)
    if refusal is not None:
        return refusal
    bounds: dict[str, int | None] = {"since_id": None, "until_id": None}
    for name in bounds:
        text = request.query.get(name)
        if text is not None and not text.isdigit():
            return invalid(name, text, f"{name} must be a number")
        bounds[name] = int(text) if text is not None else None
    below, until = _token(request), bounds["until_id"]
    if below is not None:
        until = below if until is None else min(below, until)
    source = line.between(bounds["since_id"], until, newest=reach)
    found, more = _take(source, request, size, wanted)
    now = time.time()
    for post in found:
        line.served_at.setdefault(post.id, now)
    body = page_json(request, found, x.store)
    meta: Json = {"result_count": len(found)}
    if found:
        meta |= {"newest_id": str(found[0].id), "oldest_id": str(found[-1].id)}
    if more:
        meta["next_token"] = _next_token(found[-1].id)
    body["meta"] = meta
    return reply(body)


def _take(
    source: Iterable[Post], request: web.Request, size: int, wanted: Callable[[Post], bool] | None
) -> tuple[list[Post], bool]:
    """Collect a page, and say whether there is another one."""
    now = time.time()
    start, end = request.query.get("start_time", ""), request.query.get("end_time", "~")
    found: list[Post] = []
    for post in source:
        if not post.listed(now) or not start <= post.created_at <= end:
            continue
        if wanted is not None and not wanted(post):
            continue
        if len(found) == size:
            return found, True
        found.append(post)
    return found, False


def _account(x: XServer, request: web.Request) -> Account | None:
    text = request.match_info["id"]
    return x.store.accounts.get(int(text)) if text.isdigit() else None


def _size(request: web.Request, *, default: int, smallest: int) -> tuple[int, web.Response | None]:
    text = request.query.get("max_results", str(default))
    size = int(text) if text.isdigit() else -1
    if not smallest <= size <= LOOKUP_MAX:
        message = f"The `max_results` query parameter value [{text}] is not between {smallest} and"
        return 0, invalid("max_results", text, f"{message} {LOOKUP_MAX}")
    return size, None


def _next_token(below: int) -> str:
    return base64.b32hexencode(below.to_bytes(8)).decode().rstrip("=").lower()


def _token(request: web.Request) -> int | None:
    text = request.query.get("pagination_token") or request.query.get("next_token")
    if not text:
        return None
    coded = text.upper()
    try:
        return int.from_bytes(base64.b32hexdecode(coded + "=" * (-len(coded) % 8)))
    except (binascii.Error, ValueError) as error:
        raise web.HTTPBadRequest(text="bad pagination token") from error
