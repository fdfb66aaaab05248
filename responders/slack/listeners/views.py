"""Forms sent off: a reply, a resolution, a snooze, a correction.

Promise: the form closes only after its command is stored; sending the same form again, by a person
or by Slack, is the same command. What a network would refuse is said before it is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from responders.slack import modals as m
from responders.slack.commanding import FORM_VALID, NotStored, command_id
from responders.slack.desk import Desk
from responders.slack.lengths import limit_of
from schemas.base import well_formed
from schemas.commands import (
    Command,
    CorrectTriage,
    Disposition,
    ReplyToCase,
    ResolveCase,
    SnoozeCase,
)
from schemas.triage import Sentiment, Urgency

_log = structlog.get_logger(__name__)

NOT_STORED: Final = "This could not be stored in time. Press again: it is done only once."
STALE: Final = "This form is not whole any more. Please close it and open it again from the card."


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """What somebody has to correct before a form can be sent."""

    block: str
    message: str


Maker = Callable[[m.Memo, dict[str, Any], dict[str, Any]], Command | Invalid]


def register(app: AsyncApp, desk: Desk) -> None:
    """Listen to every form."""
    for callback, (block, maker) in _MAKERS.items():
        app.view(callback)(_listener(desk, block, maker))


def _listener(desk: Desk, block: str, maker: Maker) -> Callable[..., Awaitable[None]]:
    async def submitted(ack: AsyncAck, body: dict[str, Any]) -> None:
        await _submitted(desk, ack, body, block=block, maker=maker)

    return submitted


async def _submitted(
    desk: Desk, ack: AsyncAck, body: dict[str, Any], *, block: str, maker: Maker
) -> None:
    view = body.get("view") or {}
    memo = m.read_memo(str(view.get("private_metadata") or ""))
    if memo is None:
        await _object(ack, Invalid(block=block, message=STALE))
        return
    made = maker(memo, view, _envelope(desk, memo, body, view))
    if isinstance(made, Invalid):
        await _object(ack, made)
        return
    try:
        await desk.commands.send(made)
    except NotStored as error:
        _log.warning("form not stored in time", form=made.type, code=error.code)
        await _object(ack, Invalid(block=block, message=NOT_STORED))
        return
    await ack()


async def _object(ack: AsyncAck, invalid: Invalid) -> None:
    await ack(response_action="errors", errors={invalid.block: invalid.message})


def _reply(memo: m.Memo, view: dict[str, Any], envelope: dict[str, Any]) -> Command | Invalid:
    text = well_formed(str(m.values_of(view, "reply", "text").get("value") or "")).strip()
    if not text:
        return Invalid(block="reply", message="Write something first.")
    limit = limit_of(memo.network, direct=memo.direct)
    if (length := limit.count(text)) > limit.characters:
        over = length - limit.characters
        return Invalid(
            block="reply", message=f"{length} of {limit.characters} characters: {over} too many."
        )
    asked = m.values_of(view, m.EXPECTS, "choice").get("selected_options") or []
    return ReplyToCase(
        **envelope,
        text=text,
        covers=memo.covers,
        expects_answer=bool(asked),
        fence=memo.fence,
    )


def _resolve(memo: m.Memo, view: dict[str, Any], envelope: dict[str, Any]) -> Command | Invalid:
    chosen = _chosen(view, "disposition")
    if chosen not in set(Disposition):
        return Invalid(block="disposition", message="Choose one.")
    return ResolveCase(**envelope, disposition=Disposition(chosen), covers=memo.covers)


def _snooze(_memo: m.Memo, view: dict[str, Any], envelope: dict[str, Any]) -> Command | Invalid:
    chosen = _chosen(view, "until")
    if chosen not in m.SNOOZES:
        return Invalid(block="until", message="Choose one.")
    _, span = m.SNOOZES[chosen]
    return SnoozeCase(**envelope, until=envelope["issued_at"] + span)


def _correct(memo: m.Memo, view: dict[str, Any], envelope: dict[str, Any]) -> Command | Invalid:
    query, which = _chosen(view, "query"), _chosen(view, "mention") or "0"
    sentiment, urgency = _chosen(view, "sentiment"), _chosen(view, "urgency")
    if query not in {m.YES, m.NO}:
        return Invalid(block="query", message="Choose one.")
    if not which.isdecimal() or int(which) >= len(memo.covers):
        return Invalid(block="query", message=STALE)
    return CorrectTriage(
        **envelope,
        mention_id=memo.covers[int(which)],
        query=query == m.YES,
        sentiment=Sentiment(sentiment) if sentiment in set(Sentiment) else None,
        urgency=Urgency(urgency) if urgency in set(Urgency) and query == m.YES else None,
    )


def _chosen(view: dict[str, Any], block: str) -> str:
    option = m.values_of(view, block, "choice").get("selected_option") or {}
    return str(option.get("value") or "")


def _envelope(
    desk: Desk, memo: m.Memo, body: Mapping[str, Any], view: Mapping[str, Any]
) -> dict[str, Any]:
    user = body.get("user") or {}
    values = str((view.get("state") or {}).get("values"))
    written = hashlib.sha256(well_formed(values).encode()).hexdigest()
    now = desk.clock.now()
    return {
        "command_id": command_id("view", str(view.get("id")), str(user.get("id")), written),
        "case_id": memo.case_id,
        "issued_at": now,
        "not_after": now + FORM_VALID,
        "actor": desk.actor(user),
        "seen_version": memo.version,
    }


_MAKERS: Final[Mapping[str, tuple[str, Maker]]] = {
    m.REPLY_MODAL: ("reply", _reply),
    m.RESOLVE_MODAL: ("disposition", _resolve),
    m.SNOOZE_MODAL: ("until", _snooze),
    m.CORRECT_MODAL: ("query", _correct),
}
