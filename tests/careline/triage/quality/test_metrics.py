"""Figures of a data folder: what it has is measured, what the model knows is never passed off."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from careline.triage.model.classifier import Model
from careline.triage.model.file import shipped
from careline.triage.quality import labelled, metrics

POSTS = [
    ("complaint", "yes", "high", "@acme my card was charged twice, give my money back"),
    ("complaint", "yes", "normal", "@acme the app crashes when I open it"),
    ("complaint", "yes", "critical", "@acme my account was hacked, somebody uses my card"),
    ("request", "yes", "normal", "@acme how do I change my address?"),
    ("thanks", "no", "none", "@acme thank you so much, it works now"),
    ("other", "no", "none", "good morning everybody"),
    ("other", "no", "none", "on the train with my sister"),
]


def write(folder: Path, name: str, header: str, rows: list[tuple[str, ...]]) -> None:
    with gzip.open(folder / name, "wt", encoding="utf-8") as file:
        file.write(header.replace(" ", "\t") + "\n")
        file.writelines("\t".join(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [("x", "y", *post) for post in POSTS]
    write(tmp_path, labelled.TRIAGE, "sample part kind needs_answer urgency text", rows)
    complaints = [
        ("services" if who == "complaint" else "random_tweet", who.replace("other", "none"), text)
        for who, _, _, text in POSTS
    ]
    write(tmp_path, labelled.COMPLAINTS, "domain label text", complaints)
    feelings = [
        ("negative", "@acme worst service ever, I hate it"),
        ("positive", "I love this, thank you, great work!"),
        ("neutral", "the shop opens at nine tomorrow"),
    ]
    write(tmp_path, "sentiment_mine.tsv.gz", "label text", feelings)
    return tmp_path


def test_what_a_folder_has_is_measured_and_nothing_else(folder: Path) -> None:
    found = metrics.evaluate(folder)
    assert found["from_build"] == []
    assert found["needs_answer"]["auc"] >= 75
    assert found["urgency"]["critical_rows"] == 1
    assert found["sentiment"]["macro_f1"]["mine"] > 50
    assert "umsab_val_mean" not in found["sentiment"]
    assert "language_accuracy" not in found
    assert found["size"]["artefact_mb"] <= 15
    assert json.loads(json.dumps(found)) == found


def test_files_that_the_model_learnt_give_the_figures_of_the_build(folder: Path) -> None:
    digest = labelled.digests(folder)[labelled.TRIAGE]
    figures = {"needs_answer": {"auc": 12.5}, "urgency": {"auc": 34.5}}
    settings = {"figures": figures, "trained_on": {labelled.TRIAGE: digest}}
    artefact = shipped()
    model = Model(replace(artefact, settings={**artefact.settings, **settings}))
    found = metrics.evaluate(folder, model)
    assert found["from_build"] == ["needs_answer", "urgency"]
    assert found["needs_answer"] == {"auc": 12.5}
    assert found["complaint"]["auc"] >= 75


def test_an_empty_folder_is_measured_too(tmp_path: Path) -> None:
    found = metrics.evaluate(tmp_path)
    assert found["sentiment"] == {"macro_f1": {}}
    assert "speed" not in found


def test_what_is_held_back_stays_the_same() -> None:
    held = [n for n in range(2000) if labelled.in_tenth(f"some text number {n}")]
    assert 120 < len(held) < 280
    row = {"source": labelled.LIKE_ENGLISH, "text": f"@user some text number {held[0]} http"}
    assert labelled.held_english(row)
    assert not labelled.held_english({**row, "source": "twitter-2013train-A"})
    assert labelled.held_english({"source": labelled.HARD_ENGLISH, "text": "x"})
