"""Counts whom a message would ping, by reading its mrkdwn as Slack does.

Promise: every way in which text can notify people is counted (`<!channel>`, `<!here>`,
`<!everyone>`, user groups, `<@U…>`, and bare `@channel` under `link_names` or `parse=full`), in the
fallback text as in the blocks. plain_text never pings, so it is never counted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from careline.sandbox.common.wire import Json

BROADCAST = re.compile(
    r"<!(channel|here|everyone)(?:\|[^>]*)?>|<!(subteam\^[A-Z0-9]+)(?:\|[^>]*)?>"
)
PERSON = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
LINK = re.compile(r"<((?:https?|mailto|tel):[^>|]+)(?:\|[^>]*)?>")
BARE = re.compile(r"(?<![\w@])@(channel|here|everyone|group)\b")


def count(body: Json, staff: set[str]) -> Json:
    """Count the pings of a message: broadcasts, people known and unknown, and its links."""
    broadcasts: list[str] = []
    people: list[str] = []
    links: list[str] = []
    loose = body.get("parse") == "full" or str(body.get("link_names")).lower() in {"1", "true"}
    for text in mrkdwn(body):
        broadcasts += [a or b for a, b in BROADCAST.findall(text)]
        people += PERSON.findall(text)
        links += LINK.findall(text)
        if loose:
            broadcasts += BARE.findall(text)
    for element in _rich(body.get("blocks") or []):
        match element.get("type"):
            case "broadcast":
                broadcasts.append(str(element.get("range")))
            case "usergroup":
                broadcasts.append(str(element.get("usergroup_id")))
            case "user":
                people.append(str(element.get("user_id")))
            case "link":
                links.append(str(element.get("url")))
    return {
        "broadcast": len(broadcasts),
        "staff": sum(person in staff for person in people),
        "stranger": sum(person not in staff for person in people),
        "targets": broadcasts + people,
        "links": links,
    }


def mrkdwn(body: Json) -> Iterator[str]:
    """Give every text of a message in which Slack looks for markup."""
    if isinstance(body.get("text"), str):
        yield body["text"]
    for block in body.get("blocks") or []:
        if isinstance(block, dict):
            yield from _of_block(block)
    for attachment in body.get("attachments") or []:
        if not isinstance(attachment, dict):
            continue
        for name in ("text", "pretext", "title", "footer", "fallback"):
            if isinstance(attachment.get(name), str):
                yield attachment[name]
        for field in attachment.get("fields") or []:
            yield str(field.get("value", ""))
        yield from mrkdwn({"blocks": attachment.get("blocks")})


def _of_block(block: Json) -> Iterator[str]:
    if block.get("type") == "markdown":
        yield str(block.get("text", ""))
        return
    inside = [block.get("text"), block.get("hint"), *(block.get("fields") or [])]
    if block.get("type") == "context":
        inside += block.get("elements") or []
    for value in inside:
        if isinstance(value, dict) and value.get("type") == "mrkdwn":
            yield str(value.get("text", ""))


def _rich(value: object) -> Iterator[Json]:
    """Walk the elements of rich_text blocks at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from _rich(item)
    elif isinstance(value, dict):
        kind = str(value.get("type"))
        if kind in {"broadcast", "usergroup", "user", "link"}:
            yield value
        elif kind.startswith("rich_text"):
            yield from _rich(value.get("elements"))
