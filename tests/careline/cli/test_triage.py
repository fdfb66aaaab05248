"""`careline triage`: figures, reasons, and a calibration, from a shell and without any server."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest

from careline.triage.quality.musts import MUSTS, held_against
from tests.support.here import Here

LETTERS = "abcdefghijklmnopqrst"


def a_table(path: Path, rows: list[dict[str, str]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Here:
    return Here(tmp_path, monkeypatch, capsys)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of our own making, in the form of the real one."""
    folder = tmp_path / "data"
    folder.mkdir()
    asks = [f"@acme my order {letter} never came, where is it?" for letter in LETTERS]
    praises = [f"@acme thank you so much, {letter} is lovely!" for letter in LETTERS]
    rows = [
        {"sample": "random", "part": "own", "kind": kind, "needs_answer": needs, "urgency": urgency}
        | {"text": text}
        for texts, kind, needs, urgency in (
            (asks, "complaint", "yes", "normal"),
            (praises, "thanks", "no", "none"),
            (["@acme I was hacked, help!"] * 5, "complaint", "yes", "critical"),
        )
        for text in texts
    ]
    a_table(folder / "triage_dev.tsv.gz", rows)
    felt = [{"split": "test", "lang": "en", "label": "negative", "text": text} for text in asks]
    felt += [{"split": "test", "lang": "en", "label": "positive", "text": text} for text in praises]
    a_table(folder / "sentiment_own.tsv.gz", felt)
    return folder


def test_every_figure_that_a_folder_allows_is_printed_beside_its_bound(
    here: Here, data: Path
) -> None:
    ran = here.run("triage", "eval", "--data", str(data), "--json")
    assert ran.code == 0, ran.err
    assert {"model", "sentiment", "needs_answer", "urgency", "speed"} <= ran.json.keys()
    assert "complaint" not in ran.json, "there is no file for it"
    assert 0 < ran.json["sentiment"]["macro_f1"]["own"] <= 100
    measures = {row["measure"]: row for row in ran.json["musts"]}
    assert measures["needs-answer, recall of the decision"]["figure"] == 1.0
    assert measures["needs-answer, recall of the decision"]["met"] is True
    assert measures["critical flagged high or more, share"]["figure"] == 1.0


def test_a_folder_that_is_none_is_said_to_be(here: Here) -> None:
    ran = here.run("triage", "eval", "--data", "nowhere")
    assert ran.code == 2
    assert "nowhere: no such folder" in ran.error
    (here.folder / "triage_dev.tsv.gz").write_bytes(b"no gzip")
    ran = here.run("triage", "eval", "--data", ".")
    assert ran.code == 2
    assert "cannot be read as labelled texts" in ran.error


def test_the_bar_is_held_against_what_is_there() -> None:
    assert held_against({}) == []
    figures = {
        "sentiment": {"semeval_en_macro_recall": 65.9, "semeval_en_ece": 4.9},
        "urgency": {"critical_rows": 13, "critical_flagged": 11},
        "speed": {"single_ms": 2.5},
    }
    rows = {row["measure"]: row["met"] for row in held_against(figures)}
    assert rows == {
        "English tweets, macro-recall": False,
        "English tweets, calibration error": True,
        "one text alone, ms": False,
        "critical flagged high or more, share": True,
    }
    assert len({must.name for must in MUSTS}) == len(MUSTS)


def test_a_text_is_explained(here: Here) -> None:
    ran = here.run("triage", "explain", "@acme I was scammed, where is my money?")
    assert ran.code == 0, ran.err
    lines = dict(line.split("  ", 1) for line in ran.out.splitlines() if line[0] != " ")
    assert lines["verdict"].strip().startswith("a query (P")
    assert lines["urgency"].strip() in {"high", "critical"}
    assert "money?" in lines["→ needs_answer"]
    here.set(TRIAGE__CLASSIFIER="rules")
    ran = here.run("triage", "explain", "thanks!", "--json")
    assert (ran.json["model"], ran.json["evidence"]) == ("rules-1", {})


def test_a_calibration_is_fitted_to_labels_and_used(here: Here) -> None:
    rows = [
        {"mention_id": f"x:acme:{n}", "text": f"@acme my order {n} never came?", "query": n % 3 > 0}
        for n in range(90)
    ]
    rows += [
        {"mention_id": f"x:acme:{n}", "text": f"thank you so much {n}", "query": False}
        for n in range(90, 120)
    ]
    (here.folder / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    words = ("triage", "refit", "--out", "calibration.json", "--labels", "labels.jsonl", "--json")
    ran = here.run(*words)
    assert ran.code == 0, ran.err
    assert (ran.json["rows"], ran.json["corrected"]) == (120, 120)
    assert ran.json["needs_answer"]["recall"] >= 0.97
    assert ran.json["needs_answer"]["loss_after"] < ran.json["needs_answer"]["loss_before"]
    text = "@acme my order never came?"
    plain = here.run("triage", "explain", text, "--json").json
    here.set(TRIAGE__CALIBRATION="calibration.json")
    fitted = here.run("triage", "explain", text, "--json").json
    assert fitted["query"] is True
    assert fitted["confidence"] < plain["confidence"], "a third of them were none"


def test_too_few_labels_are_refused(here: Here) -> None:
    (here.folder / "labels.csv").write_text(
        "mention_id,text,query\nx,hello,yes\n", encoding="utf-8"
    )
    ran = here.run("triage", "refit", "--out", "c.json", "--labels", "labels.csv")
    assert ran.code == 2
    assert "too few to learn from" in ran.error
    assert not (here.folder / "c.json").exists()
