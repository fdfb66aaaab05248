"""Answers to replayed posts: nobody is there to read them, so they are written to a file.

Delivery: a line is written and synced before the answer; a reply that stands in the file is found
again by what it answers and its words.
"""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from connectors.errors import OutcomeUnknown
from schemas.base import well_formed
from schemas.identity import revision_of

if TYPE_CHECKING:
    from pathlib import Path

    from connectors.base import ReplyTarget


class ReplayReplies:
    """Speaks for one brand account of a replayed file."""

    def __init__(self, network: str, account: str, path: Path) -> None:
        """Write to this file; several accounts may share it."""
        self._network = network
        self._account = account
        self._path = path

    @property
    def executor(self) -> str:
        """Whose effects it carries out."""
        return f"{self._network}:{self._account}"

    async def reply(self, target: ReplyTarget, text: str) -> str:
        """Write the reply down and return its id."""
        line = {
            "id": self._id(target, text),
            "account": self._account,
            "in_reply_to": target.native_id,
            "text": well_formed(text),
            "at": datetime.now(UTC).isoformat(),
        }
        try:
            await asyncio.to_thread(self._write, json.dumps(line))
        except OSError as error:
            raise OutcomeUnknown(f"replies: {type(error).__name__}") from error
        return str(line["id"])

    async def find(
        self, target: ReplyTarget, text: str, *, since: datetime, adopted: frozenset[str]
    ) -> str | None:
        """Return the reply's id if it stands in the file."""
        wanted = self._id(target, text)
        if wanted in adopted:
            return None
        lines = await asyncio.to_thread(self._lines)
        for line in lines:
            if line.get("id") == wanted and datetime.fromisoformat(str(line["at"])) >= since:
                return wanted
        return None

    def _id(self, target: ReplyTarget, text: str) -> str:
        return f"reply-{revision_of(f'{self._account}|{target.native_id}|{text}')}"

    def _write(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _lines(self) -> list[dict[str, object]]:
        if not self._path.exists():
            return []
        found: list[dict[str, object]] = []
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue  # the torn last line of a crash: that reply was never acknowledged
        return found
