"""Looks at other processes: are they gone yet?"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not (on Linux)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return not Path("/proc/self").exists()
    return state not in "ZX"


async def gone(pid: int, within: float = 15.0) -> None:
    """Return when the process is gone; TimeoutError if it runs after `within` seconds."""
    async with asyncio.timeout(within):
        while alive(pid):
            await asyncio.sleep(0.02)
