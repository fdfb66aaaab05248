"""The long way to the subword tower: vocabulary, teacher, what the teacher says, student.

Promise: each step is kept in the workshop, so a build that was stopped goes on where it was. The
teacher and its vocabulary know no non-commercial source, so every build may use the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from careline.triage import model_data
from careline.triage.model_file import SENTIMENTS
from training import data, encoder, linear, teacher, tower, vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from careline.triage.model_data import Row
    from careline.triage.model_file import Tower
    from training.build import Workshop

SOURCES: Final = frozenset(
    {"umsab", "semeval", "tweetset_tr", "TurkishTweets(emotion)", "sentirueval_banks"}
)
LANGUAGES: Final = frozenset({"zh", "ja"})
"""What the small tower learns labels from: with all else it loses a point where it matters."""
TAUGHT_MAX: Final = 140_000
"""Texts that the teacher is asked about: those without labels first, where gold is missing."""


def distilled(folder: Path, rows: list[Row], shop: Workshop, *, nc: bool) -> Tower:
    """Return the subword tower."""
    subwords, pieces, master = taught(folder, shop)
    rows = [row for row in rows if row.source in SOURCES or row.language in LANGUAGES]
    kind = "all" if nc else "free"
    extra = shop.step(f"unlabelled-{kind}", lambda: data.unlabelled(folder, nc=nc))
    texts = [row.text for row in rows] + extra
    lines = encoder.tokenise(texts, vocabulary.load(subwords))
    order = _asked(rows, len(lines))[:TAUGHT_MAX]
    soft, complaint = shop.step(
        f"answers-{kind}", lambda: answers(folder, master, subwords, [lines[n] for n in order])
    )
    lessons = _lessons(rows, lines, order, soft, complaint)
    vectors = master.encoder.vectors.weight.numpy()
    used = np.bincount(np.concatenate([np.asarray(line) for line in lines]), minlength=len(pieces))
    return shop.step(
        f"tower-{kind}",
        lambda: tower.export(tower.train(lessons, tower.principal(vectors, used)), subwords),
    )


def taught(folder: Path, shop: Workshop) -> tuple[bytes, np.ndarray, teacher.Teacher]:
    """Return the subword model, the old ids of its pieces, and a teacher that reads them."""
    rows = shop.step("rows-free", lambda: data.sentiment_train(folder, nc=False))
    extra = shop.step("unlabelled-free", lambda: data.unlabelled(folder, nc=False))
    texts = [row.text for row in rows]
    subwords, pieces = shop.step("vocabulary", lambda: vocabulary.cut(texts + extra))
    path = shop.folder / "teacher.pt"
    if not path.exists():
        chosen = data.teacher_rows(rows)
        lines = encoder.tokenise([row.text for row in chosen], vocabulary.load(subwords))
        made = teacher.train(chosen, lines, teacher.Teacher(pieces))
        teacher.save(made, path)
    return subwords, pieces, teacher.load(path, pieces)


def answers(
    folder: Path, master: teacher.Teacher, subwords: bytes, lines: list[list[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the teacher's sentiment logits, and how likely it takes each text for a complaint."""
    texts, labels, _ = model_data.complaints(folder)
    _, known = teacher.predict(master, encoder.tokenise(texts, vocabulary.load(subwords)))
    centre, spread = known.mean(axis=0), known.std(axis=0) + 0.05
    grams = linear.counts(texts)
    joined = sparse.csr_matrix(
        sparse.hstack(
            [
                linear.scaled(grams, linear.rarity(grams)),
                sparse.csr_matrix((known - centre) / spread),
            ]
        )
    )
    both = LogisticRegression(C=1.0, max_iter=300).fit(joined, np.array(labels))
    alone = LogisticRegression(C=0.05, max_iter=300)
    alone.fit((known - centre) / spread, both.predict(joined))
    soft, hidden = teacher.predict(master, lines)
    return soft, alone.predict_proba((hidden - centre) / spread)[:, 1].astype(np.float32)


def _asked(rows: list[Row], size: int) -> np.ndarray:
    """Return the order in which the teacher is asked: what has no label, UMSAB, then the rest.

    What it was kept away from it is not asked about, either: gold is all there is to learn.
    """
    ours = np.array([row.source == "umsab" for row in rows])
    kept = np.array([row.source in data.NON_COMMERCIAL for row in rows])
    known = np.arange(len(rows))
    rest = np.random.default_rng(data.SEED).permutation(known[~ours & ~kept])
    return np.concatenate([np.arange(len(rows), size), known[ours], rest])


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
    asked = np.zeros(size, dtype=bool)
    asked[order] = True
    brand = np.full(size, np.nan, dtype=np.float32)
    brand[order] = complaint
    chosen = np.flatnonzero(asked | (labels >= 0))
    return tower.Lessons(
        lines=[lines[n][1:-1] for n in chosen],
        labels=labels[chosen],
        weights=weights[chosen],
        two_class=two[chosen],
        soft=wide[chosen],
        taught=asked[chosen],
        complaint=brand[chosen],
    )
