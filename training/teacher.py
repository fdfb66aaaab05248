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

from training.data import SEED, SENTIMENTS, Row, balanced
from training.encoder import SHORT_ORDERS, WIDTH, Batch, Encoder

if TYPE_CHECKING:
    from pathlib import Path

EPOCHS: Final = 1
BATCH: Final = 64
PIECES_DROPPED: Final = 0.05
_UNKNOWN: Final = 0
_REPORT_EVERY: Final = 200


class Teacher(nn.Module):
    """The encoder with a sentiment head."""

    def __init__(self, rows: np.ndarray) -> None:
        """Start from the packaged weights, with the vectors of the given pieces."""
        super().__init__()
        self.encoder = Encoder(rows, orders=SHORT_ORDERS)
        self.dropout = nn.Dropout(0.2)
        self.hidden = nn.Linear(2 * WIDTH, 256)
        self.head = nn.Linear(256, len(SENTIMENTS))

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return sentiment logits and the layer before them."""
        top, pooled = self.encoder(batch)
        joined = self.dropout(torch.cat([top, torch.tanh(pooled)], dim=1))
        hidden = torch.relu(self.hidden(joined))
        return self.head(self.dropout(hidden)), hidden


def train(
    rows: list[Row], lines: list[list[int]], pieces: np.ndarray, *, epochs: int = EPOCHS
) -> Teacher:
    """Fine-tune a teacher on labelled rows."""
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    teacher = Teacher(pieces)
    vectors = list(teacher.encoder.vectors.parameters())
    new = [*teacher.hidden.parameters(), *teacher.head.parameters()]
    known = {id(p) for p in (*vectors, *new)}
    rest = [p for p in teacher.parameters() if p.requires_grad and id(p) not in known]
    sparse = torch.optim.SparseAdam(vectors, lr=6e-4)
    dense = torch.optim.AdamW(
        [{"params": rest, "lr": 2e-4}, {"params": new, "lr": 1e-3}], weight_decay=0.01
    )
    labels = torch.tensor([SENTIMENTS.index(row.label) for row in rows])
    weights = torch.from_numpy(balanced(rows))
    two = torch.tensor([row.two_class for row in rows])
    steps = epochs * (len(rows) // BATCH + 1)
    schedule = [
        torch.optim.lr_scheduler.LambdaLR(o, lambda s: min((s + 1) / 300, 1 - s / (steps + 1)))
        for o in (sparse, dense)
    ]
    teacher.train()
    step, began = 0, time.monotonic()
    for _ in range(epochs):
        for places in _batches(lines, rng):
            dropped = [_thin(lines[i], rng) for i in places]
            logits, _ = teacher(Batch(dropped))
            picked = torch.as_tensor(places)
            loss = _loss(logits, labels[picked], weights[picked], two[picked])
            sparse.zero_grad(set_to_none=True)
            dense.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_([*rest, *new], 1.0)
            sparse.step()
            dense.step()
            for each in schedule:
                each.step()
            step += 1
            if step % _REPORT_EVERY == 0:
                rate = step * BATCH / (time.monotonic() - began)
                print(f"teacher {step}/{steps} loss {loss.item():.3f} {rate:.0f}/s", flush=True)
    return teacher.eval()


def _loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, two: torch.Tensor
) -> torch.Tensor:
    """Weigh the rows; where a source knows no neutral, neutral is not judged."""
    hide = torch.zeros_like(logits)
    hide[:, 1] = two.float() * -1e4
    each = nn.functional.cross_entropy(logits + hide, labels, reduction="none", label_smoothing=0.0)
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
    hidden = np.empty((len(lines), 256), dtype=np.float32)
    for at in range(0, len(order), 256):
        places = order[at : at + 256]
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
