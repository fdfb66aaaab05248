"""Fine-tunes the multilingual encoder on labelled sentiment, and lets it label what has no label.

Promise: the same seed and threads give the same teacher. It is thrown away after the build: the
artefact holds only what the small towers learnt from it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn

from careline.triage.model.file import SENTIMENTS
from careline.triage.quality.labelled import Row
from training.data import SEED, balanced
from training.encoder import WIDTH, Batch, Encoder
from training.lazy import LazyRows

if TYPE_CHECKING:
    from pathlib import Path

EPOCHS: Final = 2
BATCH: Final = 64
HIDDEN: Final = 256
PIECES_DROPPED: Final = 0.05
ROWS_RATE: Final = 5e-4
ENCODER_RATE: Final = 2e-4
HEAD_RATE: Final = 1e-3
_UNKNOWN: Final = 0
_WARM: Final = 200
_REPORT_EVERY: Final = 100


class Teacher(nn.Module):
    """The encoder with a sentiment head."""

    def __init__(self, rows: np.ndarray) -> None:
        """Start from the packaged weights, with the vectors of the given pieces."""
        super().__init__()
        self.encoder = Encoder(rows)
        self.dropout = nn.Dropout(0.2)
        self.hidden = nn.Linear(2 * WIDTH, HIDDEN)
        self.head = nn.Linear(HIDDEN, len(SENTIMENTS))

    def forward(
        self, batch: Batch, vectors: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sentiment logits and the layer before them."""
        top, pooled = self.encoder(batch, vectors)
        joined = self.dropout(torch.cat([top, torch.tanh(pooled)], dim=1))
        hidden = torch.relu(self.hidden(joined))
        return self.head(self.dropout(hidden)), hidden


def train(rows: list[Row], lines: list[list[int]], teacher: Teacher, number: int = 0) -> Teacher:
    """Fine-tune a teacher on labelled rows; it is changed in place."""
    torch.manual_seed(SEED + number)
    torch.set_flush_denormal(True)
    rng = np.random.default_rng(SEED + number)
    table = LazyRows(teacher.encoder.vectors.weight.data)
    new = [*teacher.hidden.parameters(), *teacher.head.parameters()]
    known = {id(p) for p in (*teacher.encoder.vectors.parameters(), *new)}
    rest = [p for p in teacher.parameters() if p.requires_grad and id(p) not in known]
    dense = torch.optim.AdamW(
        [{"params": rest, "lr": ENCODER_RATE}, {"params": new, "lr": HEAD_RATE}], weight_decay=0.01
    )
    labels = torch.tensor([SENTIMENTS.index(row.label) for row in rows])
    weights = torch.from_numpy(balanced(rows))
    two = torch.tensor([row.two_class for row in rows])
    batches = [places for _ in range(EPOCHS) for places in _batches(lines, rng)]
    schedule = torch.optim.lr_scheduler.LambdaLR(dense, lambda s: _pace(s, len(batches)))
    teacher.train()
    began = time.monotonic()
    for step, places in enumerate(batches, start=1):
        batch = Batch([_thin(lines[i], rng) for i in places])
        logits, _ = teacher(batch, table.take(batch.flat))
        picked = torch.as_tensor(places)
        loss = _loss(logits, labels[picked], weights[picked], two[picked])
        dense.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_([*rest, *new], 1.0)
        table.step(ROWS_RATE * _pace(step, len(batches)))
        dense.step()
        schedule.step()
        if step % _REPORT_EVERY == 0:
            rate = step * BATCH / (time.monotonic() - began)
            told = f"teacher {number}: {step}/{len(batches)}"
            print(f"{told} loss {loss.item():.3f} {rate:.0f}/s", flush=True)
    return teacher.eval()


def _pace(step: int, steps: int) -> float:
    """Return the share of the full rate: up quickly, then down to nothing."""
    return min((step + 1) / _WARM, 1 - step / (steps + 1))


def _loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, two: torch.Tensor
) -> torch.Tensor:
    """Weigh the rows; where a source knows no neutral, neutral is not judged."""
    hide = torch.zeros_like(logits)
    hide[:, 1] = two.float() * -1e4
    each = nn.functional.cross_entropy(logits + hide, labels, reduction="none")
    return (each * weights).sum() / weights.sum()


def _thin(line: list[int], rng: np.random.Generator) -> list[int]:
    """Make some pieces unknown, so that no single one decides."""
    if len(line) < 6:
        return line
    gone = rng.random(len(line)) < PIECES_DROPPED
    return [_UNKNOWN if out else piece for piece, out in zip(line, gone, strict=True)]


def _batches(lines: list[list[int]], rng: np.random.Generator) -> list[np.ndarray]:
    """Return batches in random order."""
    order = rng.permutation(len(lines))
    return [order[at : at + BATCH] for at in range(0, len(order), BATCH)]


@torch.no_grad()
def predict(teacher: Teacher, lines: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return sentiment logits and the hidden layer of each text."""
    order = np.argsort([len(line) for line in lines], kind="stable")
    logits = np.empty((len(lines), len(SENTIMENTS)), dtype=np.float32)
    hidden = np.empty((len(lines), HIDDEN), dtype=np.float32)
    for at in range(0, len(order), BATCH):
        places = order[at : at + BATCH]
        out, layer = teacher(Batch([lines[i] for i in places]))
        logits[places], hidden[places] = out.numpy(), layer.numpy()
    return logits, hidden


def save(teacher: Teacher, path: Path) -> None:
    """Keep a teacher between the steps of a build."""
    torch.save(teacher.state_dict(), path)


def load(path: Path, pieces: np.ndarray) -> Teacher:
    """Return a teacher that was kept."""
    teacher = Teacher(pieces)
    teacher.load_state_dict(torch.load(path, weights_only=True))
    return teacher.eval()
