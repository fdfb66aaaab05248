"""Control of the stand-in X: make accounts, put posts and messages in, one by one or in bulk.

Promise: lines of a bulk take effect in order; a line that cannot be used is reported with its
number and changes nothing; ids given are in the answer in the order of the lines.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

from careline.sandbox.common.wire import Json, read_json, reply
from careline.sandbox.x.model import APP_BEARER, Post
from careline.sandbox.x.store import Draft, XStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

    from careline.sandbox.x.access import XServer

BACKLOG_POLL_S = 0.02


def add_routes(app: web.Application, x: XServer) -> None:
    """Add `/sandbox/x/...`."""
    feeding = _Feeding(x)
    app.router.add_get("/sandbox/x/accounts", feeding.accounts)
    app.router.add_post("/sandbox/x/accounts", feeding.make_accounts)
    app.router.add_post("/sandbox/x/posts", feeding.posts)
    app.router.add_post("/sandbox/x/posts/{id}/edit", feeding.edit)
    app.router.add_delete("/sandbox/x/posts/{id}", feeding.delete)
    app.router.add_post("/sandbox/x/dms", feeding.message)
    app.router.add_get("/sandbox/x/backlog", feeding.backlog)
    app.router.add_get("/sandbox/x/served", feeding.served)
    app.router.add_get("/sandbox/x/refs", feeding.refs)
    app.router.add_post("/sandbox/x/settings", feeding.settings)


def put(store: XStore, line: Json) -> str:
    """Do what one line says; give the id of what came of it.

    Raises:
        KeyError, TypeError, ValueError: the line cannot be used; nothing has changed.
    """
    acts: dict[str, Callable[[XStore, Json], str]] = {
        "post": _post,
        "edit": _edit,
        "delete": _delete,
        "dm": _dm,
        "garbage": _garbage,
    }
    return acts[str(line.get("kind", "post"))](store, line)


def _post(store: XStore, line: Json) -> str:
    now = time.time()
    author, text = str(line["author"]), line["text"]
    if not isinstance(text, str):
        message = "text must be a string"
        raise TypeError(message)
    parent = _id(store, line, "in_reply_to", now)
    mentions = line.get("mentions")
    parent_author = line.get("in_reply_to_author")
    draft = Draft(
        author=store.account(author, name=str(line.get("name") or "")),
        text=text,
        parent=parent,
        parent_author=store.account(str(parent_author)).id if parent_author else None,
        conversation=_id(store, line, "conversation", now),
        quoted=_id(store, line, "quoted", now),
        mentions=None if mentions is None else tuple(store.account(m).id for m in mentions),
        created_at=line.get("created_at"),
        lang=str(line.get("lang", "en")),
        visible_after=float(line.get("appears_after", 0)),
        ref=line.get("ref"),
    )
    return str(store.publish(draft, now=now).id)


def _edit(store: XStore, line: Json) -> str:
    return str(store.edit(_existing(store, line), str(line["text"])).id)


def _delete(store: XStore, line: Json) -> str:
    post = _existing(store, line)
    store.delete(post)
    return str(post.id)


def _dm(store: XStore, line: Json) -> str:
    sender, to = store.account(str(line["from"])), store.account(str(line["to"]))
    after = float(line.get("appears_after", 0))
    return str(store.send(sender, to, str(line["text"]), visible_after=after).id)


def _garbage(store: XStore, line: Json) -> str:
    account = store.account(str(line["account"]), brand=True)
    item = line.get("item")
    if not isinstance(item, dict):
        message = "item must be an object"
        raise TypeError(message)
    with_id = bool(line.get("with_id", True))
    post = store.garbage(account, item, ref=line.get("ref"), now=time.time(), with_id=with_id)
    return str(post.id)


def _existing(store: XStore, line: Json) -> Post:
    wanted = int(line["id"]) if "id" in line else store.refs[str(line["ref"])]
    post = store.posts[wanted]
    latest = store.posts[post.revisions[-1]]
    if latest.deleted:
        message = f"post {wanted} is deleted"
        raise ValueError(message)
    return latest


def _id(store: XStore, line: Json, name: str, now: float) -> int | None:
    if line.get(name):
        return int(line[name])
    ref = line.get(f"{name}_ref")
    return store.id_of_ref(str(ref), now=now) if ref else None


class _Feeding:
    """Handlers that share one server's state."""

    def __init__(self, x: XServer) -> None:
        self.x = x

    async def accounts(self, _request: web.Request) -> web.Response:
        """GET accounts: the brands, with credentials."""
        brands = [a.to_json() for a in self.x.store.accounts.values() if a.brand]
        return reply({"accounts": brands, "app_bearer_token": APP_BEARER})

    async def make_accounts(self, request: web.Request) -> web.Response:
        """POST accounts: one object, or `{"accounts": [...]}`."""
        body = await read_json(request)
        made = []
        for entry in body.get("accounts", [body]):
            account = self.x.store.account(
                str(entry["username"]),
                name=str(entry.get("name") or ""),
                brand=bool(entry.get("brand", True)),
            )
            account.suspended = bool(entry.get("suspended", account.suspended))
            made.append(account.to_json())
        return reply({"accounts": made, "app_bearer_token": APP_BEARER})

    async def posts(self, request: web.Request) -> web.Response:
        """POST posts: a JSON object, or NDJSON with one act a line."""
        raw = await request.read()
        lines = raw.split(b"\n") if request.content_type == "application/x-ndjson" else [raw]
        ids: list[str | None] = []
        errors: list[Json] = []
        for number, text in enumerate((line for line in lines if line.strip()), start=1):
            try:
                ids.append(put(self.x.store, json.loads(text)))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                ids.append(None)
                errors.append({"line": number, "error": f"{type(error).__name__}: {error}"})
            if number % 200 == 0:
                await asyncio.sleep(0)
        done = len(ids) - len(errors)
        return reply({"posted": done, "ids": ids, "errors": errors}, status=200 if done else 400)

    async def edit(self, request: web.Request) -> web.Response:
        """POST posts/:id/edit."""
        return await self._one({**await read_json(request), "kind": "edit", **_which(request)})

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE posts/:id."""
        return await self._one({"kind": "delete", **_which(request)})

    async def message(self, request: web.Request) -> web.Response:
        """POST dms."""
        return await self._one({**await read_json(request), "kind": "dm"})

    async def backlog(self, request: web.Request) -> web.Response:
        """GET backlog: with `below`, wait until fewer mentions than that are unserved."""
        below = request.query.get("below")
        deadline = time.monotonic() + float(request.query.get("timeout", 10))
        while below is not None and self.x.store.backlog() >= int(below):
            if time.monotonic() >= deadline:
                break
            await asyncio.sleep(BACKLOG_POLL_S)
        store = self.x.store
        served = sum(len(line.served_at) for line in store.mentions.values())
        return reply({"backlog": store.backlog(), "served": served})

    async def served(self, request: web.Request) -> web.Response:
        """GET served?account=&timeline=: when each post was first handed to a client."""
        account = self.x.store.by_username.get(request.query.get("account", "").lower())
        if account is None:
            return reply({"error": "no such account"}, status=404)
        kind = request.query.get("timeline", "mentions")
        line = self.x.store.timeline(kind, account.id)
        return reply({"served_at": {str(i): at for i, at in line.served_at.items()}})

    async def refs(self, _request: web.Request) -> web.Response:
        """GET refs: which id stands for which id of the stream."""
        return reply({"refs": {ref: str(i) for ref, i in self.x.store.refs.items()}})

    async def settings(self, request: web.Request) -> web.Response:
        """POST settings: whether only those who summoned us can be replied to."""
        body = await read_json(request)
        self.x.summoned_only = bool(body.get("summoned_only", self.x.summoned_only))
        return reply({"summoned_only": self.x.summoned_only})

    async def _one(self, line: Json) -> web.Response:
        try:
            return reply({"id": put(self.x.store, line)})
        except (KeyError, TypeError, ValueError) as error:
            return reply({"error": f"{type(error).__name__}: {error}"}, status=400)


def _which(request: web.Request) -> Json:
    text = request.match_info["id"]
    return {"id": text} if text.isdigit() else {"ref": text}
