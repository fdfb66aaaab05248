"""The long way to the subword tower: vocabulary, teachers, what they say, student.

Promise: each step is kept in the workshop, so a build that was stopped goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from careline.triage.model.file import SENTIMENTS
from training import data, encoder, school, tower, vocabulary
from training.fragments import fragments
from training.school import School

if TYPE_CHECKING:
    from pathlib import Path

    from careline.triage.model.file import Tower
    from careline.triage.quality.labelled import Row
    from training.build import Workshop

SOURCES: Final = frozenset(
    {"umsab", "semeval", "tweetset_tr", "TurkishTweets(emotion)", "sentirueval_banks"}
)
LANGUAGES: Final = frozenset({"zh", "ja"})
"""What the small tower learns labels from: with all else it loses a point where it matters."""
TAUGHT_MAX: Final = 140_000
"""Texts that the teachers are asked about, those without labels first, where gold is missing;
fragments come on top."""


def distilled(folder: Path, rows: list[Row], shop: Workshop, *, nc: bool) -> Tower:
    """Return the subword tower."""
    masters = taught(folder, shop)
    rows = [row for row in rows if row.source in SOURCES or row.language in LANGUAGES]
    kind = "all" if nc else "free"
    extra = shop.step(f"unlabelled-{kind}", lambda: data.unlabelled(folder, nc=nc))
    more = shop.step("fragments", lambda: fragments(data.scarce(folder)))
    texts = [row.text for row in rows] + extra + more
    lines = encoder.tokenise(texts, vocabulary.load(masters.subwords))
    order = _asked(rows, len(rows) + len(extra))[:TAUGHT_MAX]
    said = shop.step(f"answers-{kind}", lambda: school.answers(masters, [lines[n] for n in order]))
    short = np.arange(len(rows) + len(extra), len(lines))
    of_short = shop.step(
        "answers-fragments", lambda: school.answers(masters, [lines[n] for n in short])
    )
    lessons = _lessons(rows, lines, np.concatenate([order, short]), said + of_short)
    vectors = masters.vectors()
    used = np.bincount(np.concatenate([np.asarray(line) for line in lines]), minlength=len(vectors))
    begin = tower.principal(vectors, used)
    return shop.step(
        f"tower-{kind}", lambda: tower.export(tower.train(lessons, begin), masters.subwords)
    )


def taught(folder: Path, shop: Workshop) -> School:
    """Return the teachers, who have learnt."""
    rows = shop.step("rows-free", lambda: data.sentiment_train(folder, nc=False))
    extra = shop.step("unlabelled-free", lambda: data.unlabelled(folder, nc=False))
    texts = [row.text for row in rows]
    subwords, pieces = shop.step("vocabulary", lambda: vocabulary.cut(texts + extra))
    found = School(folder=folder, shop=shop.folder, subwords=subwords, pieces=pieces)
    school.trained(found, rows)
    return found


def _asked(rows: list[Row], size: int) -> np.ndarray:
    """Return the order in which the teachers are asked: what has no label, UMSAB, then the rest.

    What they were kept away from they are not asked about, either: gold is all there is to learn.
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
    said: school.Answers,
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
    wide[order] = said.soft
    asked = np.zeros(size, dtype=bool)
    asked[order] = True
    brand = np.full(size, np.nan, dtype=np.float32)
    brand[order] = said.complaint
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
