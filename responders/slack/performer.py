"""Posts cards and alerts for the ledger's executor, and finds again what it cannot be sure of.

Promise: one call to `perform` posts at most one message, with its effect's id in the metadata; a
channel that is closed to us is answered by the operations channel and an operations case, and only
what Slack definitely refused is posted again there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

import structlog

from careline.domain.case import Case
from careline.domain.effects import Intent
from careline.domain.operations import CLOSED_CHANNEL
from careline.ledger.effects import Attempt
from careline.ledger.executor import Blocked, Done, NotDone, Refused, Report, Unknown
from careline.ledger.quarantine import Quarantine
from careline.runtime.errors import RetryableError
from responders.slack.alerts import alert_of
from responders.slack.client import Channel, SlackClient, Tag
from responders.slack.config import OPS, SlackConfig
from responders.slack.errors import Answer, Scope, SlackFailed, Verdict
from responders.slack.rendering import show
from responders.slack.scans import Scans
from responders.slack.sweeper import Sweeper
from responders.slack.texts import TextStore, shown_texts

LOOK_BACK: Final = timedelta(seconds=60)
"""Slack's clock may differ from ours by so much."""
_WAIT_MAX_S: Final = 1.0
"""An attempt may precede its call by 2 s at most; what waits longer comes back later."""
_CARD_FIRST_S: Final = 2.0
_CARD_TRIES: Final = 5
_ALARM_S: Final = 1.0

_log = structlog.get_logger(__name__)


class SlackPerformer:
    """Carries out `card` and `alert` in one workspace."""

    def __init__(
        self,
        client: SlackClient,
        ledger: TextStore,
        config: SlackConfig,
        *,
        sweeper: Sweeper,
        operations: Quarantine,
    ) -> None:
        """Remember where cards go; the sweeper hears of every message that may have a copy."""
        self._operations = operations
        self._sweeper = sweeper
        self._client = client
        self._scans = Scans(client)
        self._ledger = ledger
        self._config = config

    def lane(self, effect: Intent, case: Case) -> str:
        """Return the channel: Slack limits messages for each."""
        del effect
        return case.card.channel if case.card is not None else self._config.channel_of(case.queue)

    async def perform(self, effect: Intent, case: Case, attempt: Attempt) -> Report:
        """Post once; where the channel is closed to us, in the operations channel instead."""
        wanted = self.lane(effect, case)
        if effect.kind == "alert" and case.card is None and attempt.number <= _CARD_TRIES:
            return NotDone(_CARD_FIRST_S)  # its card comes first, so that it has a thread
        try:
            return await self._post(effect, case, wanted)
        except SlackFailed as error:
            closed = error.verdict.scope is Scope.CHANNEL
            if not closed or error.verdict.answer is not Answer.BLOCKED:
                return report_of(error.verdict)
            why = error.verdict.reason
            _log.error("channel closed to us, using operations", reason=why)
        try:
            report = await self._post(effect, case, self._config.channels[OPS])
        except SlackFailed as error:
            return report_of(error.verdict)
        if isinstance(report, Done):
            await self._alarm(effect, case, why)
        return report

    async def lookup(self, effect: Intent, case: Case, *, since: datetime) -> Done | None:
        """Search where the effect may stand for its id; raises if Slack does not answer."""
        copies = [found async for found in self._copies(effect, case, since=since)]
        if not copies:
            return None
        channel, ts = min(copies, key=lambda found: found[1])
        # The version that it shows is not known: 0 asks for a refresh.
        return Done(channel=channel, native_id=ts, shown_version=0)

    async def _alarm(self, effect: Intent, case: Case, why: str) -> None:
        """Tell the people who run careline of a closed channel, one case an hour with a count."""
        try:
            async with asyncio.timeout(_ALARM_S):
                await self._operations.tell(
                    source=f"{CLOSED_CHANNEL} {case.queue}", position=effect.effect_id, reason=why
                )
        except (RetryableError, TimeoutError) as error:
            # The message stands, and the next one tells again: this must not put it in doubt.
            _log.error("closed channel not told", queue=case.queue, code=type(error).__name__)

    async def _post(self, effect: Intent, case: Case, name: str) -> Report:
        channel = await self._client.channel(name)
        wait = self._client.post_wait(channel.id)
        if wait > _WAIT_MAX_S:
            return NotDone(wait)
        tag = Tag(key=effect.effect_id, case_id=case.case_id)
        try:
            if effect.kind == "card":
                ts = await self._card(case, channel, tag)
            else:
                ts = await self._alert(effect, case, channel, tag)
        except SlackFailed as error:
            if error.verdict.answer is Answer.UNKNOWN:
                self._sweeper.suspect(channel.id, thread_of(case, channel))
            raise
        return Done(channel=channel.id, native_id=ts, shown_version=case.version)

    async def _card(self, case: Case, channel: Channel, tag: Tag) -> str:
        return await show(
            case,
            self._ledger,
            channel,
            lambda view: self._client.post(channel.id, text=view.text, blocks=view.blocks, tag=tag),
        )

    async def _alert(self, effect: Intent, case: Case, channel: Channel, tag: Tag) -> str:
        texts = await shown_texts(self._ledger, case)
        blocks, text = alert_of(effect, case, texts, self._config, private=channel.private)
        thread = thread_of(case, channel)
        try:
            return await self._client.post(
                channel.id, text=text, blocks=blocks, tag=tag, thread_ts=thread, broadcast=True
            )
        except SlackFailed as error:
            gone = error.verdict.reason in {"thread_not_found", "message_not_found"}
            if not thread or not gone:
                raise
            # The card was deleted by somebody: the alert still has to be told.
            return await self._client.post(channel.id, text=text, blocks=blocks, tag=tag)

    async def _copies(
        self, effect: Intent, case: Case, *, since: datetime
    ) -> AsyncIterator[tuple[str, str]]:
        """Yield channel and ts of every message of an effect, the oldest of a channel last."""
        oldest = (since - LOOK_BACK).timestamp()
        for name in dict.fromkeys((self.lane(effect, case), self._config.channels[OPS])):
            try:
                channel = await self._client.channel(name)
                for message in await self._scans.ours(channel.id, oldest=oldest):
                    if message.key == effect.effect_id:
                        yield channel.id, message.ts
                if case.card is not None and case.card.channel == channel.id:
                    thread = self._client.ours(channel.id, oldest=oldest, thread_ts=case.card.ts)
                    async for message in thread:
                        if message.key == effect.effect_id and message.ts != case.card.ts:
                            yield channel.id, message.ts
            except SlackFailed as error:
                # What is closed to us took no message of ours; any other failure means not knowing.
                if error.verdict.scope not in {Scope.CHANNEL, Scope.TARGET}:
                    raise


def thread_of(case: Case, channel: Channel) -> str:
    """Return the ts of the case's card if it stands in this channel, else ""."""
    return case.card.ts if case.card is not None and case.card.channel == channel.id else ""


def report_of(verdict: Verdict) -> Report:
    """Return the executor's word for a failed call."""
    match verdict.answer:
        case Answer.NOT_DONE:
            return NotDone(verdict.retry_after)
        case Answer.BLOCKED:
            return Blocked(verdict.reason)
        case Answer.REFUSED:
            return Refused(verdict.reason)
        case _:
            return Unknown(verdict.reason)
