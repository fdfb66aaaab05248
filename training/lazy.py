"""Learns the rows of a large table of which each batch touches few: Adam on those rows alone.

Promise: a row that no batch touches never changes; what is touched is updated as Adam would, its
moments as old as its last turn. Far cheaper than sparse gradients, which torch has to sort.
"""

from __future__ import annotations

from typing import Final

import torch

_FIRST: Final = 0.9
_SECOND: Final = 0.999
_TINY: Final = 1e-8


class LazyRows:
    """A table, and the moments of its rows."""

    def __init__(self, rows: torch.Tensor) -> None:
        """Take a table; it is changed in place."""
        self.rows = rows
        self._first = torch.zeros_like(rows)
        self._second = torch.zeros_like(rows)
        self._ids = torch.empty(0, dtype=torch.int64)
        self._leaf: torch.Tensor | None = None
        self._steps = 0

    def take(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the rows of these ids, in order, with gradients to the rows that are there."""
        self._ids, back = torch.unique(ids, return_inverse=True)
        self._leaf = self.rows[self._ids].requires_grad_()
        return torch.nn.functional.embedding(back, self._leaf)

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the rows that were taken last along their gradients."""
        if self._leaf is None or self._leaf.grad is None:
            return
        self._steps += 1
        ids, slope = self._ids, self._leaf.grad
        first = self._first[ids].mul_(_FIRST).add_(slope, alpha=1 - _FIRST)
        second = self._second[ids].mul_(_SECOND).addcmul_(slope, slope, value=1 - _SECOND)
        self._first[ids], self._second[ids] = first, second
        size = rate / (1 - _FIRST**self._steps)
        spread = second.div_(1 - _SECOND**self._steps).sqrt_().add_(_TINY)
        self.rows[ids] = self._leaf.detach() - size * first / spread
        self._leaf = None
