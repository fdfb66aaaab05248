"""The bench of triage: its command line, what it writes, and the committed figures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import triage

ROOT = Path(__file__).parent.parent.parent
KEYS = {
    "made_at",
    "commit",
    "machine",
    "versions",
    "model",
    "load",
    "settings",
    "subjects",
    "ratios",
    "missing",
}
FIGURES = {"batch_texts_per_s", "batch_us_per_text", "single_us_p50", "single_us_p99"}
OURS = {triage.DEFAULT, triage.WORD_LISTS, triage.HEADS, triage.SENTIMENT}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.triage", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def check(found: dict[str, Any]) -> None:
    assert found.keys() == KEYS
    assert found["subjects"].keys() | set(found["missing"]) == OURS | {triage.VADER, triage.TFIDF}
    assert all(figures.keys() == FIGURES for figures in found["subjects"].values())
    assert all(value > 0 for each in found["subjects"].values() for value in each.values())
    assert found["ratios"] == triage.ratios_of(found["subjects"])


def test_a_quick_run_prints_and_writes_every_figure(tmp_path: Path) -> None:
    output = tmp_path / "figures.json"
    done = bench("--quick", "--output", str(output))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads(output.read_text(encoding="utf-8"))
    check(found)


def test_real_texts_can_be_given(tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    texts.write_text('{"text": "my parcel is lost"}\n{"text": "thanks"}\n', encoding="utf-8")
    done = bench("--quick", "--texts", str(texts))
    assert json.loads(done.stdout)["settings"]["corpus"] == "file"


def test_an_unknown_option_is_refused() -> None:
    done = bench("--quikc")
    assert done.returncode == 2
    assert "--quikc" in done.stderr


@pytest.fixture(scope="module")
def committed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(triage.FILE.read_text(encoding="utf-8"))
    return found


def test_the_committed_figures_are_complete_and_of_a_full_run(committed: dict[str, Any]) -> None:
    check(committed)
    assert committed["missing"] == []
    assert committed["settings"]["rounds"] == triage.FULL.rounds
    assert committed["settings"]["batch"] == 256


def test_the_model_is_faster_than_the_tfidf_logistic_that_it_is_better_than(
    committed: dict[str, Any],
) -> None:
    assert committed["ratios"][f"{triage.HEADS} / {triage.TFIDF}"]["batch"] > 1
