"""Distils the teacher into the subword tower: half gold labels, half what the teacher says.

Promise: the network is the one of `careline.triage.model.towers`, laid out by the same functions;
what comes back is already int8. Vectors begin as the principal components of the teacher's own.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import nn

from careline.triage.model.file import PAIR_BUCKETS, Table, Tower
from careline.triage.model.towers import PIECES_MAX, lay_out, pair_places
from training.data import SEED
from training.lazy import LazyRows
from training.quantise import columns

WIDTH: Final = 64
HIDDEN: Final = 128
EPOCHS: Final = 5
BATCH: Final = 128
SOFTNESS: Final = 1.5
RATE: Final = 1e-3
_WARM: Final = 200
_REPORT_EVERY: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Lessons:
    """What the tower learns from: gold labels (-1: none), and the teacher's logits."""

    lines: list[list[int]]
    labels: np.ndarray
    weights: np.ndarray
    two_class: np.ndarray
    soft: np.ndarray
    taught: np.ndarray
    """Whether `soft` of the text is the teacher's; the others learn from gold labels alone."""
    complaint: np.ndarray
    """Probability of a complaint by the larger model; NaN: none."""


class Student(nn.Module):
    """The subword tower, with gradients."""

    def __init__(self, vectors: np.ndarray) -> None:
        """Start from given vectors, one for each piece."""
        super().__init__()
        padded = np.concatenate([vectors, np.zeros((1, WIDTH), dtype=np.float32)])
        self.empty = len(vectors)
        self.pieces = LazyRows(torch.from_numpy(padded.astype(np.float32)))
        self.pairs = LazyRows(torch.zeros(PAIR_BUCKETS + 1, WIDTH))
        self.conv = nn.Linear(3 * WIDTH, WIDTH)
        self.hidden = nn.Linear(4 * WIDTH, HIDDEN)
        self.out = nn.Linear(HIDDEN, 3)
        self.complaint = nn.Linear(HIDDEN, 1)
        self.dropout = nn.Dropout(0.3)

    def forward(self, lines: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sentiment logits and the hidden layer."""
        flat, _, lengths = lay_out(lines, self.empty)
        gone = flat == self.empty
        owner = torch.from_numpy(np.repeat(np.arange(len(lines)), lengths + 1))
        places = torch.from_numpy(pair_places(flat, gone))
        there = torch.from_numpy(~gone).float()[:, None]
        vectors = self.pieces.take(torch.from_numpy(flat)) * there
        pairs = self.pairs.take(places) * (places < PAIR_BUCKETS).float()[:, None]
        windows = torch.cat([vectors[:-2], vectors[1:-1], vectors[2:]], dim=1)
        heard = torch.relu(self.conv(windows)) * there[1:-1]
        size = torch.from_numpy(lengths.astype(np.float32))[:, None]

        def summed(x: torch.Tensor) -> torch.Tensor:
            owners = owner[: len(x)]
            return x.new_zeros(len(lines), x.shape[1]).index_add(0, owners, x)

        index = owner[: len(heard)][:, None].expand_as(heard)
        most = heard.new_zeros(len(lines), WIDTH).scatter_reduce(0, index, heard, "amax")
        joined = torch.cat(
            [
                summed(vectors[1:-1]) / size.sqrt(),
                summed(pairs[1:]) / size.sqrt(),
                summed(heard) / size,
                most,
            ],
            dim=1,
        )
        layer = torch.relu(self.hidden(self.dropout(joined)))
        return self.out(self.dropout(layer)), layer


def principal(vectors: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the first principal components of vectors, weighed by how often each is used."""
    weights = np.sqrt(counts + 1.0)
    centre = np.average(vectors, axis=0, weights=weights)
    moved = vectors - centre
    covariance = (moved * weights[:, None]).T @ moved / weights.sum()
    _, axes = np.linalg.eigh(covariance)
    reduced = moved @ axes[:, ::-1][:, :WIDTH]
    return (reduced / reduced.std() * 0.1).astype(np.float32)


def train(lessons: Lessons, vectors: np.ndarray, *, epochs: int = EPOCHS) -> Student:
    """Train a tower."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    student = Student(vectors)
    dense = torch.optim.AdamW(student.parameters(), lr=RATE, weight_decay=0.01)
    steps = epochs * (len(lessons.lines) // BATCH + 1)
    schedule = torch.optim.lr_scheduler.LambdaLR(dense, lambda s: _pace(s, steps))
    lines = [line[:PIECES_MAX] or [0] for line in lessons.lines]
    student.train()
    step, began = 0, time.monotonic()
    for _ in range(epochs):
        order = rng.permutation(len(lines))
        for at in range(0, len(order), BATCH):
            places = order[at : at + BATCH]
            logits, layer = student([_thin(lines[i], rng) for i in places])
            loss = _loss(lessons, places, logits)
            loss = loss + 0.5 * _complaint_loss(lessons, places, student.complaint(layer))
            dense.zero_grad(set_to_none=True)
            loss.backward()
            for table in (student.pieces, student.pairs):
                table.step(RATE * _pace(step, steps))
            dense.step()
            schedule.step()
            step += 1
            if step % _REPORT_EVERY == 0:
                rate = step * BATCH / (time.monotonic() - began)
                print(f"tower {step}/{steps} loss {loss.item():.3f} {rate:.0f}/s", flush=True)
    return student.eval()


def _pace(step: int, steps: int) -> float:
    """Return the share of the full rate: up quickly, then down to nothing."""
    return min((step + 1) / _WARM, 1 - step / (steps + 1))


def _loss(lessons: Lessons, places: np.ndarray, logits: torch.Tensor) -> torch.Tensor:
    labels = torch.from_numpy(lessons.labels[places])
    gold = (labels >= 0).float() * torch.from_numpy(lessons.weights[places])
    hide = torch.zeros_like(logits)
    hide[:, 1] = torch.from_numpy(lessons.two_class[places].astype(np.float32)) * -1e4
    hard = nn.functional.cross_entropy(logits + hide, labels.clamp(min=0), reduction="none")
    taught = torch.from_numpy(lessons.taught[places].astype(np.float32))
    target = torch.softmax(torch.from_numpy(lessons.soft[places]) / SOFTNESS, dim=1)
    logs = torch.log_softmax(logits / SOFTNESS, dim=1)
    soft = -(target * logs).sum(dim=1) * SOFTNESS**2
    return ((hard * gold).sum() + (soft * taught).sum()) / (gold.sum() + taught.sum())


def _complaint_loss(lessons: Lessons, places: np.ndarray, logits: torch.Tensor) -> torch.Tensor:
    target = torch.from_numpy(lessons.complaint[places].astype(np.float32))
    known = ~torch.isnan(target)
    if not known.any():
        return logits.sum() * 0
    return nn.functional.binary_cross_entropy_with_logits(logits[known, 0], target[known])


def _thin(line: list[int], rng: np.random.Generator) -> list[int]:
    if len(line) < 6:
        return line
    kept = rng.random(len(line)) >= 0.1
    return [piece for piece, stays in zip(line, kept, strict=True) if stays] or line


def quantise(rows: np.ndarray) -> Table:
    """Return a table in whole steps, one size for all columns."""
    whole, steps = columns(rows.reshape(-1, 1))
    return Table(whole.reshape(rows.shape), steps)


def export(student: Student, subwords: bytes) -> Tower:
    """Return what run time reads."""

    def of(layer: nn.Linear, name: str) -> dict[str, np.ndarray]:
        weights = layer.weight.detach().numpy().T.astype(np.float32).copy()
        return {name: weights, f"{name}_bias": layer.bias.detach().numpy().astype(np.float32)}

    return Tower(
        subwords=subwords,
        pieces=quantise(student.pieces.rows.numpy()[:-1]),
        pairs=quantise(student.pairs.rows.numpy()[:-1]),
        dense=of(student.conv, "conv") | of(student.hidden, "hidden") | of(student.out, "out"),
    )
