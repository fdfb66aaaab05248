"""What people are told beside the card: who was first, and what became of a reply.

Promise: whoever's click changed nothing learns why; what became of a reply stands in the thread of
the card, once, and its holder is named if it was not sent. All of it stands on the card as well, so
nothing here carries the promise.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog

from careline.domain.case import Case
from careline.runtime.clock import Clock
from responders.slack import kit, wording
from responders.slack.cards import QUOTES_MAX, quoted
from responders.slack.client import SlackClient, Tag
from responders.slack.commanding import slack_user
from responders.slack.desk import CaseReader, already_claimed
from responders.slack.errors import Answer, SlackFailed
from responders.slack.escape import mrkdwn
from schemas import events as e
from schemas.identity import shard_of_case
from schemas.mentions import Visibility

Told = e.ReplyDelivered | e.ReplyDropped | e.ReplyUnsettled
WHISPER_LIFE: Final = timedelta(minutes=5)
NOTE_LIFE: Final = timedelta(hours=24)
_TRIES: Final = 5
_BUSY_S: Final = 5.0
"""A lane that is this far behind is left to cards and alerts: the card tells of a delivery too."""

_log = structlog.get_logger(__name__)

REFUSALS: Final = {
    e.Refusal.NO_SUCH_CASE: "there is no such case",
    e.Refusal.NOT_CLAIMED: "nobody holds this case",
    e.Refusal.ALREADY_RESOLVED: "this case is resolved already",
    e.Refusal.REPLY_IN_FLIGHT: "a reply is on its way already",
    e.Refusal.NO_REPLY_IN_FLIGHT: "no reply is waiting to be settled",
    e.Refusal.NOTHING_COVERED: "what your card showed is answered or closed already",
    e.Refusal.TOO_LATE: "it came too late to be carried out",
    e.Refusal.ALREADY_SETTLED: "that is settled already",
    e.Refusal.UNKNOWN_MENTION: "that message is not part of this case",
    e.Refusal.NOT_IN_FUTURE: "that time has passed",
    e.Refusal.EMPTY_REPLY: "the reply has no words",
    e.Refusal.STALE_CLAIM: "your claim had ended, and somebody has held the case since; please look"
    " at the card again",
    e.Refusal.SNOOZED_TOO_OFTEN: "this query was put aside as often as it may be; please reply, or"
    " release the case",
}
"""`already_claimed` names the holder; `same_key_other_body` is the same click heard twice."""


class Notices:
    """Tells people in Slack what their clicks and replies came to."""

    def __init__(self, client: SlackClient, ledger: CaseReader, clock: Clock) -> None:
        """Remember whom to speak through; what is older than this start may be a repeat."""
        self._client = client
        self._ledger = ledger
        self._clock = clock
        self._started = clock.now()

    async def tell(self, event: e.CaseEvent | e.CommandRefused) -> None:
        """Tell what has to be told of an event, if anything."""
        if isinstance(event, e.CommandRefused):
            await self._refused(event)
        elif isinstance(event, e.ReplyDelivered | e.ReplyDropped | e.ReplyUnsettled):
            await self._replied(event)

    async def _refused(self, event: e.CommandRefused) -> None:
        user = slack_user(event.actor)
        now = self._clock.now()
        if not user or not refusal_text(event, now) or now - event.at > WHISPER_LIFE:
            return
        case = await self._ledger.read_case(event.case_id)
        if case is None or case.card is None:
            return
        text = refusal_text(event, now, case)
        for _ in range(2):
            try:
                await self._client.whisper(case.card.channel, user, text)
            except SlackFailed as error:
                if error.verdict.answer is not Answer.NOT_DONE:
                    _log.info("refusal not shown", reason=error.verdict.reason)
                    return
            else:
                return

    async def _replied(self, event: Told) -> None:
        if self._clock.now() - event.at > NOTE_LIFE:
            return
        case = await self._ledger.read_case(event.case_id)
        if case is None or case.card is None:
            return
        good = isinstance(event, e.ReplyDelivered)
        if good and self._client.post_wait(case.card.channel) > _BUSY_S:
            return
        try:
            channel = await self._client.channel(case.card.channel)
            blocks, text = await self._note(event, case, private=channel.private)
            await self._post(event, case, blocks, text)
        except SlackFailed as error:
            _log.warning("note not posted", event=event.type, reason=error.verdict.reason)

    async def _note(self, event: Told, case: Case, *, private: bool) -> tuple[list[kit.Piece], str]:
        words = ""
        if case.visibility is Visibility.PUBLIC or private:
            words = await self._words(event)
        text = note_text(event, case)
        blocks = [kit.section(text)]
        if words:
            blocks.append(kit.rich_text([quoted(words, QUOTES_MAX)]))
        return blocks, text

    async def _words(self, event: Told) -> str:
        shard = shard_of_case(event.case_id)
        if shard is None:
            return ""
        return await self._ledger.reply_text(event.effect_id, shard) or ""

    async def _post(self, event: Told, case: Case, blocks: list[kit.Piece], text: str) -> None:
        if case.card is None:
            return
        tag = Tag(key=f"note:{event.event_id}", case_id=case.case_id)
        perhaps_there = event.at < self._started
        for _ in range(_TRIES):
            if perhaps_there and await self._is_there(tag.key, case, event):
                return
            try:
                await self._client.post(
                    case.card.channel, text=text, blocks=blocks, tag=tag, thread_ts=case.card.ts
                )
            except SlackFailed as error:
                if error.verdict.answer not in {Answer.NOT_DONE, Answer.UNKNOWN}:
                    raise
                perhaps_there = perhaps_there or error.verdict.answer is Answer.UNKNOWN
                await self._clock.sleep(error.verdict.retry_after or 1.0)
            else:
                return

    async def _is_there(self, key: str, case: Case, event: Told) -> bool:
        if case.card is None:
            return True
        since = event.at.timestamp() - 60
        found = self._client.ours(case.card.channel, oldest=since, thread_ts=case.card.ts)
        async for message in found:
            if message.key == key:
                return True
        return False


def refusal_text(event: e.CommandRefused, now: datetime, case: Case | None = None) -> str:
    """Return what whoever asked is told, "" if there is nothing to tell."""
    if event.reason is e.Refusal.ALREADY_CLAIMED and event.holder is not None:
        return f"Sorry, {already_claimed(event.holder, event.since, now)}."
    reason = REFUSALS.get(event.reason)
    if event.reason is e.Refusal.ALREADY_RESOLVED and case is not None and not case.is_live:
        reason = wording.closed_meanwhile(case)
    return f"Nothing has changed: {reason}." if reason else ""


def note_text(event: Told, case: Case) -> str:
    """Return what stands in the thread about a reply."""
    where = wording.network(case.network)
    match event:
        case e.ReplyDelivered():
            return f"✅ Reply delivered to {where}."
        case e.ReplyDropped():
            why = mrkdwn(event.reason, 200)
            return f"⚠️ {_named(case)}the reply was *not sent*: {why}. Its queries are still open."
        case e.ReplyUnsettled():
            return (
                f"❓ {_named(case)}nobody can tell whether the reply was sent. Please look at the "
                f"thread on {where}, then press *It was sent* or *It was not sent* on the card."
            )


def _named(case: Case) -> str:
    user = slack_user(case.claim.holder) if case.claim is not None else ""
    return f"<@{user}> " if user else ""
