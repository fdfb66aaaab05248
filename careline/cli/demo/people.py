"""People of the story at the stand-in Slack: they see cards and use what is on them, like anybody.

Promise: a person acts only by controls that a card shows; what the app answers is what they get.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from careline.cli.sandbox_process import Json, SandboxProcess
from careline.runtime.errors import RetryableError
from careline.sandbox.controls import control_of, controls, is_case

_LOOK_S: Final = 0.1
_VIEW_S: Final = 5.0


class People:
    """A few agents by name, and the cards in front of them."""

    def __init__(self, sandbox: SandboxProcess, users: dict[str, str]) -> None:
        """Take their ids by name."""
        self._sandbox = sandbox
        self._users = users
        self._cards: dict[str, Json] = {}
        self._revision = 0

    async def claim(self, name: str, case_id: str) -> None:
        """Press Claim on a case's card."""
        await self._press(name, case_id, "case_claim")

    async def reply(self, name: str, case_id: str, text: str) -> None:
        """Write a reply in the card's form and send it."""
        await self._submit(name, case_id, "case_reply", {"reply": {"text": text}})

    async def resolve(self, name: str, case_id: str, disposition: str) -> None:
        """Choose why in the card's form and send it."""
        await self._submit(name, case_id, "case_resolve", {"disposition": {"choice": disposition}})

    async def _submit(self, name: str, case_id: str, action: str, values: Json) -> None:
        view = await self._press(name, case_id, action, wait_view_s=_VIEW_S)
        if view is None:
            raise RetryableError(f"{name} pressed {action} and no form opened")
        sent = await self._sandbox.post(
            "slack/submit", {"user": self._users[name], "view": view["id"], "values": values}
        )
        if not sent["ok"]:
            raise RetryableError(f"{name}'s form was refused: {sent['error']} {sent['errors']}")

    async def _press(
        self, name: str, case_id: str, action: str, *, wait_view_s: float = 0.0
    ) -> Json | None:
        card = await self._card_with(case_id, action)
        control = control_of(card, action) or {}
        done = await self._sandbox.post(
            "slack/press",
            {
                "user": self._users[name],
                "channel": card["channel"],
                "ts": card["ts"],
                "action_id": action,
                "value": control.get("value"),
                "wait_view_s": wait_view_s,
            },
        )
        if not done["ok"]:
            raise RetryableError(f"{name} pressed {action} and Slack said: {done['error']}")
        view: Json | None = done["view"]
        return view

    async def _card_with(self, case_id: str, action: str, *, within: float = 15.0) -> Json:
        """Look until the case's card shows a control, as a person does."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            await self._look()
            card = self._cards.get(case_id)
            if card is not None and control_of(card, action) is not None:
                return card
            await asyncio.sleep(_LOOK_S)
        raise RetryableError(f"no card of {case_id} with {action} appeared in {within:g} s")

    async def _look(self) -> None:
        more = True
        while more:
            page = await self._sandbox.get("slack/changes", since=self._revision)
            self._revision, more = page["revision"], page["more"]
            for message in page["messages"]:
                value = next((str(c["value"]) for c in controls(message) if is_case(c)), None)
                if value is not None and not message["deleted"]:
                    self._cards[value.partition("|")[0]] = message
