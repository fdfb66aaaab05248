"""A built model takes the place of a worse one, and of no better one."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from careline.triage.model.classifier import Model
from careline.triage.model.file import NAME, Artefact, Table, read, save, shipped
from careline.triage.quality import labelled, metrics
from training.place import in_place, put, worth

LABELS = ("negative", "neutral", "positive")
TEXTS = {
    "negative": "I hate it, worst service ever",
    "neutral": "the shop opens at nine tomorrow",
    "positive": "I love it, thank you, great work!",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with UMSAB's languages, a row of each label."""
    place = tmp_path / "data"
    place.mkdir()
    with gzip.open(place / "sentiment_umsab.tsv.gz", "wt", encoding="utf-8") as file:
        file.write("split\tlang\tlabel\ttext\n")
        for name in labelled.UMSAB:
            file.writelines(f"val\t{name}\t{label}\t{TEXTS[label]}\n" for label in LABELS)
    return place


def broken(artefact: Artefact) -> Artefact:
    """The same model, its n-grams and its mix turned against it."""
    rows = artefact.grams.rows.copy()
    rows[:, :3] = -rows[:, :3]
    mix = artefact.dense["mix"].copy()
    mix[1] = 0
    return replace(
        artefact,
        grams=Table(rows, artefact.grams.step),
        dense={**artefact.dense, "mix": mix},
        version="worse",
    )


def figures(artefact: Artefact, folder: Path) -> dict[str, object]:
    found = metrics.evaluate(folder, Model(artefact))
    speed = {"sentiment_only_per_s": 1, "all_heads_per_s": 1, "single_ms": 1}
    sentiment = {"semeval_en_ece": 0.0, **found["sentiment"]}
    return {**found, "sentiment": sentiment, "speed": speed}


def test_a_worse_model_does_not_replace_the_one_in_place(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out" / NAME
    good = shipped()
    bad = broken(good)
    assert worth(figures(bad, folder)) < worth(figures(good, folder))
    assert put(path, good, figures(good, folder), folder, force=False)
    assert not put(path, bad, figures(bad, folder), folder, force=False)
    assert read(path.read_bytes()).version == good.version
    assert "in place is better" in capsys.readouterr().out
    assert put(path, bad, figures(bad, folder), folder, force=True)
    assert read(path.read_bytes()).version == "worse"
    assert put(path, good, figures(good, folder), folder, force=False)
    assert read(path.read_bytes()).version == good.version


def test_the_card_names_no_folder_and_tells_what_was_missed(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "out" / NAME
    bad = broken(shipped())
    put(path, bad, figures(bad, folder), folder, force=False)
    told = path.with_suffix(".md").read_text(encoding="utf-8")
    assert str(folder) not in told
    assert "| missed |" in told
    assert "sentiment_umsab.tsv.gz" in told


def test_a_file_of_other_code_does_not_count(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / NAME
    assert in_place(path, folder) is None
    whole = shipped()
    save(replace(whole, grams=Table(whole.grams.rows[:8], whole.grams.step)), path)
    assert in_place(path, folder) is None
    save(whole, path)
    assert in_place(path, folder) == pytest.approx(worth(figures(whole, folder)))
    assert np.isfinite(in_place(path, folder) or np.nan)
