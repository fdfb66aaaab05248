"""Reads the labelled texts of a data folder, and says which of them a model is never fitted on.

Promise: the folder is an argument and only read; texts come back normalised; the same folder gives
the same rows. What is held back here is held back from every training, whose reader builds on this.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from careline.triage.model.text import normalise

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

URGENCIES: Final = ("none", "normal", "high", "critical")
HARD_ENGLISH: Final = "twitter-2016devtest-A"
"""A part of the SemEval pool that is held back whole: known to be harder than the rest."""
LIKE_ENGLISH: Final = "twitter-2016test-A"
"""The part of that pool that is most like SemEval 2017's test: a tenth of it is held back."""
COMPLAINTS: Final = "complaints_en_train.tsv.gz"
TRIAGE: Final = "triage_dev.tsv.gz"
SPAM: Final = "spam_sms_train.tsv.gz"
LANGUAGES: Final = "langid_dev.tsv.gz"
UMSAB: Final = {
    "arabic": "ar",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "portuguese": "pt",
    "spanish": "es",
}
MISLABELLED: Final = frozenset({"hi"})
"""UMSAB's languages whose train and val labels are not their texts' own.

Of the Hindi rows that SemEval labelled, too, 89 of 190 (train) and 11 of 38 (val) have the same
label there; five folds of the train rows stay at chance (35.7), as XLM-R fine-tuned on them does
(36.6 in UMSAB's own table). Its test rows are not like that.
"""
_CHATTER: Final = frozenset({"random_reply", "random_tweet"})
_TENTH: Final = 26
"""Of the 256 values of a byte."""


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
    """Return the sentiment dev sets by name, as far as the folder has their files."""
    sets: dict[str, list[Row]] = defaultdict(list)
    for row in _there(folder, "sentiment_umsab.tsv.gz"):
        if row["split"] != "train":
            language = UMSAB[row["lang"]]
            sets[f"umsab-{row['split']}-{language}"].append(row_of(row, language, "umsab"))
    for row in _there(folder, "sentiment_semeval_en.tsv.gz"):
        if row["source"] == HARD_ENGLISH:
            sets["semeval-hard-en"].append(row_of(row, "en", "semeval"))
        elif held_english(row):
            sets["semeval-en"].append(row_of(row, "en", "semeval"))
    for row in _there(folder, "sentiment_extra_langs.tsv.gz"):
        if row["split"] != "train":
            sets[f"extra-{row['split']}-{row['lang']}"].append(row_of(row, row["lang"], row["src"]))
        elif row["lang"] == "tr" and in_tenth(normalise(row["text"])):
            sets["extra-held-tr"].append(row_of(row, "tr", row["src"], two_class=True))
    return dict(sets)


def other_sentiment(folder: Path) -> dict[str, list[Row]]:
    """Return sets that a folder has beside the known ones: `sentiment_NAME.tsv.gz`, whole.

    Of a file with a column `split`, the rows that are not for training.
    """
    known = {"umsab", "semeval_en", "extra_langs"}
    found: dict[str, list[Row]] = {}
    for file in sorted(folder.glob("sentiment_*.tsv.gz")):
        name = file.name.removeprefix("sentiment_").removesuffix(".tsv.gz")
        if name in known:
            continue
        rows = [
            row_of(row, row.get("lang") or "und", name)
            for row in table(folder, file.name)
            if row.get("split") != "train"
        ]
        if rows:
            found[name] = rows
    return found


def held_english(row: dict[str, str]) -> bool:
    """Tell whether a row of the SemEval pool is never trained on."""
    if row["source"] == HARD_ENGLISH:
        return True
    return row["source"] == LIKE_ENGLISH and in_tenth(normalise(row["text"]))


def complaints(folder: Path, name: str = COMPLAINTS) -> tuple[list[str], list[int], list[bool]]:
    """Return texts, whether each complains, and whether it was said to a brand."""
    rows = list(table(folder, name))
    return (
        [normalise(row["text"]) for row in rows],
        [int(row["label"] == "complaint") for row in rows],
        [row["domain"] not in _CHATTER for row in rows],
    )


def triage(folder: Path, name: str = TRIAGE) -> tuple[list[str], list[int], list[int]]:
    """Return texts, whether each needs an answer, and how urgent each is (0 to 3)."""
    rows = list(table(folder, name))
    return (
        [normalise(row["text"]) for row in rows],
        [int(row["needs_answer"] == "yes") for row in rows],
        [URGENCIES.index(row["urgency"]) for row in rows],
    )


def kinds(folder: Path) -> tuple[list[str], list[str]]:
    """Return the texts of the triage set, and of what kind each is (complaint, request, ...)."""
    rows = list(table(folder, TRIAGE))
    return [normalise(row["text"]) for row in rows], [row["kind"] for row in rows]


def spam(folder: Path) -> tuple[list[str], list[int]]:
    """Return texts, and whether each is spam; posts to brands stand beside them, as no spam."""
    rows = [*table(folder, SPAM), *table(folder, COMPLAINTS)]
    return (
        [normalise(row["text"]) for row in rows],
        [int(row["label"] == "spam") for row in rows],
    )


def row_of(
    row: dict[str, str],
    language: str,
    source: str,
    *,
    weight: float = 1.0,
    two_class: bool = False,
) -> Row:
    """Make a row of a line of a file."""
    return Row(
        text=normalise(row["text"]),
        label=row["label"],
        language=language,
        source=source,
        weight=weight,
        two_class=two_class,
    )


def in_tenth(text: str) -> bool:
    """Tell whether a text is of the tenth that is held back, for all time the same one."""
    return hashlib.sha256(key(text).encode("utf-8", "replace")).digest()[0] < _TENTH


def _there(folder: Path, name: str) -> Iterator[dict[str, str]]:
    """Give the rows of a file, or none if the folder does not have it."""
    if (folder / name).exists():
        yield from table(folder, name)
