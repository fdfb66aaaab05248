"""The whole product in one command, as a newcomer starts it: the story, and streams."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.command import Ran, careline
from tests.support.kafka.server import KafkaServer
from tests.support.streams import Made, hostile, plausible

pytestmark = pytest.mark.slow
STORY_S = 170.0
STREAM_S = 280.0


def assert_balance(ran: Ran, made: Made) -> None:
    """Check the figures against the file, not only against each other."""
    assert ran.code == 0, f"{ran.out}\n{ran.err}"
    found = ran.json
    assert found["closes"] is True
    assert found["heard"] + found["unreadable"] == made.customers + made.malformed
    assert found["heard"] == found["queries"] + found["not_queries"]
    assert found["queries"] == found["answered"] + found["closed"] + found["open_with_deadline"]
    assert found["unanswered"] == 0
    assert found["cards_duplicate"] == 0
    assert found["cards"] == found["cases"] > 0
    assert found["replies_twice"] == 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]


@pytest.mark.timeout(STORY_S + 10)
def test_the_story_is_told_to_its_end_and_the_balance_closes(tmp_path: Path) -> None:
    ran = careline("demo", cwd=tmp_path, timeout=STORY_S)
    assert ran.code == 0, f"{ran.out}\n{ran.err}"
    words = re.findall(r"^ *\d+\.\d+s  \S+ ([a-z ]+?) {2,}(.*)$", ran.out, re.MULTILINE)
    told = {word for word, _ in words}
    assert told >= {"query", "card", "claimed", "second", "at risk", "breach", "escalated"}
    assert told >= {"reply", "answered", "edited", "closed", "unreadable"}
    lena = [word for word, text in words if "@lena" in text and word != "card"]
    order = ["query", "at risk", "breach", "escalated", "claimed", "reply", "answered"]
    assert list(dict.fromkeys(lena)) == order
    assert "the balance closes" in ran.out
    assert "http://127.0.0.1:" in ran.out


@pytest.mark.timeout(STREAM_S + 10)
def test_a_stream_balances_although_everything_is_killed_once(tmp_path: Path) -> None:
    made = plausible(tmp_path / "posts.jsonl", 300)
    ran = careline(
        *("demo", "--stream", str(made.path), "--speed", "max", "--json"),
        *("--kill", "worker:1", "--kill", "responder:1"),
        *("--kill", "connector:1", "--kill", "valkey:1"),
        cwd=tmp_path,
        timeout=STREAM_S,
    )
    assert_balance(ran, made)
    assert ran.err.count("☠ kill -9") == 4


@pytest.mark.timeout(STREAM_S + 10)
def test_hostile_lines_are_quarantined_or_shown_and_ping_nobody(tmp_path: Path) -> None:
    made = hostile(tmp_path / "hostile.jsonl")
    ran = careline("demo", "--stream", str(made.path), "--json", cwd=tmp_path, timeout=STREAM_S)
    assert_balance(ran, made)
    # The post whose text is empty is no readable post for X's client either.
    assert ran.json["unreadable"] == made.malformed + 1
    assert {"holds": True, "says": "people pinged by customers' words 0 = 0"} in ran.json["balance"]


@pytest.mark.timeout(STREAM_S + 10)
def test_a_stream_without_x_balances_too(tmp_path: Path) -> None:
    made = plausible(tmp_path / "posts.jsonl", 200, seed=2)
    ran = careline(
        *("demo", "--stream", str(made.path), "--direct", "--json"), cwd=tmp_path, timeout=STREAM_S
    )
    assert_balance(ran, made)
    assert ran.json["own_posts"] == made.own


@pytest.mark.kafka
@pytest.mark.timeout(STREAM_S + 60)
def test_a_stream_on_a_real_kafka_balances(own_kafka: KafkaServer, tmp_path: Path) -> None:
    made = plausible(tmp_path / "posts.jsonl", 2000, seed=3)
    ran = careline(
        *("demo", "--stream", str(made.path), "--kafka", own_kafka.bootstrap, "--json"),
        cwd=tmp_path,
        timeout=STREAM_S,
    )
    assert_balance(ran, made)
