"""Slack's Web API as the responder uses it: paced, never retried by the SDK, failures translated.

Promise: one call is one request, because the SDK's own retry doubles messages; a failure is a
`SlackFailed` with a verdict, and neither it nor any log line holds what was sent or answered.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from slack_sdk.models.views import View
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from careline.runtime.clock import Clock, SystemClock
from responders.slack.config import SlackConfig
from responders.slack.errors import Answer, Scope, SlackFailed, Verdict, verdict_of
from responders.slack.pace import POSTS, TIER_3, TIER_4, Pace, Rate

EVENT_TYPE: Final = "careline_case"
_ID: Final = re.compile(r"^[CGD][A-Z0-9]{8,}$")
_FACTS_LIFE_S: Final = 60.0
_PAGE: Final = 200
_CHANNELS_PAGE: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the app is in its workspace."""

    team_id: str
    bot_id: str
    user_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A conversation that cards are posted in."""

    id: str
    name: str
    private: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of ours as found in a channel or thread."""

    ts: str
    key: str
    """The id of its effect."""
    case_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """What a message of ours carries unseen, so that it is found again."""

    key: str
    case_id: str

    def metadata(self) -> dict[str, Any]:
        """Spell it as Slack's message metadata."""
        return {
            "event_type": EVENT_TYPE,
            "event_payload": {"key": self.key, "case": self.case_id},
        }


def quiet_logger(name: str = "slack_sdk.careline") -> logging.Logger:
    """Return a logger for Slack's libraries: at DEBUG they write messages and tokens down."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.WARNING)
    return logger


class SlackClient:
    """One workspace, spoken to with the app's bot token."""

    def __init__(self, config: SlackConfig, *, clock: Clock | None = None) -> None:
        """Remember how to speak; nothing is sent yet."""
        self._config = config
        self._clock = clock or SystemClock()
        self.pace = Pace(self._clock, paced=config.paced)
        self._session: aiohttp.ClientSession | None = None
        self.web = self._web(None)
        self._facts: dict[str, tuple[float, Channel]] = {}
        self._names: dict[str, str] = {}

    def _web(self, session: aiohttp.ClientSession | None) -> AsyncWebClient:
        return AsyncWebClient(
            token=self._config.bot_token.get_secret_value(),
            base_url=self._config.base_url,
            timeout=int(self._config.request_timeout) or 1,
            session=session,
            logger=quiet_logger(),
            retry_handlers=[],
        )

    async def start(self) -> Identity:
        """Open the session and learn who we are. Raises ``SlackFailed``."""
        timeout = aiohttp.ClientTimeout(total=self._config.request_timeout)
        self._session = aiohttp.ClientSession(timeout=timeout)
        self.web = self._web(self._session)
        answer = await self._call("auth.test", self.web.auth_test)
        return Identity(
            team_id=str(answer.get("team_id") or ""),
            bot_id=str(answer.get("bot_id") or ""),
            user_id=str(answer.get("user_id") or ""),
        )

    async def stop(self) -> None:
        """Close the session. Stopping twice is harmless."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def post_wait(self, channel: str) -> float:
        """Return the seconds until a message may be posted in a channel."""
        return self.pace.wait_of(f"post {channel}", POSTS)

    async def post(
        self,
        channel: str,
        *,
        text: str,
        blocks: Sequence[dict[str, Any]],
        tag: Tag | None = None,
        thread_ts: str = "",
        broadcast: bool = False,
    ) -> str:
        """Post a message and return its ts. No idempotency: the caller looks for its tag first."""
        answer = await self._call(
            "chat.postMessage",
            lambda: self.web.chat_postMessage(
                channel=channel,
                text=text,
                blocks=list(blocks),
                metadata=tag.metadata() if tag else None,
                thread_ts=thread_ts or None,
                reply_broadcast=broadcast if thread_ts else None,
                link_names=False,
                parse="none",
                unfurl_links=False,
                unfurl_media=False,
            ),
            lane=f"post {channel}",
            rate=POSTS,
        )
        return str(answer["ts"])

    async def update(
        self, channel: str, ts: str, *, text: str, blocks: Sequence[dict[str, Any]]
    ) -> None:
        """Edit a message in place; repeating it is harmless."""
        await self._call(
            "chat.update",
            lambda: self.web.chat_update(
                channel=channel,
                ts=ts,
                text=text,
                blocks=list(blocks),
                link_names=False,
                parse="none",
            ),
            lane="chat.update",
        )

    async def delete(self, channel: str, ts: str) -> None:
        """Delete a message of ours; one that is gone already counts as deleted."""
        try:
            await self._call(
                "chat.delete",
                lambda: self.web.chat_delete(channel=channel, ts=ts),
                lane="chat.delete",
            )
        except SlackFailed as error:
            if error.verdict.reason != "message_not_found":
                raise

    async def whisper(self, channel: str, user: str, text: str, *, thread_ts: str = "") -> None:
        """Tell one user something that may get lost: never the only carrier of a promise."""
        await self._call(
            "chat.postEphemeral",
            lambda: self.web.chat_postEphemeral(
                channel=channel,
                user=user,
                text=text,
                thread_ts=thread_ts or None,
                link_names=False,
                parse="none",
            ),
            lane="chat.postEphemeral",
            rate=TIER_4,
        )

    async def open_view(self, trigger_id: str, view: View) -> None:
        """Open a form; the trigger lives three seconds, so this never waits in a lane."""
        await self._call(
            "views.open", lambda: self.web.views_open(trigger_id=trigger_id, view=view.to_dict())
        )

    async def channel(self, name: str) -> Channel:
        """Return a channel by id or name, with its privacy no older than a minute."""
        channel_id = name if _ID.match(name) else await self._id_of(name.lstrip("#"))
        now = self._clock.monotonic()
        at, known = self._facts.get(channel_id, (0.0, None))
        if known is not None and now - at < _FACTS_LIFE_S:
            return known
        answer = await self._call(
            "conversations.info",
            lambda: self.web.conversations_info(channel=channel_id),
            lane="conversations.info",
        )
        found = _channel(answer["channel"])
        self._facts[channel_id] = (now, found)
        return found

    async def ours(
        self, channel: str, *, oldest: float, thread_ts: str = ""
    ) -> AsyncIterator[Message]:
        """Yield the messages since `oldest` that carry our metadata, in a channel or a thread."""
        cursor = ""
        while True:
            answer = await self._page(channel, oldest=oldest, thread_ts=thread_ts, cursor=cursor)
            for body in answer.get("messages") or []:
                metadata = body.get("metadata") or {}
                if metadata.get("event_type") == EVENT_TYPE:
                    payload = metadata.get("event_payload") or {}
                    yield Message(
                        ts=str(body["ts"]),
                        key=str(payload.get("key", "")),
                        case_id=str(payload.get("case", "")),
                    )
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    async def _page(
        self, channel: str, *, oldest: float, thread_ts: str, cursor: str
    ) -> AsyncSlackResponse:
        since = f"{max(0.0, oldest):.6f}"
        if thread_ts:
            return await self._call(
                "conversations.replies",
                lambda: self.web.conversations_replies(
                    channel=channel,
                    ts=thread_ts,
                    oldest=since,
                    limit=_PAGE,
                    include_all_metadata=True,
                    cursor=cursor or None,
                ),
                lane="conversations.replies",
            )
        return await self._call(
            "conversations.history",
            lambda: self.web.conversations_history(
                channel=channel,
                oldest=since,
                inclusive=True,
                limit=_PAGE,
                include_all_metadata=True,
                cursor=cursor or None,
            ),
            lane="conversations.history",
        )

    async def _id_of(self, name: str) -> str:
        if name not in self._names:
            await self._learn_names()
        if name not in self._names:
            raise SlackFailed(
                "conversations.list",
                Verdict(
                    answer=Answer.BLOCKED,
                    reason="channel_not_found",
                    scope=Scope.CHANNEL,
                    retry_after=_FACTS_LIFE_S,
                ),
            )
        return self._names[name]

    async def _learn_names(self) -> None:
        cursor = ""
        while True:
            answer = await self._call(
                "conversations.list",
                lambda cursor=cursor: self.web.conversations_list(  # type: ignore[misc]
                    types="public_channel,private_channel",
                    exclude_archived=True,
                    limit=_CHANNELS_PAGE,
                    cursor=cursor or None,
                ),
                lane="conversations.list",
            )
            for body in answer["channels"]:
                self._names[str(body["name"])] = str(body["id"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    async def _call(
        self,
        method: str,
        call: Callable[[], Awaitable[AsyncSlackResponse]],
        *,
        lane: str = "",
        rate: Rate = TIER_3,
    ) -> AsyncSlackResponse:
        if lane:
            await self.pace.turn(lane, rate)
        try:
            return await call()
        except Exception as error:  # noqa: BLE001 - the table says what each means
            verdict = verdict_of(error)
            if verdict.reason == "ratelimited" and lane:
                self.pace.hold(lane, rate, verdict.retry_after)
            # Slack's answers may repeat what was sent: nothing of them goes on from here.
            raise SlackFailed(method, verdict) from None


def _channel(body: Mapping[str, Any]) -> Channel:
    return Channel(
        id=str(body["id"]), name=str(body.get("name", "")), private=body.get("is_private") is True
    )
