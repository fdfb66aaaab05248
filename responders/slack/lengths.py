"""How long a reply may be on each network, counted as the network counts.

Promise: pure; an agent is told before sending what the network would refuse afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from responders.slack.escape import characters

_URL: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_X_URL: Final = 23
_X_LIGHT: Final = ((0, 4351), (8192, 8205), (8208, 8223), (8242, 8247))
"""Code points that count 1 on X; all others count 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much a network takes."""

    characters: int
    note: str = ""
    input_max: int = 3000
    """How much may be typed: more where links are shortened."""
    weighted: bool = False

    def count(self, text: str) -> int:
        """Return the length of a text as the network counts it."""
        return weighted_length(text) if self.weighted else len(text)


_X_POST: Final = Limit(
    characters=280, note="; a link counts 23, emoji and CJK 2 each", input_max=1500, weighted=True
)
_LIMITS: Final = {
    ("x", False): _X_POST,
    ("x", True): Limit(characters=10_000, note=" (this form: 3000)"),
    ("bluesky", False): Limit(characters=300),
    ("mastodon", False): Limit(characters=500),
}


def limit_of(network: str, *, direct: bool) -> Limit:
    """Return the limit for a public reply or a direct message on a network."""
    return _LIMITS.get((network, direct)) or Limit(characters=3000)


def weighted_length(text: str) -> int:
    """Return the length that X counts."""
    links = len(_URL.findall(text)) * _X_URL
    rest = _URL.sub("", text)
    return links + sum(_weight(letter) for letter in characters(rest))


def _weight(character: str) -> int:
    if len(character) > 1 and any(point > "\uffff" or point == "\u200d" for point in character):
        return 2  # an emoji in several code points counts as one
    return sum(
        1 if any(low <= ord(point) <= high for low, high in _X_LIGHT) else 2 for point in character
    )
