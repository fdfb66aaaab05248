"""Reads what a model is trained on: rows with a label, a language, and what their licence allows.

Promises: the folder is an argument and only read; no row of a dev set is ever a training row, not
even under another name (texts are compared after normalising); `nc=False` leaves out every source
that is non-commercial, under a licence that binds what is made of it, or scraped without one.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from careline.triage.model.file import SENTIMENTS
from careline.triage.model.text import normalise
from careline.triage.quality.labelled import (
    MISLABELLED,
    UMSAB,
    Row,
    held_english,
    in_tenth,
    key,
    objects,
    row_of,
    sentiment_dev,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SEED: Final = 20260
EXTRA_MAX: Final = 1500
"""Rows of one label of one source of `sentiment_extra_langs`: no source drowns the others."""
TEACHERS: Final = 2
TEACHER_MAX: Final = {"semeval": 10_000, "sentirueval_banks": 700, "": 250}
"""Rows of one label of a source (`""`: any other) that a teacher sees: its steps are dear."""
NON_COMMERCIAL: Final = frozenset(
    {
        "triage_dev.tsv.gz",
        "support_stream_twcs.jsonl.gz",
        "support_inbound_unlabelled.tsv.gz",
        "ASTD",
        "TurkishTweets(emotion)",
        "tweetset_tr",
        "waimai_10k",
    }
)
"""Left out by `--no-nc`: files, and sources inside `sentiment_extra_langs`."""


def sentiment_train(folder: Path, *, nc: bool = True) -> list[Row]:
    """Return the training rows for sentiment, without any row of a dev set."""
    seen = {key(row.text) for rows in sentiment_dev(folder).values() for row in rows}
    rows = [
        row_of(row, UMSAB[row["lang"]], "umsab", weight=2.0)
        for row in table(folder, "sentiment_umsab.tsv.gz")
        if row["split"] == "train" and UMSAB[row["lang"]] not in MISLABELLED
    ]
    rows += [
        row_of(row, "en", "semeval")
        for row in table(folder, "sentiment_semeval_en.tsv.gz")
        if not held_english(row)
    ]
    rows += _extra(folder, nc=nc)
    if nc:
        rows += _turkish(folder)
    return [row for row in rows if row.text and key(row.text) not in seen]


def teacher_rows(rows: list[Row], number: int) -> list[Row]:
    """Return what a teacher learns from; a row of UMSAB stands there twice.

    Of the other sources each teacher has rows of its own, so that together they know more. Where a
    language has no bar of its own, some hundred rows of each label teach it the labels.
    Non-commercial sources are left out in every build: the same teachers then serve them all.
    """
    order = list(range(len(rows)))
    random.Random(SEED + 1).shuffle(order)
    counted: dict[tuple[str, str, str], int] = defaultdict(int)
    chosen: list[Row] = []
    for row in (rows[place] for place in order):
        if row.source in NON_COMMERCIAL:
            continue
        if row.source != "umsab":
            group = (row.source, row.language, row.label)
            turn, taker = divmod(counted[group], TEACHERS)
            counted[group] += 1
            if taker != number or turn >= TEACHER_MAX.get(row.source, TEACHER_MAX[""]):
                continue
        chosen.append(replace(row, weight=1.0))
    return chosen + [row for row in chosen if row.source == "umsab"]


def unlabelled(folder: Path, *, nc: bool = True, english: int = 70_000) -> list[str]:
    """Return texts without labels, for distillation: all that is not English, much that is."""
    dev = {key(row.text) for rows in sentiment_dev(folder).values() for row in rows}
    texts = [
        normalise(r["text"]) for r in table(folder, "unlabelled_tweets.tsv.gz") if r["lang"] != "en"
    ]
    tweets = [
        normalise(r["text"]) for r in table(folder, "unlabelled_tweets.tsv.gz") if r["lang"] == "en"
    ]
    random.Random(SEED).shuffle(tweets)
    texts += tweets[:english]
    texts += [text for each in MISLABELLED for text in scarce(folder)[each]]
    texts += support(folder, nc=nc)
    found = dict.fromkeys(text for text in texts if len(text) > 1)
    return [text for text in found if key(text) not in dev]


def scarce(folder: Path) -> dict[str, list[str]]:
    """Return texts of the languages that few texts are of, by language."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in table(folder, "sentiment_umsab.tsv.gz"):
        if row["split"] == "train" and row["lang"] != "english":
            found[UMSAB[row["lang"]]].append(normalise(row["text"]))
    return found


def support(folder: Path, *, nc: bool = True) -> list[str]:
    """Return what customers wrote to brands, without labels."""
    texts = [
        normalise(str(item["text"]))
        for item in objects(folder, "support_conversations_ibm.jsonl.gz")
        if item["inbound"]
    ]
    if nc:
        texts += [
            normalise(str(item["text"]))
            for item in objects(folder, "support_stream_twcs.jsonl.gz")
            if item["inbound"]
        ]
        name = "support_inbound_unlabelled.tsv.gz"
        texts += [normalise(row["text"]) for row in table(folder, name)]
    return list(dict.fromkeys(texts))


def balanced(rows: list[Row]) -> np.ndarray:
    """Return a weight for each row: classes of a source count alike, tempered."""
    counted: dict[tuple[str, str, str], int] = {}
    for row in rows:
        place = (row.source, row.language, row.label)
        counted[place] = counted.get(place, 0) + 1
    weights = np.empty(len(rows), dtype=np.float32)
    for number, row in enumerate(rows):
        alike = [counted.get((row.source, row.language, label), 0) for label in SENTIMENTS]
        present = [count for count in alike if count]
        share = sum(present) / len(present) / counted[row.source, row.language, row.label]
        weights[number] = row.weight * min(share, 4.0)
    return weights


def _extra(folder: Path, *, nc: bool) -> list[Row]:
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in table(folder, "sentiment_extra_langs.tsv.gz"):
        if row["split"] != "train" or row["lang"] == "tr":
            continue
        if row["src"] in NON_COMMERCIAL and not nc:
            continue
        made = row_of(row, row["lang"], row["src"], two_class=row["src"] == "waimai_10k")
        groups[row["lang"], row["src"], row["label"]].append(made)
    return list(_capped(groups.values(), EXTRA_MAX))


def _turkish(folder: Path) -> list[Row]:
    """Return nine tenths of the Turkish rows, which have no split of their own."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in table(folder, "sentiment_extra_langs.tsv.gz"):
        if row["lang"] == "tr" and not in_tenth(normalise(row["text"])):
            made = row_of(row, "tr", row["src"], two_class=True)
            groups[row["src"], row["label"]].append(made)
    return list(_capped(groups.values(), 3 * EXTRA_MAX))


def _capped(groups: Iterable[list[Row]], most: int) -> Iterator[Row]:
    for group in groups:
        random.Random(SEED).shuffle(group)
        yield from group[:most]
