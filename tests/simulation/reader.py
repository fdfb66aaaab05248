"""A reader of ``cases.events.v1`` as anybody outside may write one: it knows the contract, no code.

Promise: applies the rule of void epochs, drops what it has seen, and says aloud what contradicts
itself: a gap, a second history under the same version, two holders, two replies in flight.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson

from careline.runtime.kafka import Record

Body = dict[str, Any]


@dataclass(slots=True)
class Query:
    """An obligation as the log tells it."""

    mention: str
    revision: str
    due_at: str
    order: tuple[str, str]
    state: str = "open"
    breached: bool = False


@dataclass(slots=True)
class View:
    """A case as the log tells it."""

    case_id: str
    author: str
    version: int = 0
    queries: dict[str, Query] = field(default_factory=dict)
    holder: str = ""
    reply: str = ""
    settled: bool = False
    resolved: bool = False
    escalated_at: str = ""
    follow_up_at: str = ""
    """When an answered case resolves by itself."""
    broken: bool = False
    """A version is missing: nothing more is believed of it."""


@dataclass(slots=True)
class Told:
    """An event that counts, with the time at which it came into the log (ms)."""

    body: Body
    at_ms: int


@lru_cache(maxsize=65_536)
def _body(raw: bytes) -> Body:
    """Return an event, which nobody changes."""
    found: Body = orjson.loads(raw)
    return found


class Reader:
    """Reads the whole log once."""

    def __init__(self, records: Iterable[Record]) -> None:
        """Read."""
        self.problems: list[str] = []
        self.views: dict[str, View] = {}
        self.events: dict[str, Told] = {}
        self.by_cause: dict[str, list[Body]] = {}
        self.refused: dict[str, Body] = {}
        self.outcomes: dict[str, list[Body]] = {}
        """Effect id → the events that ended it."""
        self._ids: dict[tuple[str, int], str] = {}
        epoch = -1
        for record in records:
            headers = dict(record.headers)
            if int(headers.get("ce_epoch", b"-1")) < epoch:
                continue
            if headers["ce_type"] == b"com.careline.epoch.started.v1":
                epoch = record.offset
                continue
            self._take(_body(record.value or b""), record.timestamp_ms)

    def _take(self, body: Body, at_ms: int) -> None:
        if body["type"] == "command.refused":
            self.refused[body["cause_id"]] = body
            return
        case, version = body["case_id"], body["version"]
        if body["type"] == "case.opened" and case not in self.views:
            self.views[case] = View(case, body["author_id"])
        view = self.views.get(case)
        if view is None:
            self._say(case, f"{body['type']} before the case was opened")
            return
        if version <= view.version:
            if self._ids.get((case, version), body["event_id"]) != body["event_id"]:
                self._say(case, f"two histories: version {version} is {body['type']} as well")
            return
        if version != view.version + 1 and not view.broken:
            self._say(case, f"gap: version {version} follows {view.version}")
            view.broken = True
        view.version = version
        self._ids[case, version] = body["event_id"]
        self.events[body["event_id"]] = Told(body, at_ms)
        self.by_cause.setdefault(body["cause_id"], []).append(body)
        handler = _HANDLERS.get(body["type"])
        if handler is not None and not view.broken:
            handler(self, view, body)

    def _say(self, case: str, text: str) -> None:
        self.problems.append(f"{case}: {text}")

    # -- what the events say ----------------------------------------------------------------------

    def _added(self, view: View, body: Body) -> None:
        mention = body["mention_id"]
        if mention in view.queries:
            self._say(view.case_id, f"{mention} became an obligation twice")
        order = (body["order"][0], body["order"][1])
        view.queries[mention] = Query(mention, body["revision"], body["due_at"], order)

    def _changed(self, view: View, body: Body) -> None:
        query = self._query(view, body)
        query.revision, query.due_at = body["revision"], body["due_at"]
        if body["reopened"]:
            query.state, query.breached = "open", False

    def _answered(self, view: View, body: Body) -> None:
        self._settled(view, body, "answered")

    def _closed(self, view: View, body: Body) -> None:
        if not body["disposition"] or not body["actor"]["id"]:
            self._say(view.case_id, "closed without a reason or an actor")
        self._settled(view, body, "closed")

    def _query(self, view: View, body: Body) -> Query:
        mention = body["mention_id"]
        if mention not in view.queries:
            self._say(view.case_id, f"{body['type']} of {mention}, which was never a query")
            view.queries[mention] = Query(mention, "0", body["due_at"], ("", ""))
        return view.queries[mention]

    def _settled(self, view: View, body: Body, state: str) -> None:
        for mention in body["covers"]:
            if mention in view.queries:
                view.queries[mention].state = state
            else:
                self._say(view.case_id, f"{mention} is {state} and was never a query")

    def _claimed(self, view: View, body: Body) -> None:
        holder = body["actor"]["id"]
        if view.holder not in ("", holder):
            self._say(view.case_id, f"two holders: {view.holder} and {holder}")
        view.holder = holder

    def _released(self, view: View, body: Body) -> None:
        if body["reason"] == "lease_expired" and view.reply and not view.settled:
            self._say(view.case_id, "the lease expired while a reply was in flight")
        view.holder = ""

    def _done(self, view: View, body: Body) -> None:
        view.holder = ""
        view.resolved = body["type"] == "case.resolved"
        view.follow_up_at = body.get("follow_up_at") or ""
        if view.resolved and (not body["disposition"] or not body["actor"]["id"]):
            self._say(view.case_id, "resolved without a reason or an actor")
        if any(query.state == "open" for query in view.queries.values()):
            self._say(view.case_id, f"{body['type']} with an open query")

    def _reopened(self, view: View, _: Body) -> None:
        view.resolved = False
        view.follow_up_at = ""

    def _breached(self, view: View, body: Body) -> None:
        self._query(view, body).breached = True
        view.escalated_at = body["at"]

    def _escalated(self, view: View, body: Body) -> None:
        view.escalated_at = body["at"]

    def _requested(self, view: View, body: Body) -> None:
        if view.reply:
            self._say(view.case_id, "a second reply was requested while one was in flight")
        view.reply, view.settled = body["effect_id"], False

    def _replied(self, view: View, body: Body) -> None:
        self.outcomes.setdefault(body["effect_id"], []).append(body)
        if view.reply != body["effect_id"]:
            self._say(view.case_id, f"{body['type']} of a reply that is not in flight")
        if body["type"] == "reply.unsettled":
            view.settled = True
        else:
            view.reply = ""

    def _shown(self, _: View, body: Body) -> None:
        self.outcomes.setdefault(body["effect_id"], []).append(body)


_HANDLERS = {
    "obligation.added": Reader._added,
    "obligation.changed": Reader._changed,
    "obligations.answered": Reader._answered,
    "obligations.closed": Reader._closed,
    "case.claimed": Reader._claimed,
    "case.released": Reader._released,
    "case.answered": Reader._done,
    "case.resolved": Reader._done,
    "case.reopened": Reader._reopened,
    "case.breached": Reader._breached,
    "case.escalated": Reader._escalated,
    "reply.requested": Reader._requested,
    "reply.delivered": Reader._replied,
    "reply.dropped": Reader._replied,
    "reply.unsettled": Reader._replied,
    "card.posted": Reader._shown,
    "alert.posted": Reader._shown,
    "effect.failed": Reader._shown,
}
