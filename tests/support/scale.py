"""How large a fault is played: small in CI, as the fault matrix says in `make chaos-nightly`.

CARELINE_TEST_FULL=1 asks for the full size.
"""

from __future__ import annotations

import os
from typing import Final, TypeVar

T = TypeVar("T", int, float)
FULL: Final = os.environ.get("CARELINE_TEST_FULL") == "1"


def scaled(short: T, full: T) -> T:
    """Return the size of CI, or the full one."""
    return full if FULL else short
