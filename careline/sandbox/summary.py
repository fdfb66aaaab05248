"""Counts over the history, small enough to ask for after 20,000 cards.

Promise: a card is a top-level message with a key in its metadata; every copy ever accepted counts
as a duplicate, and those that readers still see are told apart from those that were removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from careline.sandbox.common.wire import Json
    from careline.sandbox.slack.calls import SlackServer
    from careline.sandbox.x.access import XServer

KEY = "key,case_id,case"
"""Fields of `metadata.event_payload` that may hold a card's key: the first one present does."""


def card_summary(slack: SlackServer, *, key: str, event_type: str, detail: bool) -> Json:
    """Count cards by key, what else was accepted, and whom it would have pinged."""
    names = key.split(",")
    first: dict[str, float] = {}
    copies: dict[str, int] = {}
    visible: dict[str, int] = {}
    pings = {"broadcast": 0, "staff": 0, "stranger": 0}
    channels: dict[str, int] = {}
    for kind in ("message", "update", "ephemeral"):
        for record in slack.history.of(kind):
            for name in pings:
                pings[name] += record["pings"][name]
    for record in slack.history.of("message"):
        case = _key_of(record, names, event_type)
        if record["thread_ts"] is not None or case is None:
            continue
        first.setdefault(case, record["at"])
        copies[case] = copies.get(case, 0) + 1
        name = record["channel_name"]
        channels[name] = channels.get(name, 0) + 1
        message = slack.workspace.channels[record["channel"]].by_ts[record["ts"]]
        visible[case] = visible.get(case, 0) + (not message.deleted)
    acts = slack.history.of("interaction")
    counts = slack.history.counts()
    return {
        "messages": counts.get("message", 0),
        "updates": counts.get("update", 0),
        "ephemerals": counts.get("ephemeral", 0),
        "cards": sum(copies.values()),
        "keys": len(copies),
        "visible": sum(visible.values()),
        "duplicates": {case: number for case, number in copies.items() if number > 1},
        "duplicates_visible": {case: number for case, number in visible.items() if number > 1},
        "channels": channels,
        "pings": pings,
        "interactions": {
            "all": len(acts),
            "acked": sum(record["acked"] for record in acts),
        },
        **({"accepted_at": first} if detail else {}),
    }


def x_summary(x: XServer) -> Json:
    """Count what is on the network, what was handed out, and what was accepted from the app."""
    store = x.store
    brands = {account.id for account in store.accounts.values() if account.brand}
    lines = {i: line for i, line in store.mentions.items() if i in brands}
    replies: dict[str, int] = {}
    for record in x.history.of("reply"):
        replies[record["in_reply_to"]] = replies.get(record["in_reply_to"], 0) + 1
    return {
        "accounts": len(brands),
        "posts": sum(post.garbage is None for post in store.posts.values()),
        "garbage": sum(post.garbage is not None for post in store.posts.values()),
        "mentions": sum(len(line) for line in lines.values()),
        "served": sum(len(line.served_at) for line in lines.values()),
        "backlog": store.backlog(),
        "own_posts": sum(len(store.own[i]) for i in brands if i in store.own),
        "replies": sum(replies.values()),
        "replied_twice": {parent: number for parent, number in replies.items() if number > 1},
        "dms": len(x.history.of("dm")),
    }


def _key_of(record: Json, names: list[str], event_type: str) -> str | None:
    metadata = record["metadata"]
    if not metadata or (event_type and metadata.get("event_type") != event_type):
        return None
    payload = metadata.get("event_payload") or {}
    return next((str(payload[name]) for name in names if name in payload), None)
