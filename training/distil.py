"""The long way to the subword tower: vocabulary, teacher, what the teacher says, student.

Promise: each step is kept in the workshop, so a build that was stopped goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from training import data, encoder, heads, linear, teacher, tower, vocabulary
from training.data import SENTIMENTS, Row

if TYPE_CHECKING:
    from pathlib import Path

    from careline.triage.model_file import Tower
    from training.build import Workshop

TAUGHT_MAX: Final = 160_000
"""Texts that the teacher labels: what is labelled already first, then the rest."""


def distilled(folder: Path, rows: list[Row], shop: Workshop, *, nc: bool) -> Tower:
    """Return the subword tower."""
    extra = shop.step("unlabelled", lambda: data.unlabelled(folder, nc=nc))
    texts = [row.text for row in rows]
    subwords, pieces = shop.step("vocabulary", lambda: vocabulary.cut(texts + extra))
    lines = encoder.tokenise(texts + extra, vocabulary.load(subwords))
    path = shop.folder / "teacher.pt"
    if not path.exists():
        share = data.teacher_share(rows)
        taught = teacher.train([rows[n] for n in share], [lines[n] for n in share], pieces)
        teacher.save(taught, path)
    master = teacher.load(path, pieces)
    asked = min(len(lines), TAUGHT_MAX)
    order = _asked(rows, len(lines))[:asked]
    soft, hidden = shop.step("soft", lambda: teacher.predict(master, [lines[n] for n in order]))
    complaint = shop.step("complaints", lambda: complaint_labels(folder, master, subwords, hidden))
    lessons = _lessons(rows, lines, order, soft, complaint)
    vectors = master.encoder.vectors.weight.detach().numpy()
    used = np.bincount(np.concatenate([np.asarray(line) for line in lines]), minlength=len(pieces))
    student = tower.train(lessons, tower.principal(vectors, used))
    return tower.export(student, subwords)


def _asked(rows: list[Row], size: int) -> np.ndarray:
    """Return the order in which the teacher is asked: no labels first where it is not English."""
    english = np.array([row.language == "en" for row in rows])
    known = np.arange(len(rows))
    rest = np.random.default_rng(data.SEED).permutation(np.arange(len(rows), size))
    return np.concatenate(
        [known[~english], rest[: len(rest) // 2], known[english], rest[len(rest) // 2 :]]
    )


def complaint_labels(
    folder: Path, master: teacher.Teacher, subwords: bytes, hidden: np.ndarray
) -> np.ndarray:
    """Return how likely a text is a complaint, from the teacher's layer, for each text asked."""
    examples, _ = heads.complaints(folder)
    lines = encoder.tokenise(examples.texts, vocabulary.load(subwords))
    _, known = teacher.predict(master, lines)
    centre, spread = known.mean(axis=0), known.std(axis=0) + 0.05
    grams = linear.counts(examples.texts)
    rare = linear.rarity(grams)
    joined = sparse.hstack(
        [linear.scaled(grams, rare), sparse.csr_matrix((known - centre) / spread)]
    )
    both = LogisticRegression(C=1.0, max_iter=300).fit(sparse.csr_matrix(joined), examples.labels)
    alone = LogisticRegression(C=0.05, max_iter=300)
    alone.fit((known - centre) / spread, both.predict(sparse.csr_matrix(joined)))
    found: np.ndarray = alone.predict_proba((hidden - centre) / spread)[:, 1]
    return found


def _lessons(
    rows: list[Row],
    lines: list[list[int]],
    order: np.ndarray,
    soft: np.ndarray,
    complaint: np.ndarray,
) -> tower.Lessons:
    """Put together what the student learns from; marks of begin and end are cut off."""
    size = len(lines)
    labels = np.full(size, -1, dtype=np.int64)
    labels[: len(rows)] = [SENTIMENTS.index(row.label) for row in rows]
    weights = np.zeros(size, dtype=np.float32)
    weights[: len(rows)] = data.balanced(rows)
    two = np.zeros(size, dtype=bool)
    two[: len(rows)] = [row.two_class for row in rows]
    wide = np.zeros((size, len(SENTIMENTS)), dtype=np.float32)
    wide[order] = soft
    taught = np.zeros(size, dtype=bool)
    taught[order] = True
    brand = np.full(size, np.nan, dtype=np.float32)
    brand[order] = complaint
    keep = taught | (labels >= 0)
    chosen = np.flatnonzero(keep)
    return tower.Lessons(
        lines=[lines[n][1:-1] for n in chosen],
        labels=labels[chosen],
        weights=weights[chosen],
        two_class=two[chosen],
        soft=wide[chosen],
        taught=taught[chosen],
        complaint=brand[chosen],
    )
