"""The committed figures: complete, consistent, anonymous, and the same as on the page."""

from __future__ import annotations

import re
import socket
import statistics
from pathlib import Path

import pytest

from bench import report, results
from bench.corpus import corpus_of
from bench.quix import environment
from bench.throughput import CARELINE, NOOP, QUIX

ROOT = Path(__file__).parent.parent.parent
KEYS = {
    "made_at",
    "commit",
    "machine",
    "versions",
    "load",
    "settings",
    "throughput",
    "ratios",
    "latency",
    "profile_cpu_us",
    "goals",
}


@pytest.fixture(scope="module")
def found() -> results.Results:
    return results.read()


def test_the_results_have_the_documented_keys(found: results.Results) -> None:
    assert found.keys() == KEYS
    assert found["throughput"].keys() == {CARELINE, NOOP, QUIX}
    assert found["latency"].keys() >= {"per_second", "cards", "p50_ms", "p99_ms", "max_ms"}
    assert found["machine"].keys() == {"system", "architecture", "processor", "cores", "memory_gib"}
    assert found["load"].keys() == {"before", "after"}


def test_every_figure_is_the_median_of_its_five_rounds(found: results.Results) -> None:
    for subject in found["throughput"].values():
        rounds = [each["events_per_s"] for each in subject["rounds"]]
        assert len(rounds) == found["settings"]["rounds"] == 5
        assert subject["events_per_s"] == statistics.median(rounds)


def test_ratios_and_goals_follow_from_the_figures(found: results.Results) -> None:
    assert found["ratios"] == results.ratios_of(found["throughput"])
    assert found["goals"] == results.goals_of(found["ratios"], found["latency"])


def test_the_profile_adds_up_to_the_time_of_an_event(found: results.Results) -> None:
    total = sum(found["profile_cpu_us"].values())
    assert total == pytest.approx(found["throughput"][CARELINE]["cpu_us_per_event"], abs=2)


def test_the_page_quotes_the_committed_figures() -> None:
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.quoted(page, results.read()) == page


def test_nobody_can_tell_whose_machine_it_was() -> None:
    text = results.FILE.read_text(encoding="utf-8")
    assert socket.gethostname() not in text
    assert not re.search(r"/(home|root|tmp|work|usr|Users)\b", text)
    assert "127.0.0.1" not in text


def test_quix_stays_out_of_the_product_and_its_lock_names_no_address() -> None:
    lock = environment.LOCK.read_text(encoding="utf-8")
    assert re.search(r"^quixstreams==3\.28\.\d+ \\$", lock, re.MULTILINE)
    assert "://" not in lock
    product = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    assert "quixstreams" not in product


def test_the_made_texts_are_the_same_each_time_and_none_like_another() -> None:
    first, again = ([each.text for each in corpus_of(None).mentions(500, seed=7)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 400
    lengths = [len(each) for each in first]
    assert min(lengths) < 30
    assert max(lengths) > 150


def test_texts_are_taken_from_a_file_of_either_shape(tmp_path: Path) -> None:
    lines = tmp_path / "posts.jsonl"
    lines.write_text('{"text": "where is my parcel?"}\n\n{"id": 1}\n', encoding="utf-8")
    plain = tmp_path / "posts.txt"
    plain.write_text("one\n\ntwo\n", encoding="utf-8")
    assert corpus_of(lines).texts == ("where is my parcel?",)
    assert corpus_of(plain).texts == ("one", "two")
