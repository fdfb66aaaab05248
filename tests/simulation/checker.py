"""The judge: knows what was heard and asked, what the log says, what Slack and the network show.

Promise: it never looks into the ledger. Every query that a connector acknowledged is answered (and
the network shows the answer), closed with a reason and an actor, or open with a deadline that has
been seen to fire; nobody sees anything twice; every command and every effect has an end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache

from careline.domain.policy import Policy
from careline.runtime.kafka import Record
from schemas.commands import CorrectTriage, ReplyToCase, ResolveCase
from schemas.mentions import BrandPosted, MentionDeleted, MentionEdited, MentionReceived
from tests.simulation.outside import Message, Post
from tests.simulation.reader import Body, Reader, View
from tests.simulation.stage import History
from tests.simulation.world import MINUTE, SECOND, START

_ALERTING = ("case.at_risk", "case.escalated", "case.reminded", "case.reopened")
_GRACE = timedelta(minutes=6)
_SETTLING_MS = 10_000
_SKEW = 15 * SECOND


@dataclass(slots=True)
class Verdict:
    """What the histories say."""

    problems: list[str] = field(default_factory=list)
    cases: int = 0
    queries: int = 0
    answered: int = 0
    closed: int = 0
    open: int = 0
    unanswered: int = 0
    duplicates: int = 0


def judge(
    history: History,
    log: Sequence[Record],
    messages: Sequence[Message],
    posts: Sequence[Post],
    *,
    end: int,
    policy: Policy,
) -> Verdict:
    """Judge a schedule's histories."""
    court = _Court(history, Reader(log), messages, posts, end, policy)
    for rule in _RULES:
        rule(court)
    verdict = court.verdict
    verdict.problems = [*court.reader.problems, *verdict.problems]
    verdict.cases = len(court.reader.views)
    return verdict


@dataclass(slots=True)
class _Court:
    history: History
    reader: Reader
    messages: Sequence[Message]
    posts: Sequence[Post]
    end: int
    policy: Policy
    verdict: Verdict = field(default_factory=Verdict)
    end_at: datetime = field(init=False)
    settled_by: datetime = field(init=False)

    def say(self, text: str) -> None:
        self.verdict.problems.append(text)

    def __post_init__(self) -> None:
        self.end_at = START + timedelta(microseconds=self.end)
        self.settled_by = self.end_at - _GRACE

    def young(self, body: Body) -> bool:
        """Return whether an event is so young that its effect may still be on its way."""
        return _instant(body["at"]) > self.settled_by


@lru_cache(maxsize=65_536)
def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _every_query_has_an_end(court: _Court) -> None:
    found = {
        mention: (view, query)
        for view in court.reader.views.values()
        for mention, query in view.queries.items()
    }
    wanted: dict[str, int] = {}
    for record in court.history.heard.values():
        if isinstance(record, (MentionReceived, MentionEdited)) and record.text.startswith("?"):
            revision = int(record.revision)
            wanted[record.mention_id] = max(wanted.get(record.mention_id, 0), revision)
    verdict = court.verdict
    verdict.queries = len(wanted)
    for mention, revision in wanted.items():
        if mention not in found:
            verdict.unanswered += 1
            court.say(f"unanswered: {mention} was acknowledged and is no obligation of any case")
            continue
        view, query = found[mention]
        if int(query.revision) < revision:
            verdict.unanswered += 1
            court.say(f"{view.case_id}: unanswered: revision {revision} of {mention} was not heard")
        elif query.state == "open":
            _open_is_live(court, view, mention)
        elif query.state == "answered":
            verdict.answered += 1
        else:
            verdict.closed += 1


def _open_is_live(court: _Court, view: View, mention: str) -> None:
    query = view.queries[mention]
    due = _instant(query.due_at)
    court.verdict.open += 1
    problem = ""
    if view.resolved:
        problem = "the case is resolved"
    elif due < court.settled_by and not query.breached:
        problem = f"its deadline {query.due_at} never fired"
    elif query.breached:
        told = _instant(view.escalated_at)
        if told < court.end_at - court.policy.repeat_every - _GRACE:
            problem = f"nobody was told since {view.escalated_at}"
    if problem:
        court.verdict.unanswered += 1
        court.say(f"{view.case_id}: unanswered: {mention} is open and {problem}")


def _answered_cases_resolve(court: _Court) -> None:
    """Time goes on for a case that is answered: the last of its steps is to be resolved."""
    for view in court.reader.views.values():
        if view.follow_up_at and _instant(view.follow_up_at) < court.settled_by:
            court.say(f"{view.case_id}: its follow-up at {view.follow_up_at} never fired")


def _answers_are_true(court: _Court) -> None:
    posts = [post for post in court.posts if post.kind == "posted"]
    by_id = {post.native_id: post for post in posts}
    texts = {post.text for post in posts}
    written = {f"x:acme:{post.native_id}": post for post in court.posts if post.kind == "received"}
    for told in court.reader.events.values():
        body = told.body
        if body["type"] != "obligations.answered":
            continue
        effect, native = body["effect_id"], body["native_id"]
        if effect:
            requested = court.reader.events.get(effect.removeprefix("reply:"))
            if requested and not set(body["covers"]) <= set(requested.body["covers"]):
                court.say(f"{body['case_id']}: {effect} answered what it did not cover")
            said = court.history.network_truth.get(effect)
            if said is None and _text_of(court, effect) not in texts:
                court.say(f"{body['case_id']}: answered by {effect}, which the network never saw")
            continue
        if native and native not in by_id:
            court.say(f"{body['case_id']}: answered by post {native}, which nobody posted")
            continue
        for mention in body["covers"]:
            if not _covered(written[mention], written, [by_id[native]] if native else posts):
                court.say(f"{body['case_id']}: {mention} was answered by a post that is not for it")


def _covered(mention: Post, written: dict[str, Post], posts: Sequence[Post]) -> bool:
    """Return whether a post of the brand replies to this mention or to its author's later ones."""
    for post in posts:
        target = written.get(f"x:acme:{post.in_reply_to}")
        if target is None or (target.author, target.root) != (mention.author, mention.root):
            continue
        if (target.created_at, target.native_id) >= (mention.created_at, mention.native_id):
            return True
    return False


def _text_of(court: _Court, effect: str) -> str:
    requested = court.reader.events.get(effect.removeprefix("reply:"))
    command = court.history.asked.get(requested.body["cause_id"]) if requested else None
    return command.text if isinstance(command, ReplyToCase) else ""


def _commands_close_what_they_covered(court: _Court) -> None:
    deleted = {
        record.mention_id
        for record in court.history.heard.values()
        if isinstance(record, MentionDeleted)
    }
    for told in court.reader.events.values():
        body = told.body
        if body["type"] != "obligations.closed":
            continue
        command = court.history.asked.get(body["cause_id"])
        if isinstance(command, ResolveCase):
            allowed = set(command.covers)
        elif isinstance(command, CorrectTriage):
            allowed = {command.mention_id}
        else:
            allowed = deleted
        if not set(body["covers"]) <= allowed:
            court.say(f"{body['case_id']}: {body['cause_id']} closed what its sender never saw")


def _every_command_ends_once(court: _Court) -> None:
    reader = court.reader
    for name, command in court.history.asked.items():
        events = reader.by_cause.get(name, [])
        refused = reader.refused.get(name)
        if not events and refused is None:
            court.say(f"{command.case_id}: {command.type} {name} ended in nothing")
        if events and refused is not None and refused["reason"] != "same_key_other_body":
            court.say(f"{command.case_id}: {command.type} {name} was done and refused")
        if command.not_after is None:
            continue
        for body in events:
            if _instant(body["at"]) > command.not_after:
                court.say(f"{command.case_id}: {command.type} {name} was done after its time")


def _every_effect_ends_once(court: _Court) -> None:
    reader = court.reader
    for event_id, told in reader.events.items():
        body = told.body
        if body["type"] == "case.opened":
            effect = f"card:{body['case_id']}"
        elif body["type"] in _ALERTING:
            effect = f"alert:{event_id}"
        elif body["type"] == "reply.requested":
            effect = body["effect_id"]
        else:
            continue
        if effect not in reader.outcomes and not court.young(body):
            court.say(f"{body['case_id']}: {effect} ({body['type']}) has no outcome")
    shown = {message.ts: message.key for message in court.messages}
    for effect, outcomes in reader.outcomes.items():
        for body in outcomes:
            if body["type"] in {"card.posted", "alert.posted"} and shown.get(body["ts"]) != effect:
                court.say(f"{body['case_id']}: {effect} stands nowhere in Slack")


def _nobody_sees_anything_twice(court: _Court) -> None:
    reader = court.reader
    cards = Counter(message.key for message in court.messages if not message.late)
    replies = Counter(post.text for post in court.posts if post.text.startswith("reply "))
    for key, times in (*cards.items(), *replies.items()):
        if times > 1:
            court.verdict.duplicates += times - 1
            court.say(f"duplicate: {key} is to be seen {times} times")
    for message in court.messages:
        event = message.key.removeprefix("alert:")
        if message.case_id not in reader.views or (
            event != message.key and event not in reader.events
        ):
            court.say(f"{message.case_id}: {message.key} stands in Slack and not in the log")
        elif message.key not in reader.outcomes and message.at < court.end - 6 * MINUTE:
            court.say(f"{message.case_id}: {message.key} stands in Slack and nobody knows where")


def _no_reply_after_its_reason_is_gone(court: _Court) -> None:
    called = {post.text: post for post in court.posts if post.text.startswith("reply ")}
    settled: dict[str, list[tuple[int, Body]]] = {}
    for told in court.reader.events.values():
        body = told.body
        if (body["type"] == "obligations.answered" and body["native_id"]) or body["type"] in {
            "obligations.closed",
            "obligation.changed",
        }:
            settled.setdefault(body["case_id"], []).append((told.at_ms, body))
    for told in list(court.reader.events.values()):
        body = told.body
        if body["type"] != "reply.requested":
            continue
        command = court.history.asked.get(body["cause_id"])
        post = called.get(command.text) if isinstance(command, ReplyToCase) else None
        if post is None or post.late:
            continue
        at = START + timedelta(microseconds=post.called_at - _SKEW)
        if at > _instant(body["not_after"]):
            court.say(f"{body['case_id']}: {post.text} was sent after its time")
        called_ms = int(START.timestamp() * 1000) + post.called_at // 1000
        for at_ms, later in settled.get(body["case_id"], ()):
            mentions = set(later.get("covers") or (later.get("mention_id"),))
            if later["version"] <= body["version"] or not mentions & set(body["covers"]):
                continue
            if at_ms + _SETTLING_MS < called_ms:
                court.say(
                    f"{body['case_id']}: {post.text} was sent although {later['type']} before"
                )


def _own_posts_count(court: _Court) -> None:
    """Every mention that an own post, heard and acknowledged, answers is not open any more."""
    heard = court.history.heard.values()
    known = {record.mention_id for record in heard if isinstance(record, MentionReceived)}
    # Both open a query again: whether before or after the own post, no history tells.
    known -= {record.mention_id for record in heard if isinstance(record, MentionEdited)}
    known -= {
        command.mention_id
        for command in court.history.asked.values()
        if isinstance(command, CorrectTriage)
    }
    answered = {
        f"x:acme:{record.in_reply_to}" for record in heard if isinstance(record, BrandPosted)
    }
    for view in court.reader.views.values():
        for mention, query in view.queries.items():
            if query.state == "open" and mention in answered & known:
                court.say(f"{view.case_id}: {mention} was answered in the app and is still open")


_RULES = (
    _every_query_has_an_end,
    _answered_cases_resolve,
    _answers_are_true,
    _commands_close_what_they_covered,
    _every_command_ends_once,
    _every_effect_ends_once,
    _nobody_sees_anything_twice,
    _no_reply_after_its_reason_is_gone,
    _own_posts_count,
)
