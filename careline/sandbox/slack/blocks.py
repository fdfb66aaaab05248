"""Block Kit's limits, checked as the real Slack checks them.

Promise: what is accepted here has the sizes that Slack documents; what is refused is refused whole,
with the path of each fault, as `invalid_blocks` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from careline.sandbox.common.wire import Json

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
TOTAL_CHARS = 13_200
"""Undocumented: above about this much text Slack answers msg_blocks_too_long."""
ID_MAX = 255
INPUT_MAX = 3000
KINDS = {"section", "header", "context", "actions", "input", "image", "markdown", "rich_text"}
KINDS_UNCHECKED = {"divider", "video", "file", "context_actions", "table"}
ELEMENTS = {
    "button", "checkboxes", "channels_select", "conversations_select", "datepicker",
    "datetimepicker", "email_text_input", "external_select", "file_input", "icon_button",
    "feedback_buttons", "image", "multi_channels_select", "multi_conversations_select",
    "multi_external_select", "multi_static_select", "multi_users_select", "number_input",
    "overflow", "plain_text_input", "radio_buttons", "rich_text_input", "static_select",
    "timepicker", "url_text_input", "users_select", "workflow_button",
}  # fmt: skip
OPTION_COUNTS = {
    "static_select": 100, "multi_static_select": 100, "overflow": 5, "radio_buttons": 10,
    "checkboxes": 10,
}  # fmt: skip


class _Check:
    """Collects faults while walking one set of blocks."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.chars = 0

    def fault(self, what: str, where: str) -> None:
        self.faults.append(f"[ERROR] {what} [json-pointer:{where}]")

    def text(self, value: object, where: str, limit: int, *, plain: bool = False) -> None:
        if not isinstance(value, dict) or value.get("type") not in {"plain_text", "mrkdwn"}:
            self.fault("must provide a text object", where)
            return
        if plain and value["type"] != "plain_text":
            self.fault("must be plain_text", where)
        self.string(value.get("text"), f"{where}/text", limit)

    def string(self, value: object, where: str, limit: int) -> None:
        if not isinstance(value, str):
            self.fault("must be a string", where)
        elif not value:
            self.fault("must be more than 0 characters", where)
        elif len(value) > limit:
            self.fault(f"must be less than {limit + 1} characters", where)
        else:
            self.chars += len(value)

    def optional(self, body: Json, name: str, where: str, limit: int) -> None:
        if body.get(name) is not None and len(str(body[name])) > limit:
            self.fault(f"must be less than {limit + 1} characters", f"{where}/{name}")

    def count(self, values: object, where: str, limit: int) -> list[Json]:
        if not isinstance(values, list) or not values:
            self.fault("must have at least 1 item", where)
            return []
        if len(values) > limit:
            self.fault(f"no more than {limit} items allowed", where)
        return [value for value in values if isinstance(value, dict)]

    def element(self, element: Json, where: str) -> None:
        kind = str(element.get("type"))
        if kind not in ELEMENTS:
            self.fault(f"unsupported type: {kind}", where)
            return
        self.optional(element, "action_id", where, ID_MAX)
        if kind == "button":
            self.text(element.get("text"), f"{where}/text", 75, plain=True)
            self.optional(element, "value", where, 2000)
            self.optional(element, "url", where, 3000)
            if element.get("style") not in {None, "primary", "danger"}:
                self.fault("invalid style", f"{where}/style")
        if kind in OPTION_COUNTS and "option_groups" not in element:
            for option in self.count(
                element.get("options"), f"{where}/options", OPTION_COUNTS[kind]
            ):
                self.text(option.get("text"), f"{where}/options/text", 75)
                self.optional(option, "value", f"{where}/options", 150)
        if kind == "plain_text_input" and int(element.get("max_length") or 1) > INPUT_MAX:
            self.fault("max_length must be at most 3000", where)
        if element.get("placeholder") is not None:
            self.text(element["placeholder"], f"{where}/placeholder", 150, plain=True)
        self._confirm(element, where)

    def _confirm(self, element: Json, where: str) -> None:
        confirm = element.get("confirm")
        if isinstance(confirm, dict):
            for name, limit in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
                if name in confirm:
                    self.text(confirm[name], f"{where}/confirm/{name}", limit)

    def block(self, block: Json, where: str) -> None:
        kind = block.get("type")
        self.optional(block, "block_id", where, ID_MAX)
        if kind in KINDS_UNCHECKED:
            return
        check = getattr(self, f"_{kind}", None) if kind in KINDS else None
        if check is None:
            self.fault(f"unsupported block type: {kind}", where)
        else:
            check(block, where)

    def _header(self, block: Json, where: str) -> None:
        self.text(block.get("text"), f"{where}/text", 150, plain=True)

    def _context(self, block: Json, where: str) -> None:
        for item in self.count(block.get("elements"), f"{where}/elements", 10):
            if item.get("type") != "image":
                self.text(item, f"{where}/elements", 3000)

    def _actions(self, block: Json, where: str) -> None:
        for item in self.count(block.get("elements"), f"{where}/elements", 25):
            self.element(item, f"{where}/elements")

    def _input(self, block: Json, where: str) -> None:
        self.text(block.get("label"), f"{where}/label", 2000, plain=True)
        if isinstance(block.get("element"), dict):
            self.element(block["element"], f"{where}/element")
        else:
            self.fault("missing element", where)

    def _image(self, block: Json, where: str) -> None:
        self.string(block.get("alt_text"), f"{where}/alt_text", 2000)

    def _markdown(self, block: Json, where: str) -> None:
        self.string(block.get("text"), f"{where}/text", 12_000)

    def _rich_text(self, block: Json, where: str) -> None:
        self.count(block.get("elements"), f"{where}/elements", 1000)
        self.chars += len(str(block))

    def _section(self, block: Json, where: str) -> None:
        if block.get("text") is None and not block.get("fields"):
            self.fault("must have text or fields", where)
        if block.get("text") is not None:
            self.text(block["text"], f"{where}/text", 3000)
        if block.get("fields"):
            for item in self.count(block["fields"], f"{where}/fields", 10):
                self.text(item, f"{where}/fields", 2000)
        if isinstance(block.get("accessory"), dict):
            self.element(block["accessory"], f"{where}/accessory")

    def ids(self, blocks: list[Json]) -> None:
        seen: set[str] = set()
        for block in blocks:
            name = block.get("block_id")
            if name in seen:
                self.fault(f"`block_id` {name} already exists", "/blocks")
            seen.add(str(name)) if name else None
            actions = [
                item.get("action_id")
                for item in block.get("elements") or []
                if isinstance(item, dict) and item.get("action_id")
            ]
            if len(actions) != len(set(actions)):
                self.fault(f"`action_id` repeated in block {name}", "/blocks")


def faults_of(blocks: object, *, limit: int = MESSAGE_BLOCKS) -> tuple[str, list[str]]:
    """Give Slack's error code for these blocks ("" if they are fine) and the faults in words."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return "invalid_blocks_format", ["[ERROR] blocks must be a list of objects"]
    check = _Check()
    if len(blocks) > limit:
        check.fault(f"no more than {limit} items allowed", "/blocks")
    for index, block in enumerate(blocks):
        check.block(block, f"/blocks/{index}")
    check.ids(blocks)
    if check.faults:
        return "invalid_blocks", check.faults
    if limit == MESSAGE_BLOCKS and check.chars > TOTAL_CHARS:
        return "msg_blocks_too_long", [f"[ERROR] {check.chars} characters in all"]
    return "", []


def view_faults(view: object) -> list[str]:
    """Give what is wrong with a modal or Home tab."""
    if not isinstance(view, dict) or view.get("type") not in {"modal", "home"}:
        return ["[ERROR] view must be of type modal or home"]
    check = _Check()
    if view["type"] == "modal":
        check.text(view.get("title"), "/view/title", 24, plain=True)
        for name in ("submit", "close"):
            if view.get(name) is not None:
                check.text(view[name], f"/view/{name}", 24, plain=True)
    check.optional(view, "private_metadata", "/view", 3000)
    check.optional(view, "callback_id", "/view", ID_MAX)
    blocks = view.get("blocks")
    inputs = isinstance(blocks, list) and any(
        isinstance(block, dict) and block.get("type") == "input" for block in blocks
    )
    if inputs and view["type"] == "modal" and not view.get("submit"):
        check.fault("a view with input blocks needs a submit", "/view/submit")
    return check.faults + faults_of(blocks, limit=VIEW_BLOCKS)[1]
