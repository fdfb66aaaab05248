"""Tells case events as a story: when, what, about whom, in words and with an icon.

Promise: one line for each event that a person would want to know of, none for book-keeping. It
shows customers' texts, because they are the demo's own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from schemas import events as e
from schemas.commands import Actor
from schemas.events import Refusal

_WIDTH = 58


@dataclass(frozen=True, slots=True)
class Author:
    """Somebody in the story."""

    handle: str
    language: str


class Narrator:
    """Prints the story; `about` says whose message a mention is."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """Start the clock of the story."""
        self._say = say
        self._start = time.monotonic()
        self._authors: dict[str, str] = {}
        self._case_of: dict[str, str] = {}
        self._people: dict[str, str] = {}
        self._channels: dict[str, str] = {}

    def introduce(self, mention_id: str, handle: str) -> None:
        """Say whose message a mention is."""
        self._authors[mention_id] = handle

    def name_people(self, people: dict[str, str], channels: dict[str, str]) -> None:
        """Give names to Slack's ids of people and channels."""
        self._people |= people
        self._channels |= channels

    def line(self, icon: str, word: str, text: str) -> None:
        """Print one line of the story."""
        passed = time.monotonic() - self._start
        self._say(f"{passed:6.1f}s  {icon} {word:<12} {text}")

    def wrote(self, where: str, handle: str, text: str) -> None:
        """Tell that somebody wrote something on the network."""
        short = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
        self.line("💬", where, f"@{handle}: “{short}”")

    def tell(self, event: e.CaseEvent | e.CommandRefused) -> None:
        """Tell one event, if it is worth telling."""
        match event:
            case e.ObligationAdded():
                handle = self._authors.get(event.mention_id, "somebody")
                self._case_of[event.case_id] = handle
                target = (event.due_at - event.heard_at).total_seconds()
                self.line(
                    "❓",
                    "query",
                    f"of @{handle}: {event.priority.value}, sounds {event.sentiment.value}; "
                    f"an answer is due within {target:g} s",
                )
            case e.ObligationChanged():
                self.line(
                    "✏", "edited", f"@{self._about(event)} changed the text: the card follows"
                )
            case e.ObligationsClosed():
                self.line(
                    "🗑",
                    "closed",
                    f"@{self._about(event)}: {event.disposition.value.replace('_', ' ')}",
                )
            case e.CardPosted():
                self.line(
                    "🗂", "card", f"of {self._who(event)} is in #{self._channel(event.channel)}"
                )
            case e.CommandRefused():
                self._refused(event)
            case _:
                self._tell_clock(event)

    def _tell_clock(self, event: e.CaseEvent) -> None:
        match event:
            case e.CaseAtRisk():
                self.line("⏳", "at risk", f"nobody has answered @{self._about(event)} yet")
            case e.CaseBreached():
                self.line("⛔", "breach", f"the answer to @{self._about(event)} is late")
            case e.CaseEscalated():
                self.line(
                    "📢", "escalated", f"@{self._about(event)}: the {event.step_name} is told"
                )
            case e.OperationsNoted():
                self.line(
                    "🧰", "unreadable", "one item nobody can read: quarantined, its case is in #ops"
                )
            case _:
                self._tell_people(event)

    def _tell_people(self, event: e.CaseEvent) -> None:
        match event:
            case e.CaseClaimed():
                self.line(
                    "✋",
                    "claimed",
                    f"{self._name(event.actor)} takes the case of @{self._about(event)}",
                )
            case e.ReplyRequested():
                self.line(
                    "✍", "reply", f"{self._name(event.actor)} writes to @{self._about(event)}"
                )
            case e.ReplyDelivered():
                self.line(
                    "✅",
                    "answered",
                    f"@{self._about(event)} has the reply: the network confirmed it",
                )
            case e.ObligationsAnswered() if event.native_id:
                self.line(
                    "✅",
                    "answered",
                    f"@{self._about(event)}, by the brand in the network's own app",
                )
            case _:
                pass

    def _refused(self, event: e.CommandRefused) -> None:
        if event.reason is Refusal.ALREADY_CLAIMED and event.holder is not None:
            self.line(
                "✋",
                "second",
                f"{self._name(event.actor)} was a moment late and is told: "
                f"{self._name(event.holder)} has it",
            )
        else:
            self.line("✋", "refused", f"{event.command}: {event.reason.value.replace('_', ' ')}")

    def _about(self, event: e.CaseEvent) -> str:
        return self._case_of.get(event.case_id, "somebody")

    def _who(self, event: e.CaseEvent) -> str:
        handle = self._case_of.get(event.case_id)
        return f"@{handle}" if handle else "careline's own trouble"

    def _name(self, actor: Actor) -> str:
        return self._people.get(actor.id) or actor.name or actor.id

    def _channel(self, channel: str) -> str:
        return self._channels.get(channel, channel)
