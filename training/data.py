"""Reads the data folder: rows with a task, a label, a language, and what their licence allows.

Promises: the folder is an argument and only read; no row of a dev set is ever a training row, not
even under another name (texts are compared after normalising); `nc=False` leaves out every source
that is non-commercial or says nothing that would allow more.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import random
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from careline.triage.model_text import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SEED: Final = 20260
SENTIMENTS: Final = ("negative", "neutral", "positive")
URGENCIES: Final = ("none", "normal", "high", "critical")
HELD_ENGLISH: Final = "twitter-2016devtest-A"
"""Part of the SemEval pool that is never trained on: the English dev set of tweets."""
EXTRA_MAX: Final = 1500
"""Rows of one label of one source of `sentiment_extra_langs`: no source drowns the others."""
TEACHER_MAX: Final = {
    "umsab": 1_000_000,
    "semeval": 10_000,
    "ASTD": 900,
    "sentirueval_banks": 900,
    "tweetset_tr": 1200,
    "TurkishTweets(emotion)": 700,
}
"""Rows of one label of a source that the teacher sees."""
TEACHER_MAX_ELSE: Final = 300
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
UMSAB_LANGUAGES: Final = {
    "arabic": "ar",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "portuguese": "pt",
    "spanish": "es",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One labelled text, already normalised; `source` names where it is from."""

    text: str
    label: str
    language: str
    source: str
    weight: float = 1.0
    two_class: bool = False
    """Its source knows no neutral."""


def table(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """Give the rows of a tab-separated file of the folder."""
    with gzip.open(folder / name, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def objects(folder: Path, name: str) -> Iterator[dict[str, object]]:
    """Give the objects of a JSON lines file of the folder."""
    with gzip.open(folder / name, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def digests(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file of the folder."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.glob("*.gz"))
    }


def key(text: str) -> str:
    """Return what two texts have in common that say the same."""
    return "".join(c for c in text.lower().replace("@user", "").replace("http", "") if c.isalnum())


def sentiment_dev(folder: Path) -> dict[str, list[Row]]:
    """Return the sentiment dev sets by name."""
    sets: dict[str, list[Row]] = defaultdict(list)
    for row in table(folder, "sentiment_umsab.tsv.gz"):
        if row["split"] != "train":
            language = UMSAB_LANGUAGES[row["lang"]]
            sets[f"umsab-{row['split']}-{language}"].append(_row(row, language, "umsab"))
    for row in table(folder, "sentiment_semeval_en.tsv.gz"):
        if row["source"] == HELD_ENGLISH:
            sets["semeval-en"].append(_row(row, "en", "semeval"))
    for row in table(folder, "sentiment_extra_langs.tsv.gz"):
        if row["split"] != "train":
            sets[f"extra-{row['split']}-{row['lang']}"].append(_row(row, row["lang"], row["src"]))
    for row in _turkish(folder, dev=True):
        sets["extra-held-tr"].append(row)
    return dict(sets)


def sentiment_train(folder: Path, *, nc: bool = True) -> list[Row]:
    """Return the training rows for sentiment, without any row of a dev set."""
    seen = {key(row.text) for rows in sentiment_dev(folder).values() for row in rows}
    rows = [
        _row(row, UMSAB_LANGUAGES[row["lang"]], "umsab", weight=2.0)
        for row in table(folder, "sentiment_umsab.tsv.gz")
        if row["split"] == "train"
    ]
    rows += [
        _row(row, "en", "semeval")
        for row in table(folder, "sentiment_semeval_en.tsv.gz")
        if row["split"] == "train" and row["source"] != HELD_ENGLISH
    ]
    rows += _extra(folder, nc=nc)
    if nc:
        rows += _turkish(folder, dev=False)
    return [row for row in rows if row.text and key(row.text) not in seen]


def teacher_share(rows: list[Row]) -> list[int]:
    """Return which rows the teacher learns from: UMSAB twice, the rest by how much is at stake.

    Where a language has no bar of its own, a few hundred rows of each label teach it the labels.
    """
    order = list(range(len(rows)))
    random.Random(SEED).shuffle(order)
    counted: dict[tuple[str, str, str], int] = defaultdict(int)
    chosen: list[int] = []
    for number in order:
        row = rows[number]
        place = (row.source, row.language, row.label)
        counted[place] += 1
        if counted[place] <= TEACHER_MAX.get(row.source, TEACHER_MAX_ELSE):
            chosen += [number] * (2 if row.source == "umsab" else 1)
    return chosen


def unlabelled(folder: Path, *, nc: bool = True, english: int = 70_000) -> list[str]:
    """Return texts without labels, for distillation: mostly not English, where the gap is."""
    dev = {key(row.text) for rows in sentiment_dev(folder).values() for row in rows}
    texts = [
        normalise(r["text"]) for r in table(folder, "unlabelled_tweets.tsv.gz") if r["lang"] != "en"
    ]
    tweets = [
        normalise(r["text"]) for r in table(folder, "unlabelled_tweets.tsv.gz") if r["lang"] == "en"
    ]
    random.Random(SEED).shuffle(tweets)
    texts += tweets[:english]
    texts += support(folder, nc=nc)
    found = dict.fromkeys(text for text in texts if len(text) > 1)
    return [text for text in found if key(text) not in dev]


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


def _row(row: dict[str, str], language: str, source: str, *, weight: float = 1.0) -> Row:
    return Row(
        text=normalise(row["text"]),
        label=row["label"],
        language=language,
        source=source,
        weight=weight,
    )


def _extra(folder: Path, *, nc: bool) -> list[Row]:
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in table(folder, "sentiment_extra_langs.tsv.gz"):
        if row["split"] != "train" or row["lang"] == "tr":
            continue
        if row["src"] in NON_COMMERCIAL and not nc:
            continue
        made = Row(
            text=normalise(row["text"]),
            label=row["label"],
            language=row["lang"],
            source=row["src"],
            two_class=row["src"] == "waimai_10k",
        )
        groups[row["lang"], row["src"], row["label"]].append(made)
    return list(_capped(groups.values(), EXTRA_MAX))


def _turkish(folder: Path, *, dev: bool) -> list[Row]:
    """Return a tenth (dev) or the rest of the Turkish rows, which have no split of their own."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in table(folder, "sentiment_extra_langs.tsv.gz"):
        text = normalise(row["text"])
        if row["lang"] != "tr" or _tenth(key(text)) is not dev:
            continue
        made = Row(text=text, label=row["label"], language="tr", source=row["src"], two_class=True)
        groups[row["src"], row["label"]].append(made)
    return list(_capped(groups.values(), 3 * EXTRA_MAX))


def _tenth(text: str) -> bool:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[0] < 26


def _capped(groups: Iterable[list[Row]], most: int) -> Iterator[Row]:
    for group in groups:
        random.Random(SEED).shuffle(group)
        yield from group[:most]
