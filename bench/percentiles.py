"""The one percentile of the bench, so that all its pages mean the same by p50 and p99.

Promise: it is a value that was measured, never one between two of them.
"""

from __future__ import annotations

from collections.abc import Sequence


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the value of sorted ones below which this part of a hundred lies."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
