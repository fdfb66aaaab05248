"""What is said when a deadline comes near, is missed, or the ladder climbs: who, until when, what.

Promise: pure; an alert names who is told (a configured group or the holder, never a whole channel),
the deadline with its reason, and what to do; it quotes no customer.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from careline.domain.case import Case
from careline.domain.effects import Intent
from careline.domain.operations import Trouble, trouble_of
from careline.domain.reasons import named, pressing
from careline.domain.sla import Clocked
from responders.slack import kit, wording
from responders.slack.cards import Texts, title_of
from responders.slack.commanding import slack_user
from responders.slack.config import SlackConfig
from responders.slack.escape import mrkdwn
from schemas.events import CaseKind

AT_RISK: Final = "at_risk"
REMINDER: Final = "reminder"
HOLDER: Final = "holder"
CHANNEL: Final = "channel"
_MACHINES: Final = {"webhook": "a webhook", "mail": "mail", "bot": "a bot"}
STEP: Final = "step"
REOPENED: Final = "reopened"


_OPERATORS: Final = MappingProxyType(
    {
        Trouble.UNREADABLE: "Please mend the cause, redrive the records, then press Resolve on the "
        "card.",
        Trouble.BROKEN: "Please see that it holds again, then press Resolve on the card.",
        Trouble.CLOSED: "Please let the app into the channel, then press Resolve on the card.",
        Trouble.BALANCE: "Nothing is left to do.",
    }
)


def alert_of(
    intent: Intent, case: Case, texts: Texts, config: SlackConfig, *, private: bool
) -> tuple[list[kit.Piece], str]:
    """Return the blocks and the fallback text of an alert."""
    known = named(case, intent.about) or pressing(case)
    head, todo = _head(intent.subject, case, known), _todo(intent.subject, case)
    told = who_is_told(intent, case, config)
    title = title_of(case, texts, private=private)
    small = [kit.plain(title)]
    if known is not None:
        small.append(kit.mrkdwn(wording.reason_line(known)))
    blocks = [kit.section(f"{head}\n{told}{todo}"), kit.context(*small)]
    text = f"{head.replace('*', '')} {mrkdwn(title, 150)}"
    return blocks, text


def who_is_told(intent: Intent, case: Case, config: SlackConfig) -> str:
    """Return whom an alert is for, as mentions where Slack ids are configured."""
    if intent.subject in {AT_RISK, REMINDER} or intent.notify == HOLDER:
        return _holder(case)
    if not intent.notify:
        return ""
    members = config.groups.get(intent.notify, ())
    group = mrkdwn(intent.notify, 60)
    if not members and intent.notify == CHANNEL:
        return "For everybody in this channel. "
    if not members and (machine := _machine(intent.notify)):
        return f"*{group}* is told by {machine}. "
    if not members:
        return f"For *{group}* (no one in Slack is configured for it). "
    names = " ".join(f"<!subteam^{one}>" if one.startswith("S") else f"<@{one}>" for one in members)
    return f"*{group}*: {names} "


def _holder(case: Case) -> str:
    if case.claim is None:
        return "Nobody holds it. "
    user = slack_user(case.claim.holder)
    return f"<@{user}>: " if user else f"{wording.person(case.claim.holder)}: "


def _machine(notify: str) -> str:
    return next((words for kind, words in _MACHINES.items() if notify.startswith(kind)), "")


def _head(  # noqa: PLR0911 - one row a subject
    subject: str, case: Case, known: Clocked | None
) -> str:
    wanted = wording.wanted_line(known) if known is not None else ""
    if subject == AT_RISK:
        return f"⚠️ *At risk*: {wanted}." if wanted else "✅ *Answered meanwhile*."
    if subject == REMINDER:
        return _reminder(case)
    if subject == REOPENED:
        until = f" {wanted[0].upper()}{wanted[1:]}." if wanted else ""
        return f"🔁 *Open again*: the author has written.{until}"
    if case.kind is CaseKind.OPERATIONS:
        return f"🛠 *Still open*: {case.count} {wording.operations_words(case)}."
    if known is None:
        return "✅ *Answered meanwhile*."
    if case.is_exhausted:
        return f"🚨 *Still unanswered*: everybody was told; {wanted}."
    if known.breached:
        return f"🔴 *Deadline missed*: {wanted}."
    return f"📣 *Escalated*: {wanted}."


def _reminder(case: Case) -> str:
    if case.claim is None:
        return "⏰ *Back in its queue*: no reply has come."
    until = wording.date(case.claim.lease_until, "{time}")
    return f"⏰ *Still yours?* Without a reply it goes back to its queue at {until}."


def _todo(subject: str, case: Case) -> str:
    if case.kind is CaseKind.OPERATIONS:
        return _OPERATORS[trouble_of(case)]
    if not case.open_obligations:
        return "Nothing is left to do."
    if case.claim is None:
        return "Please press Claim on the card above, then Reply."
    if subject == STEP:
        holder = wording.person(case.claim.holder)
        return f"{holder} holds it; please help, or reply once it is released."
    return "Please reply from the card above, or release it so that somebody else can."
