"""The only links of customers' making that a card may carry: to their own post, on its network.

Promise: whatever URL a connector heard, what is made a link points at a host of the network itself.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from responders.slack.wording import network

_POSTS: Final = MappingProxyType(
    {
        "x": re.compile(r"https://(?:x|twitter)\.com/[A-Za-z0-9_/]{1,120}"),
        "bluesky": re.compile(r"https://bsky\.app/profile/[A-Za-z0-9_.:/-]{1,200}"),
    }
)


def open_link(name: str, url: str) -> str:
    """Return mrkdwn that opens a post on its network, or "" if the URL is not the network's own."""
    known = _POSTS.get(name)
    if known is None or not known.fullmatch(url):
        return ""
    return f"<{url}|Open on {network(name)}>"
