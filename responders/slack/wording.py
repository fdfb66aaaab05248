"""The words and signs of a card: every state as an icon and a word, never by colour alone.

Promise: pure; what stands here is our own or staff's, escaped; a customer's word never passes
through it.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from careline.domain.case import Case, CaseStatus, Obligation, ReplyState
from careline.domain.operations import Trouble, trouble_of
from careline.domain.reasons import derivation, kind_of, pressing
from careline.domain.sla import Clocked
from responders.slack.escape import mrkdwn, one_line
from schemas.commands import Actor, ActorKind, Disposition
from schemas.targets import TargetKind
from schemas.triage import Sentiment, Urgency

NAME_MAX: Final = 60
REASON_MAX: Final = 160
"""Rules and calendars have the names that their author likes."""


class Deadline(enum.StrEnum):
    """How the case stands to its earliest deadline."""

    DUE = "due"
    AT_RISK = "at risk"
    BREACHED = "breached"
    ANSWERED = "answered"
    CLOSED = "closed"


DEADLINE_SIGNS: Final = MappingProxyType(
    {
        Deadline.DUE: "🕒",
        Deadline.AT_RISK: "⚠️",
        Deadline.BREACHED: "🔴",
        Deadline.ANSWERED: "✅",
        Deadline.CLOSED: "☑️",
    }
)
SENTIMENTS: Final = MappingProxyType(
    {
        Sentiment.NEGATIVE: "🙁 negative",
        Sentiment.NEUTRAL: "😐 neutral",
        Sentiment.POSITIVE: "🙂 positive",
    }
)
URGENCIES: Final = MappingProxyType(
    {
        Urgency.CRITICAL: "🚨 critical",
        Urgency.HIGH: "❗ high",
        Urgency.NORMAL: "▫️ normal",
        Urgency.NONE: "▫️ none",
    }
)
NETWORKS: Final = MappingProxyType(
    {"x": "X", "bluesky": "Bluesky", "mastodon": "Mastodon", "ops": "careline"}
)
DISPOSITIONS: Final = MappingProxyType(
    {
        Disposition.ANSWERED: "answered",
        Disposition.NO_ANSWER_NEEDED: "no answer needed",
        Disposition.NOT_A_QUERY: "not a query",
        Disposition.SPAM: "spam or abuse",
        Disposition.DUPLICATE: "answered in another case",
        Disposition.HANDLED_ELSEWHERE: "handled elsewhere",
        Disposition.WITHDRAWN_BY_AUTHOR: "withdrawn by the author",
        Disposition.REPAIRED: "repaired",
    }
)


def network(name: str) -> str:
    """Return how a network is called."""
    return NETWORKS.get(name, name.capitalize())


def date(at: datetime, shape: str = "{date_short_pretty} at {time}") -> str:
    """Return Slack's token for an instant, which each reader sees in their own zone."""
    fallback = at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<!date^{int(at.timestamp())}^{shape}|{fallback}>"


def ago(passed: timedelta) -> str:
    """Return a span as people say it: `12 s`, `3 min`, `2 h`, `4 days`."""
    seconds = max(0, int(passed.total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def person(actor: Actor) -> str:
    """Return a member of staff, a bot or the policy as a name that pings nobody."""
    if actor.kind is ActorKind.POLICY:
        return "careline"
    name = mrkdwn(actor.name or actor.id.rpartition(":")[2] or "somebody", NAME_MAX)
    if actor.kind is ActorKind.AUTHOR:
        return "the author"
    if actor.kind is ActorKind.BRAND:
        return "the brand's own post"
    return f"bot {name}" if actor.kind is ActorKind.BOT else f"@{name}"


def leading(case: Case) -> Obligation | None:
    """Return the query that the card is about first: the one due first, else the latest."""
    still = case.open_obligations
    if still:
        return min(still, key=lambda found: (found.due_at, found.order))
    return max(case.obligations, key=lambda found: found.order, default=None)


def deadline(case: Case) -> tuple[Deadline, datetime | None]:
    """Return how the case stands to the deadline that presses, and when that is."""
    known = pressing(case)
    if known is None:
        closed = not case.obligations or case.obligations[-1].disposition is not None
        return (Deadline.CLOSED if closed else Deadline.ANSWERED), None
    return state_of(known), known.due_at


def deadline_line(case: Case) -> str:
    """Return the deadline that presses in words: `⚠️ at risk · due today at 14:05`."""
    known = pressing(case)
    return clock_line(known) if known is not None else state_words(deadline(case)[0])


def clock_line(known: Clocked) -> str:
    """Return one deadline in words, with its token."""
    return f"{state_words(state_of(known))} {date(known.due_at)}"


def state_words(state: Deadline) -> str:
    """Return the sign and the words before a time: `🔴 breached · was due`."""
    then = {Deadline.AT_RISK: " · due", Deadline.BREACHED: " · was due"}.get(state, "")
    return f"{DEADLINE_SIGNS[state]} {state}{then}"


def state_of(known: Clocked) -> Deadline:
    """Return how something stands to its deadline."""
    if known.breached:
        return Deadline.BREACHED
    return Deadline.AT_RISK if known.warned else Deadline.DUE


def reason_line(known: Clocked) -> str:
    """Return how a deadline was found: `due 14:05 = first response 2 h, business hours Berlin`."""
    why = mrkdwn(derivation(known), REASON_MAX)
    return f"due {date(known.due_at, '{time}')} = {why}"


def wanted_line(known: Clocked) -> str:
    """Return what has to happen by a deadline: `an answer is due today at 14:05`."""
    is_, when = ("was" if known.breached else "is"), date(known.due_at)
    if kind_of(known) is TargetKind.RESOLUTION:
        return f"everything here {is_} to be settled by {when}"
    return f"an answer {is_} due {when}"


def operations_title(case: Case) -> str:
    """Return the line that names an operations case."""
    subject = one_line(case.subject, 140)
    match trouble_of(case):
        case Trouble.BALANCE:
            return subject
        case Trouble.BROKEN:
            return f"Operations · {subject} · {case.count} broken promises"
        case Trouble.CLOSED:
            return f"Operations · {one_line(case.subject, 90)} · {case.count} messages"
        case _:
            return f"Operations · {one_line(case.subject, 90)} · {case.count} records"


def operations_words(case: Case) -> str:
    """Return what is counted in an operations case."""
    match trouble_of(case):
        case Trouble.BROKEN:
            return "promises were found broken"
        case Trouble.CLOSED:
            return "messages were posted in operations, because their own channel is closed to us"
        case _:
            return "records could not be read"


def operations_hint(case: Case) -> str:
    """Return where to look for what an operations case is about."""
    match trouble_of(case):
        case Trouble.BROKEN:
            return "The auditor asks for repair by itself; see `careline ledger audit` and its log."
        case Trouble.CLOSED:
            return "Open the channel, `/invite` the app, or name another one in careline.yaml."
        case _:
            return "Their bytes are kept: `careline dead-letters list`."


def holder_line(case: Case) -> str:
    """Return who holds the case."""
    if case.claim is None:
        return "nobody"
    return f"{person(case.claim.holder)} since {date(case.claim.since, '{time}')}"


def status_line(case: Case) -> str:
    """Return what is happening and what happens next, in one line."""
    return " · ".join(part for part in (_doing(case), _ladder(case)) if part)


def closed_meanwhile(case: Case) -> str:
    """Return who closed a case, why and when: `this case was resolved by @ana: spam or abuse`."""
    return f"this case was resolved{_closing(case)}"


def _doing(case: Case) -> str:  # noqa: PLR0911 - one row a status
    if case.reply is not None:
        return _reply(case)
    match case.status:
        case CaseStatus.NEW | CaseStatus.OPEN:
            return "👋 Waiting for somebody to claim it"
        case CaseStatus.CLAIMED:
            until = f", until {date(case.claim.lease_until, '{time}')}" if case.claim else ""
            return f"🙋 Claimed{until}"
        case CaseStatus.SNOOZED:
            until = date(case.snoozed_until) if case.snoozed_until else "the author writes"
            running = "; the deadline keeps running" if case.open_obligations else ""
            return f"💤 Snoozed until {until}{running}"
        case CaseStatus.WAITING:
            return f"💬 {_sent(case)}: it is the author's turn{_closes(case)}"
        case CaseStatus.ANSWERED:
            return f"✅ {_sent(case)}{_closes(case)}"
        case CaseStatus.RESOLVED:
            return _resolved(case)


def _reply(case: Case) -> str:
    reply = case.reply
    if reply is None:
        return ""
    if reply.state is ReplyState.UNSETTLED:
        return (
            f"❓ Nobody can tell whether the reply by {person(reply.actor)} was sent: look at the "
            f"thread on {network(case.network)}, then say so below"
        )
    return f"📤 Reply by {person(reply.actor)} queued at {date(reply.requested_at, '{time}')}"


def _sent(case: Case) -> str:
    return "Reply delivered" if case.delivered else "Answered"


def _closes(case: Case) -> str:
    return f", closes {date(case.follow_up_at)}" if case.follow_up_at else ""


def _resolved(case: Case) -> str:
    return f"☑️ Resolved{_closing(case)}"


def _closing(case: Case) -> str:
    why = DISPOSITIONS[case.disposition] if case.disposition else "closed"
    by = f" by {person(case.resolved_by)}" if case.resolved_by else ""
    at = f", {date(case.resolved_at)}" if case.resolved_at else ""
    return f"{by}: {why}{at}"


def _ladder(case: Case) -> str:
    if case.ladder is None or not case.is_live:
        return ""
    at = date(case.ladder.next_step_at)
    if case.is_exhausted:
        return f"🚨 everybody was told; again {at}"
    steps = case.ladder.steps
    if case.ladder.next_step < len(steps):
        return f"📣 {mrkdwn(steps[case.ladder.next_step].name, NAME_MAX)} is told {at}"
    return f"📣 the next person is told {at}"
