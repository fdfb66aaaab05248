"""JSON as X spells it: posts, users, messages, pages, problems.

Promise: a field is present only if the client asked for it, as in the real API, so a connector that
forgets to ask finds out here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from careline.sandbox.common.wire import Json, reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from careline.sandbox.x.model import Account, DirectMessage, Post
    from careline.sandbox.x.store import XStore

PROBLEMS = "https://api.twitter.com/2/problems"


def asked(request: web.Request, name: str) -> set[str]:
    """Read a comma-separated list parameter, such as `tweet.fields`."""
    return {part for part in request.query.get(name, "").split(",") if part}


def post_json(post: Post, fields: set[str], store: XStore) -> Json:
    """Spell one post; garbage is handed out as it is."""
    if post.garbage is not None:
        return post.garbage
    shown: Json = {
        "id": str(post.id),
        "text": post.text,
        "edit_history_tweet_ids": [str(revision) for revision in post.revisions],
    }
    optional: Json = {
        "author_id": None if post.author is None else str(post.author.id),
        "conversation_id": str(post.conversation),
        "created_at": post.created_at,
        "lang": post.lang,
        "in_reply_to_user_id": None if post.parent_author is None else str(post.parent_author),
        "referenced_tweets": _references(post) or None,
        "entities": _entities(post, store) if "entities" in fields else None,
        "public_metrics": {
            "retweet_count": 0,
            "reply_count": 0,
            "like_count": 0,
            "quote_count": 0,
        },
        "source": "Sandbox",
        "possibly_sensitive": False,
        "reply_settings": "everyone",
    }
    shown.update({k: v for k, v in optional.items() if k in fields and v is not None})
    return shown


def user_json(account: Account, fields: set[str]) -> Json:
    """Spell one account, without its credentials."""
    optional: Json = {
        "created_at": account.created_at,
        "description": "",
        "protected": False,
        "verified": False,
        "public_metrics": {"followers_count": 10, "following_count": 10, "tweet_count": 1},
        "profile_image_url": "",
    }
    return {
        "id": str(account.id),
        "username": account.username,
        "name": account.name,
        **{name: value for name, value in optional.items() if name in fields},
    }


def message_json(message: DirectMessage, fields: set[str]) -> Json:
    """Spell one direct message event."""
    optional: Json = {
        "created_at": message.created_at,
        "sender_id": str(message.sender.id),
        "dm_conversation_id": message.conversation,
    }
    return {
        "id": str(message.id),
        "event_type": "MessageCreate",
        "text": message.text,
        **{name: value for name, value in optional.items() if name in fields},
    }


def page_json(request: web.Request, posts: list[Post], store: XStore) -> Json:
    """Spell a list of posts with what was asked to be included."""
    fields = asked(request, "tweet.fields")
    expansions = asked(request, "expansions")
    if "author_id" in expansions:
        fields |= {"author_id"}
    body: Json = {}
    if posts:
        body["data"] = [post_json(post, fields, store) for post in posts]
    includes: Json = {}
    people = _people(posts, expansions, store)
    if people:
        user_fields = asked(request, "user.fields")
        includes["users"] = [user_json(account, user_fields) for account in people]
    if "referenced_tweets.id" in expansions:
        wanted = {i for post in posts for i in (post.parent, post.quoted) if i is not None}
        others = [post for i in sorted(wanted) if (post := store.posts.get(i)) and not post.deleted]
        if others:
            includes["tweets"] = [post_json(post, fields, store) for post in others]
    if includes:
        body["includes"] = includes
    return body


def missing_json(kind: str, parameter: str, value: str) -> Json:
    """Spell the partial error for something that is not there (any more)."""
    return {
        "value": value,
        "detail": f"Could not find {kind} with {parameter}: [{value}].",
        "title": "Not Found Error",
        "resource_type": kind,
        "parameter": parameter,
        "resource_id": value,
        "type": f"{PROBLEMS}/resource-not-found",
    }


def problem(
    status: int, title: str, detail: str, *, kind: str = "about:blank", headers: Json | None = None
) -> web.Response:
    """Answer with a problem document."""
    body = {"title": title, "detail": detail, "type": kind, "status": status}
    return reply(body, status=status, headers=headers)


def invalid(parameter: str, value: str, message: str) -> web.Response:
    """Answer 400 for a parameter out of its range."""
    body = {
        "errors": [{"parameters": {parameter: [value]}, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": f"{PROBLEMS}/invalid-request",
    }
    return reply(body, status=400)


def _references(post: Post) -> list[Json]:
    pairs = (("quoted", post.quoted), ("replied_to", post.parent))
    return [{"type": kind, "id": str(i)} for kind, i in pairs if i is not None]


def _entities(post: Post, store: XStore) -> Json | None:
    mentions: list[Json] = []
    lowered = post.text.lower()
    for account_id in post.mentions:
        account = store.accounts.get(account_id)
        if account is None:
            continue
        start = max(lowered.find(f"@{account.username.lower()}"), 0)
        end = start + len(account.username) + 1
        mentions.append(
            {"start": start, "end": end, "username": account.username, "id": str(account.id)}
        )
    return {"mentions": mentions} if mentions else None


def _people(posts: Iterable[Post], expansions: set[str], store: XStore) -> list[Account]:
    found: dict[int, Account] = {}
    for post in posts:
        wanted: list[int] = []
        if "author_id" in expansions and post.author is not None:
            wanted.append(post.author.id)
        if "in_reply_to_user_id" in expansions and post.parent_author is not None:
            wanted.append(post.parent_author)
        if "entities.mentions.username" in expansions and post.garbage is None:
            wanted.extend(post.mentions)
        found.update({i: store.accounts[i] for i in wanted if i in store.accounts})
    return list(found.values())
