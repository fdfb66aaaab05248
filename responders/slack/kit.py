"""Block Kit for cards, as plain values: the shapes of slack_sdk's models without their reflection.

Promise: pure and cheap. A card is made for every change of every case, and the SDK's models take
20 times as long to spell one; a test reads every card back through those models instead, which
refuse what Slack would refuse.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

Piece = dict[str, Any]


def plain(text: str) -> Piece:
    """Return a text that is shown as it is: no markup, no emoji names."""
    return {"type": "plain_text", "text": text, "emoji": False}


def mrkdwn(text: str) -> Piece:
    """Return a text with Slack's markup: ours only, never a customer's."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def header(text: str) -> Piece:
    """Return a headline."""
    return {"type": "header", "text": plain(text)}


def section(text: str) -> Piece:
    """Return a paragraph of our own words."""
    return {"type": "section", "text": mrkdwn(text)}


def fields(rows: Sequence[tuple[str, str]]) -> Piece:
    """Return facts with their names, two beside each other."""
    return {"type": "section", "fields": [mrkdwn(f"*{name}*\n{value}") for name, value in rows]}


def context(*elements: Piece) -> Piece:
    """Return a line in small type."""
    return {"type": "context", "elements": list(elements)}


def rich_text(elements: Sequence[Piece]) -> Piece:
    """Return a block of rich text: lines and quotations."""
    return {"type": "rich_text", "elements": list(elements)}


def line(*elements: Piece) -> Piece:
    """Return a line of rich text."""
    return {"type": "rich_text_section", "elements": list(elements)}


def quote(*elements: Piece) -> Piece:
    """Return a quotation."""
    return {"type": "rich_text_quote", "elements": list(elements)}


def words(text: str, *, bold: bool = False, italic: bool = False) -> Piece:
    """Return words of rich text, which neither ping nor link whatever they are."""
    style = {name: True for name, on in (("bold", bold), ("italic", italic)) if on}
    return {"type": "text", "text": text, **({"style": style} if style else {})}


def moment(at: datetime) -> Piece:
    """Return an instant of rich text, which each reader sees in their own zone."""
    return {
        "type": "date",
        "timestamp": int(at.timestamp()),
        "format": "{date_short_pretty} at {time}",
        "fallback": at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def button(action: str, label: str, value: str, *, style: str = "", confirm: Piece) -> Piece:
    """Return a button; an empty `confirm` asks nothing."""
    made: Piece = {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": label},
        "value": value,
    }
    if style:
        made["style"] = style
    if confirm:
        made["confirm"] = confirm
    return made


def confirm(title: str, text: str, yes: str, no: str) -> Piece:
    """Return the question that is asked before a button does anything."""
    names = {"title": title, "text": text, "confirm": yes, "deny": no}
    return {name: {"type": "plain_text", "text": said} for name, said in names.items()}


def actions(elements: Sequence[Piece], block_id: str) -> Piece:
    """Return a row of buttons."""
    return {"type": "actions", "elements": list(elements), "block_id": block_id}
