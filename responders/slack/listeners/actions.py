"""Presses of a card's buttons: some are a command at once, some open a form first.

Promise: a press that is a command is acknowledged after the command is stored, else not at all, so
that Slack shows an error; pressing the same stored envelope again changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck
from slack_sdk.models.views import View

from careline.domain.case import Case, ReplyState
from responders.slack import buttons as b
from responders.slack import wording
from responders.slack.cards import Texts
from responders.slack.commanding import CLICK_VALID, NotStored, command_id
from responders.slack.desk import Click, Desk, case_and_texts, held_by_other, read_click
from responders.slack.errors import SlackFailed
from responders.slack.modals import (
    Memo,
    correct_modal,
    reply_modal,
    resolve_modal,
    snooze_modal,
)
from schemas.commands import ClaimCase, Command, EscalateCase, ReleaseCase, SettleReply
from schemas.mentions import Visibility

Opener = Callable[[Case, Texts, Memo, bool], View]
_log = structlog.get_logger(__name__)

_OPEN_ALREADY: Final = frozenset({"exchanged_trigger_id", "trigger_exchanged"})
"""The same press was delivered twice: its first delivery has opened the form."""
NOT_STORED: Final = "⚠️ That could not be stored, so nothing has changed. Please press again."
GONE: Final = "⚠️ That case cannot be read right now. Please try again in a moment."


def register(app: AsyncApp, desk: Desk) -> None:
    """Listen to every button of a card."""
    for action in (b.CLAIM, b.RELEASE, b.ESCALATE):
        app.action(action)(_listener(partial(_command_at_once, desk)))
    for action in (b.SENT, b.NOT_SENT):
        app.action(action)(_listener(partial(_settle, desk)))
    for action, opener in _OPENERS.items():
        app.action(action)(_listener(partial(_open, desk, opener)))


Handler = Callable[[AsyncAck, Mapping[str, Any]], Awaitable[None]]


def _listener(handler: Handler) -> Callable[..., Awaitable[None]]:
    """Return a function with the argument names that Bolt injects by."""

    async def listen(ack: AsyncAck, body: dict[str, Any]) -> None:
        await handler(ack, body)

    return listen


async def _command_at_once(desk: Desk, ack: AsyncAck, body: Mapping[str, Any]) -> None:
    click = read_click(desk, body)
    if click is None:
        await ack()
        return
    await _store(desk, ack, click, _command_of(desk, click))


async def _settle(desk: Desk, ack: AsyncAck, body: Mapping[str, Any]) -> None:
    click = read_click(desk, body)
    if click is None:
        await ack()
        return
    if not desk.config.may_settle(click.user):
        await ack()
        role = desk.config.settle_role
        await desk.tell(click, f"Only somebody with the role *{role}* may say what became of it.")
        return
    found = await case_and_texts(desk, click.pressed.case_id)
    reply = found[0].reply if found is not None else None
    if reply is None or reply.state is not ReplyState.UNSETTLED:
        await ack()
        await desk.tell(click, GONE if found is None else "That reply is settled already.")
        return
    command = SettleReply(
        **_envelope(desk, click), effect_id=reply.effect_id, sent=click.action == b.SENT
    )
    await _store(desk, ack, click, command)


async def _store(desk: Desk, ack: AsyncAck, click: Click, command: Command) -> None:
    try:
        await desk.commands.send(command)
    except NotStored:
        _log.warning("click not stored in time", action=click.action, code=NotStored.code)
        await desk.tell(click, NOT_STORED)
        return
    await ack()


async def _open(desk: Desk, opener: Opener, ack: AsyncAck, body: Mapping[str, Any]) -> None:
    await ack()
    click = read_click(desk, body)
    if click is None:
        return
    found = await case_and_texts(desk, click.pressed.case_id)
    if found is None:
        await desk.tell(click, GONE)
        return
    case, texts = found
    if objection := _objection(desk, case, click):
        await desk.tell(click, objection)
        return
    memo = Memo(
        case_id=case.case_id,
        version=click.pressed.version,
        covers=click.pressed.covers(case),
        network=case.network,
        direct=case.visibility is Visibility.DIRECT,
        # A form opens only if nobody else holds the case.
        fence=case.claim.fence if case.claim is not None else None,
    )
    try:
        channel = await desk.client.channel(click.channel)
        await desk.client.open_view(click.trigger_id, opener(case, texts, memo, channel.private))
    except SlackFailed as error:
        if error.verdict.reason in _OPEN_ALREADY:
            return
        _log.warning("form not opened", action=click.action, reason=error.verdict.reason)
        await desk.tell(click, "⚠️ Slack did not open the form. Please press again.")


def _objection(desk: Desk, case: Case, click: Click) -> str:
    """Return why a form makes no sense on this case now; "" if it does."""
    if not case.is_live:
        return f"Nothing has changed: {wording.closed_meanwhile(case)}."
    # What a message is, anybody may say, whoever holds the case.
    held = held_by_other(case, click.actor, desk.clock.now())
    if held and click.action != b.CORRECT:
        return f"Sorry, {held}."
    if case.reply is not None and click.action == b.REPLY:
        return "A reply is on its way already; the card says when it has arrived."
    if case.open_obligations and click.action != b.SNOOZE and not click.pressed.covers(case):
        return "This card was out of date: the author has written since. Please look again."
    return ""


def _command_of(desk: Desk, click: Click) -> Command:
    envelope = _envelope(desk, click)
    match click.action:
        case b.CLAIM:
            return ClaimCase(**envelope)
        case b.RELEASE:
            return ReleaseCase(**envelope)
        case _:
            return EscalateCase(**envelope)


def _envelope(desk: Desk, click: Click) -> dict[str, Any]:
    at = click.at(desk.clock)
    parts = (click.action, click.user, click.pressed.case_id, click.action_ts or click.trigger_id)
    return {
        "command_id": command_id("action", *parts),
        "case_id": click.pressed.case_id,
        "issued_at": at,
        "not_after": at + CLICK_VALID,
        "actor": click.actor,
        "seen_version": click.pressed.version,
    }


_OPENERS: Final[Mapping[str, Opener]] = {
    b.REPLY: lambda case, texts, memo, private: reply_modal(case, texts, memo, private=private),
    b.RESOLVE: lambda case, texts, memo, private: resolve_modal(case, texts, memo, private=private),
    b.SNOOZE: lambda case, _texts, memo, _private: snooze_modal(case, memo),
    b.CORRECT: lambda case, texts, memo, private: correct_modal(case, texts, memo, private=private),
}
