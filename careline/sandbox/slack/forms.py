"""What a person typed and chose in a modal, as Slack hands it to the app.

Promise: values come from the controls that are on the view and nowhere else; what is required but
empty, too short or too long keeps the modal open, as in the real client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from careline.sandbox.common.wire import Json

CHOICES = {"static_select", "radio_buttons", "external_select"}
MANY = {"checkboxes", "multi_static_select"}
PICKED = {
    "users_select": "selected_user",
    "conversations_select": "selected_conversation",
    "channels_select": "selected_channel",
    "datepicker": "selected_date",
    "timepicker": "selected_time",
    "datetimepicker": "selected_date_time",
}


def state_of(blocks: list[Json], values: Json) -> Json:
    """Spell `{block_id: {action_id: typed}}` as `view.state.values`."""
    state: Json = {}
    for block, element in _inputs(blocks):
        typed = (values.get(block["block_id"]) or {}).get(element.get("action_id", ""))
        entry = typed if isinstance(typed, dict) else _entry(element, typed)
        state.setdefault(block["block_id"], {})[element.get("action_id", "")] = entry
    return state


def missing_inputs(blocks: list[Json], state: Json) -> Json:
    """Say per block what keeps the modal from being sent."""
    faults: Json = {}
    for block, element in _inputs(blocks):
        if block.get("type") != "input":
            continue
        entry = state[block["block_id"]][element.get("action_id", "")]
        given = [v for k, v in entry.items() if k != "type" and v not in (None, "", [])]
        if not given:
            if not block.get("optional"):
                faults[block["block_id"]] = "Please complete this required field."
            continue
        text = str(entry.get("value") or "")
        if text and len(text) < int(element.get("min_length") or 0):
            faults[block["block_id"]] = f"Use at least {element['min_length']} characters."
        if text and len(text) > int(element.get("max_length") or 3000):
            faults[block["block_id"]] = f"Use at most {element.get('max_length', 3000)} characters."
    return faults


def _entry(element: Json, typed: object) -> Json:
    kind = element["type"]
    options: list[Json] = element.get("options") or []
    if kind in CHOICES:
        chosen = next((o for o in options if o.get("value") == typed), None)
        return {"type": kind, "selected_option": chosen or element.get("initial_option")}
    if kind in MANY:
        wanted = typed if isinstance(typed, list) else []
        picked = [o for o in options if o.get("value") in wanted]
        return {"type": kind, "selected_options": picked or element.get("initial_options") or []}
    if kind in PICKED:
        name = PICKED[kind]
        initial = element.get(name.replace("selected", "initial"))
        return {"type": kind, name: initial if typed is None else typed}
    return {"type": kind, "value": element.get("initial_value") if typed is None else typed}


def _inputs(blocks: list[Json]) -> list[tuple[Json, Json]]:
    """List the controls that hold a value."""
    found: list[tuple[Json, Json]] = []
    for block in blocks:
        inside = [block.get("element"), block.get("accessory")]
        if block.get("type") == "actions":
            inside += block.get("elements") or []
        found += [
            (block, item)
            for item in inside
            if isinstance(item, dict) and item.get("type") not in {"button", "image", "overflow"}
        ]
    return found
