"""Turns columns of weights into int8, each with a step of its own.

Promise: the few largest weights of a column are cut off, the rest is at most half a step wrong.
"""

from __future__ import annotations

from typing import Final

import numpy as np

CLIP: Final = 99.99
STEPS: Final = 127


def columns(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whole steps, and what one step is worth in each column."""
    steps = np.empty(weights.shape[1], dtype=np.float32)
    rows = np.empty(weights.shape, dtype=np.int8)
    for number, column in enumerate(weights.T):
        there = np.abs(column[column != 0])
        most = float(np.percentile(there, CLIP)) if len(there) else 1.0
        steps[number] = max(most, 1e-8) / STEPS
        rows[:, number] = np.clip(np.round(column / steps[number]), -STEPS, STEPS)
    return rows, steps
