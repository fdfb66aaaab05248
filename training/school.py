"""Trains the teachers side by side, one to a processor, and asks them about every text.

Promise: each teacher works in a process of its own with one thread, so neither how many there are
at a time nor the machine changes what they learn; what is kept in the workshop is not done again.
A teacher and its vocabulary know no non-commercial source: the same serve every build.
"""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from careline.triage.quality import labelled
from training import data, encoder, linear, teacher, vocabulary

if TYPE_CHECKING:
    from careline.triage.quality.labelled import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What teachers say of texts, a row each."""

    soft: np.ndarray
    """Sentiment logits."""
    complaint: np.ndarray
    """How likely each is a complaint."""

    def __add__(self, other: Answers) -> Answers:
        """Put what they say of more texts behind."""
        return Answers(
            soft=np.concatenate([self.soft, other.soft]),
            complaint=np.concatenate([self.complaint, other.complaint]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class School:
    """The words that the teachers know, and where they are kept."""

    folder: Path
    """The data folder."""
    shop: Path
    subwords: bytes
    pieces: np.ndarray
    """The encoder's ids of the pieces that were kept."""

    def path(self, number: int) -> Path:
        """Return where a teacher is kept."""
        return self.shop / f"teacher-{number}.pt"

    def vectors(self) -> np.ndarray:
        """Return the mean of the teachers' vectors of each piece: all began with the same."""
        each = (
            teacher.load(self.path(number), self.pieces).encoder.vectors.weight.numpy()
            for number in range(data.TEACHERS)
        )
        return np.asarray(sum(each) / data.TEACHERS)


def trained(school: School, rows: list[Row]) -> None:
    """Train the teachers that are not there yet."""
    missing = [n for n in range(data.TEACHERS) if not school.path(n).exists()]
    with _desks() as desks:
        for _ in desks.map(_train, [(school, rows, number) for number in missing]):
            pass


def answers(school: School, lines: list[list[int]]) -> Answers:
    """Return what the teachers say of texts, given as piece ids: the mean of their answers."""
    with _desks() as desks:
        asked = [(school, lines, number) for number in range(data.TEACHERS)]
        found = [pickle.loads(each) for each in desks.map(_ask, asked)]  # noqa: S301 our own child
    return Answers(
        soft=np.mean([each.soft for each in found], axis=0),
        complaint=np.mean([each.complaint for each in found], axis=0),
    )


def _desks() -> ProcessPoolExecutor:
    """Return as many processes as there are processors for them; torch must not be forked."""
    places = max(1, min(data.TEACHERS, os.cpu_count() or 1))
    return ProcessPoolExecutor(
        places, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    )


def _train(task: tuple[School, list[Row], int]) -> None:
    school, rows, number = task
    chosen = data.teacher_rows(rows, number)
    lines = encoder.tokenise([row.text for row in chosen], vocabulary.load(school.subwords))
    made = teacher.train(chosen, lines, teacher.Teacher(school.pieces), number)
    unfinished = school.path(number).with_suffix(".part")
    teacher.save(made, unfinished)
    unfinished.rename(school.path(number))


def _ask(task: tuple[School, list[list[int]], int]) -> bytes:
    school, lines, number = task
    master = teacher.load(school.path(number), school.pieces)
    texts, labels, _ = labelled.complaints(school.folder)
    _, known = teacher.predict(master, encoder.tokenise(texts, vocabulary.load(school.subwords)))
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
    complaint = alone.predict_proba((hidden - centre) / spread)[:, 1].astype(np.float32)
    return pickle.dumps(Answers(soft=soft, complaint=complaint))
