"""What no card may do, whatever its author wrote: one judgement for every test of hostile words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from careline.sandbox.slack.blocks import faults_of
from careline.sandbox.slack.pings import count, mrkdwn
from responders.slack.cards import CardView

OWN: Final = re.compile(
    r"<!date\^\d+\^[^<>|]+\|[^<>|]+>|<https://x\.com/[A-Za-z0-9_/]+\|Open on X>"
)
"""All that our own cards spell in Slack's markup."""
_LIVE: Final = re.compile(
    r"(?:https?|ftp|file|slack):/+[^\s/…]|\b(?:javascript|data|tel|mailto):\S|\bwww\.\w"
    r"|(?:[\w-]+\.)+[a-z]{2,24}[/?#]\S",
    re.IGNORECASE,
)
_DISGUISE: Final = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
)


def harm_of(view: CardView) -> list[str]:
    """Return all that a card does and must not: nothing, if it is harmless."""
    body = {"blocks": view.blocks, "text": view.text}
    code, faults = faults_of(view.blocks)
    found = [*faults, *([code] if code else [])]
    pings = count(body, {"U0ANA"})
    found += [f"pings {target}" for target in pings["targets"]]
    found += [
        f"links to {link}" for link in pings["links"] if not link.startswith("https://x.com/")
    ]
    for text in mrkdwn(body):
        rest = OWN.sub("", text)
        if set("<>") & set(rest) or re.search(r"&(?!(?:amp|lt|gt);)", rest):
            found.append(f"markup: {rest!r}")
    for text in strings(body):
        rest = OWN.sub("", text)
        found += [f"live: {one.group()!r}" for one in _LIVE.finditer(rest)]
        found += [f"disguised: {one.group()!r}" for one in _DISGUISE.finditer(rest)]
    json.dumps(body, ensure_ascii=False).encode()
    return found


def strings(value: Any) -> Iterator[str]:
    """Yield every text that a message shows, at any depth."""
    if isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "text" and isinstance(item, str):
                yield item
            else:
                yield from strings(item)
