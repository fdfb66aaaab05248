"""What every listener works with, and the reading of who did what in Slack's payloads.

Promise: a payload that is not ours, or not whole, reads as None and is acknowledged without effect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from careline.domain.case import Case
from careline.runtime.clock import Clock
from careline.runtime.errors import RetryableError
from responders.slack import wording
from responders.slack.buttons import Pressed, read_press
from responders.slack.cards import Texts
from responders.slack.client import SlackClient
from responders.slack.commanding import Commands, agent
from responders.slack.config import SlackConfig
from responders.slack.errors import SlackFailed
from responders.slack.escape import one_line
from responders.slack.texts import TextStore, shown_texts
from schemas.commands import Actor
from schemas.identity import shard_of_case

_log = structlog.get_logger(__name__)


class CaseReader(TextStore, Protocol):
    """The ledger as people's requests read it."""

    async def read_case(self, case_id: str) -> Case | None:
        """Return a case, or None if there is none of that id."""
        ...

    async def reply_text(self, effect_id: str, shard: int) -> str | None:
        """Return the text of a reply that was asked for."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The listeners' surroundings."""

    config: SlackConfig
    client: SlackClient
    ledger: CaseReader
    commands: Commands
    clock: Clock

    def actor(self, user: Mapping[str, Any]) -> Actor:
        """Return who acts, under the name of the configuration if there is one."""
        user_id = str(user.get("id", ""))
        known = self.config.people.get(user_id)
        given = str(user.get("username") or user.get("name") or user_id)
        return agent(user_id, known.name if known else one_line(given, wording.NAME_MAX))

    async def tell(self, click: Click, text: str) -> None:
        """Tell one user something; if it does not arrive, the card still says how things are."""
        try:
            await self.client.whisper(click.channel, click.user, text)
        except SlackFailed as error:
            _log.info("note to a user was not shown", reason=error.verdict.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """One press of a button on a card."""

    user: str
    actor: Actor
    action: str
    pressed: Pressed
    channel: str
    ts: str
    trigger_id: str
    action_ts: str

    def at(self, clock: Clock) -> datetime:
        """Return when it was pressed, by Slack's clock, so that a repeat has the same time."""
        try:
            return datetime.fromtimestamp(float(self.action_ts), tz=UTC)
        except (OverflowError, ValueError):
            return clock.now()


def read_click(desk: Desk, body: Mapping[str, Any]) -> Click | None:
    """Read a `block_actions` payload; None if it is no press on a card of ours."""
    actions, user = body.get("actions") or [{}], body.get("user") or {}
    container = body.get("container") or {}
    action = actions[0]
    pressed = read_press(str(action.get("value") or ""), str(action.get("block_id") or ""))
    channel = str((body.get("channel") or {}).get("id") or container.get("channel_id") or "")
    if pressed is None or not user.get("id"):
        return None
    return Click(
        user=str(user["id"]),
        actor=desk.actor(user),
        action=str(action.get("action_id")),
        pressed=pressed,
        channel=channel,
        ts=str(container.get("message_ts") or ""),
        trigger_id=str(body.get("trigger_id") or ""),
        action_ts=str(action.get("action_ts") or ""),
    )


async def case_and_texts(desk: Desk, case_id: str) -> tuple[Case, Texts] | None:
    """Return a case with what is shown of it; None if it is not there or cannot be read now."""
    try:
        case = await desk.ledger.read_case(case_id)
        if case is None:
            return None
        return case, await shown_texts(desk.ledger, case)
    except RetryableError as error:
        _log.warning(
            "ledger not readable for a click", shard=shard_of_case(case_id), code=error.code
        )
        return None


def held_by_other(case: Case, actor: Actor, now: datetime) -> str:
    """Return `already claimed by @ana 12 s ago` if somebody else has the case, else ""."""
    claim = case.claim
    if claim is None or (claim.holder.kind, claim.holder.id) == (actor.kind, actor.id):
        return ""
    return already_claimed(claim.holder, claim.since, now)


def already_claimed(holder: Actor, since: datetime | None, now: datetime) -> str:
    """Return who was first, and how long ago."""
    ago = f" {wording.ago(now - since)} ago" if since is not None else ""
    return f"already claimed by {wording.person(holder)}{ago}"
