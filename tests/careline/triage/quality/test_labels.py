"""Files of labels go out and come back the same, harmless to spreadsheets, or are refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from careline.runtime.errors import ConfigurationError
from careline.triage.quality.labels import COLUMNS, Labelled, read, written
from schemas.triage import Sentiment, Urgency

ROW = Labelled(
    mention_id="x:acme:1",
    case_id="s01-0000000000000000-1",
    said_query=True,
    said_sentiment=Sentiment.NEGATIVE,
    said_urgency=Urgency.HIGH,
    text='=cmd|"/C calc"!A0, \n"quoted" @acme',
    query=False,
    sentiment=Sentiment.POSITIVE,
)
names = st.sampled_from(["labels.jsonl", "labels.csv"])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=60)


@given(name=names, text=texts)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read(name: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / name
    rows = [ROW, ROW.model_copy(update={"text": text, "query": None, "sentiment": None})]
    path.write_text(written(rows, path), encoding="utf-8", newline="")
    assert read(path) == rows
    assert [row.is_labelled for row in read(path)] == [True, False]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    made = written([ROW.model_copy(update={"text": text})], Path("a.csv"))
    (row,) = csv.DictReader(io.StringIO(made, newline=""))
    assert row["text"] == "'" + text.replace("\r", "\n")
    assert (row["query"], row["said_query"]) == ("no", "yes")
    assert tuple(row) == COLUMNS


def test_what_a_spreadsheet_makes_of_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "\ufeffmention_id,query,sentiment,urgency,mine\n"
        "x:acme:1, YES ,Negative,HIGH,note\n"
        "x:acme:2,0,,,\n"
        "x:acme:3,,,\n",
        encoding="utf-8",
    )
    first, second, third = read(path)
    assert (first.query, first.sentiment, first.urgency) == (
        True,
        Sentiment.NEGATIVE,
        Urgency.HIGH,
    )
    assert (second.query, second.sentiment, second.urgency) == (False, None, None)
    assert not third.is_labelled


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "mention_id,query\nx,yes\nx,maybe\n", "line 3: query: 'maybe' is neither"),
        ("a.csv", "mention_id,query,urgency\nx,yes,asap\n", "line 2: urgency"),
        ("a.csv", "query\nyes\n", "line 2: mention_id"),
        ("a.jsonl", '{"mention_id": "x"}\n{"mention\n', "line 2: no JSON object"),
        ("a.jsonl", "[" * 100_000, "line 1: no JSON object"),
        ("a.jsonl", "[1]\n", "line 1"),
        ("a.jsonl", '{"mention_id": "x", "query": 7}', "line 1: query"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    name: str, text: str, says: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        read(path)
    assert says in str(raised.value)


def test_a_fault_quotes_no_customer(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"mention_id": "x", "text": ["secret words"]}', encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        read(path)
    assert "secret" not in f"{raised.value} {raised.value.hint}"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.csv: cannot be read"):
        read(tmp_path / "none.csv")
