"""A time of day as people write it: `06:00`, or `off` for never."""

from __future__ import annotations

import re
from datetime import time
from typing import Final

OFF: Final = "off"
_TIME: Final = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")


def time_of(text: str) -> time | None:
    """Return the time of day; None for `off`. Raises ``ValueError``."""
    if text == OFF:
        return None
    if not _TIME.match(text):
        msg = f"{text!r} is no time of day: write 06:00, or off"
        raise ValueError(msg)
    return time.fromisoformat(text)
