"""`/careline`: look a case up, or give it back, without its card.

Promise: the answer is seen by the one who asked alone, and never holds a customer's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.context.ack.async_ack import AsyncAck

from careline.domain.reasons import pressing
from careline.runtime.errors import RetryableError
from responders.slack import wording
from responders.slack.commanding import CLICK_VALID, NotStored, command_id
from responders.slack.desk import Desk
from responders.slack.escape import mrkdwn
from schemas.commands import ReleaseCase
from schemas.identity import shard_of_case

COMMAND: Final = "/careline"
HELP: Final = (
    "`/careline case s07-…-1` says how a case stands.\n"
    "`/careline release s07-…-1` gives a case that you hold back to its queue.\n"
    "The id of a case stands at the foot of its card."
)


def register(app: AsyncApp, desk: Desk) -> None:
    """Listen to the command."""

    async def typed(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack(text=await _answer(desk, body))

    app.command(COMMAND)(typed)


async def _answer(desk: Desk, body: Mapping[str, Any]) -> str:
    verb, _, rest = str(body.get("text") or "").strip().partition(" ")
    case_id = rest.strip().strip("`")
    if verb not in {"case", "release"}:
        return HELP
    if shard_of_case(case_id) is None:
        return f"`{mrkdwn(case_id, 60) or '…'}` is no case id.\n{HELP}"
    try:
        return await (_case if verb == "case" else _release)(desk, case_id, body)
    except NotStored:
        return "⚠️ That could not be stored, so nothing has changed. Please try again."
    except RetryableError:
        return "⚠️ The ledger does not answer right now. Please try again in a moment."


async def _case(desk: Desk, case_id: str, _body: Mapping[str, Any]) -> str:
    case = await desk.ledger.read_case(case_id)
    if case is None:
        return f"There is no case `{case_id}`."
    known = pressing(case)
    lines = [
        f"*{case_id}* · {wording.deadline_line(case)}",
        *([wording.reason_line(known)] if known is not None else []),
        f"Holder: {wording.holder_line(case)} · {len(case.open_obligations)} open",
        wording.status_line(case),
    ]
    return "\n".join(lines)


async def _release(desk: Desk, case_id: str, body: Mapping[str, Any]) -> str:
    user = {"id": body.get("user_id"), "username": body.get("user_name")}
    now = desk.clock.now()
    await desk.commands.send(
        ReleaseCase(
            command_id=command_id("command", str(body.get("trigger_id")), case_id),
            case_id=case_id,
            issued_at=now,
            not_after=now + CLICK_VALID,
            actor=desk.actor(user),
        )
    )
    return f"Asked to give `{case_id}` back; its card shows when that is done."
