"""Customers who ask one question after the other, and the cards that came of them.

Promise: what is counted as posted stands on the stand-in X; what is counted as a card was accepted
by the stand-in Slack, at the time that its history says. Which card belongs to which question
follows from the identity rules alone: nothing of the code under test is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from careline.cli.sandbox_process import Json, SandboxProcess
from careline.domain.effects import card_effect
from careline.sandbox.x.model import account_id
from schemas.identity import case_id, line_key
from schemas.mentions import ConversationRef

BRAND: Final = "acme"
_QUESTIONS: Final = (
    "my order has not arrived, where is it?",
    "I was charged twice, please refund me",
    "the app crashes whenever I open it, can you help?",
    "how do I change my delivery address?",
)
_LOOK_S: Final = 0.05
_PAGE: Final = 1000


class Traffic:
    """Posts, and the cards seen so far; times are of the wall clock of this machine."""

    def __init__(self, sandbox: SandboxProcess, *, partitions: int, every: float = 0.25) -> None:
        """Post by the sandbox's control API, one question each `every` seconds."""
        self._sandbox = sandbox
        self._partitions = partitions
        self._every = every
        self._seen = 0
        self.posted_at: dict[str, float] = {}
        """When each question was posted, by the id of its card."""
        self.card_at: dict[str, float] = {}
        """When each card was first accepted."""

    async def ask(self, number: int = 1) -> None:
        """Post so many questions, each of a customer of its own."""
        for _ in range(number):
            count = len(self.posted_at)
            author, question = f"customer{count}", _QUESTIONS[count % len(_QUESTIONS)]
            body: Json = {"author": author, "text": f"@{BRAND} {question} (order {count})"}
            (root,) = (await self._sandbox.post("x/posts", body))["ids"]
            key = ConversationRef(network="x", root=root).key
            line = line_key("x", BRAND, root, str(account_id(author)))
            case = case_id(line, 1, conversation=key, partitions=self._partitions)
            self.posted_at[card_effect(case)] = time.time()

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Ask on and on while the block runs."""
        enough = asyncio.Event()
        task = asyncio.create_task(self._flow(enough), name="traffic")
        try:
            yield
        finally:
            # Not cut off in the middle: what the network has taken must be counted.
            enough.set()
            await task

    async def look(self) -> int:
        """Read on in Slack's history; return how many cards stand in it."""
        more = True
        while more:
            page = await self._sandbox.get("history", kind="message", since=self._seen, limit=_PAGE)
            records: list[Json] = page["records"]
            more = len(records) == _PAGE
            for record in records:
                self._seen = int(record["seq"])
                payload = (record["metadata"] or {}).get("event_payload") or {}
                effect = str(payload.get("key", ""))
                if record["thread_ts"] is None and effect.startswith(card_effect("")):
                    self.card_at.setdefault(effect, float(record["at"]))
        return len(self.card_at)

    async def first_card_after(self, moment: float, *, within: float) -> float | None:
        """Return how long after a moment the first card of a question posted behind it was out."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            await self.look()
            later = [
                at
                for effect, at in self.card_at.items()
                if self.posted_at.get(effect, 0.0) >= moment
            ]
            if later:
                return min(later) - moment
            await asyncio.sleep(_LOOK_S)
        return None

    def without_card(self) -> list[str]:
        """Return the questions for which no card was ever out."""
        return [effect for effect in self.posted_at if effect not in self.card_at]

    async def _flow(self, enough: asyncio.Event) -> None:
        while not enough.is_set():
            await self.ask()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._every):
                    await enough.wait()
