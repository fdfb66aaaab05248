"""Finds what a person could click on a Slack message, and fills a form in.

Promise: it looks at blocks only, as the eye does; it knows nothing of the server that drew them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from careline.sandbox.common.wire import Json


def controls(message: Json) -> Iterator[Json]:
    """Give every control on a message."""
    for block in message.get("blocks") or []:
        for item in [*(block.get("elements") or []), block.get("accessory")]:
            if isinstance(item, dict) and item.get("action_id"):
                yield item


def is_case(control: Json) -> bool:
    """Say whether a control belongs to a case's card and names the case."""
    return str(control["action_id"]).startswith("case_") and isinstance(control.get("value"), str)


def control_of(message: Json, action: str) -> Json | None:
    """Find a control on a message by its action id."""
    return next((c for c in controls(message) if c["action_id"] == action), None)


def first_choices(view: Json) -> Json:
    """Fill a modal in with the first option everywhere and a word where text is wanted."""
    values: Json = {}
    for block in view.get("blocks") or []:
        element = block.get("element")
        if block.get("type") != "input" or not isinstance(element, dict):
            continue
        options = element.get("options") or []
        typed = options[0]["value"] if options else "done"
        values[block["block_id"]] = {element.get("action_id", ""): typed}
    return values
