"""Turns columns of weights into int8, each with a step of its own.

Promise: the few largest weights of a column are cut off, the rest is at most half a step wrong.
"""

from __future__ import annotations

from typing import Final

import numpy as np

CLIP: Final = 99.99
STEPS: Final = 127


def columns(weights: np.ndarray, *, alike: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return whole steps, and what one step is worth in each column.

    The first `alike` columns share one step, so that run time may subtract one from another.
    """
    steps = np.empty(weights.shape[1], dtype=np.float32)
    for number, column in enumerate(weights.T):
        there = np.abs(column[column != 0])
        most = float(np.percentile(there, CLIP)) if len(there) else 1.0
        steps[number] = max(most, 1e-8) / STEPS
    steps[:alike] = steps[:alike].max(initial=0)
    rows = np.clip(np.round(weights / steps), -STEPS, STEPS).astype(np.int8)
    return rows, steps
