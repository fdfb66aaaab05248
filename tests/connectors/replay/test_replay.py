"""Files of posts: both shapes of real data, other columns, malformed lines, pace."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from careline.runtime.clock import FakeClock
from careline.runtime.errors import ConfigurationError
from connectors.base import Page
from connectors.replay.config import ReplayConfig, speed_of
from connectors.replay.connector import ReplayConnector
from connectors.replay.rows import read_rows
from schemas.mentions import BrandPosted

Row = dict[str, Any]


def write(path: Path, rows: list[Row | str]) -> Path:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    data = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def tweet(number: int | str, text: str, **more: Any) -> Row:
    return {
        "id": str(number),
        "author_id": "115",
        "inbound": True,
        "created_at": "2017-10-31T22:10:47Z",
        "text": text,
        "in_reply_to": None,
    } | more


async def read_all(path: Path, **settings: Any) -> list[Page]:
    connector = ReplayConnector(ReplayConfig(path=path, **settings), clock=FakeClock())
    await connector.start()
    pages: list[Page] = []
    cursor = "0"
    while not pages or not pages[-1].done:
        pages.append(await connector.read("file", cursor, sweep=False))
        cursor = pages[-1].cursor_after
    return pages


async def records(path: Path, **settings: Any) -> dict[str, Any]:
    pages = await read_all(path, **settings)
    return {record.native_id: record for page in pages for record in page.records}


async def test_a_stream_with_parents_gives_each_customer_one_brand(tmp_path: Path) -> None:
    rows: list[Row | str] = [
        tweet(1, "@Delta my bag is gone"),
        tweet(2, "@115 sorry to hear", author_id="Delta", inbound=False, in_reply_to="1"),
        tweet(3, "still gone", in_reply_to="2"),
        tweet(4, "me too @someone", author_id="9", in_reply_to="1"),
        tweet(5, "no brand named", part="spotify"),
        tweet(6, "@DELTA and @Tesco", author_id="8"),
        tweet(7, "we love you", author_id="Tesco", inbound=False),
        tweet(8, "an answer to what is not here", in_reply_to="99"),
        tweet(9, "another one", in_reply_to="99", author_id="7"),
        tweet(10, "@99 hi", author_id="Tesco", inbound=False, in_reply_to="99"),
    ]
    found = await records(write(tmp_path / "s.jsonl.gz", rows))
    accounts = {native_id: record.account for native_id, record in found.items()}
    assert accounts == {
        "1": "Delta",
        "2": "Delta",
        "3": "Delta",
        "4": "Delta",
        "5": "SpotifyCares",
        "6": "Delta",
        "7": "Tesco",
        "8": "Tesco",
        "9": "Tesco",
        "10": "Tesco",
    }
    roots = {native_id: record.conversation.root for native_id, record in found.items()}
    assert roots["4"] == roots["3"] == roots["2"] == "1"
    assert roots["8"] == roots["9"] == roots["10"] == "99"
    assert isinstance(found["2"], BrandPosted)
    assert found["2"].in_reply_to == "1"


async def test_in_conversations_an_own_message_answers_the_customers_before_it(
    tmp_path: Path,
) -> None:
    shared = {"conversation": "dev0", "company": "TeamYouTube"}
    rows: list[Row | str] = [
        tweet("dev0-0", "help", **shared),
        tweet("dev0-1", "please", **shared),
        tweet("dev0-2", "@c one", author_id="TeamYouTube", inbound=False, **shared),
        tweet("dev0-a", "@c two", author_id="TeamYouTube", inbound=False, **shared)
        | {"created_at": None},
    ]
    found = await records(write(tmp_path / "c.jsonl", rows))
    assert found["dev0-2"].in_reply_to == "dev0-1"
    assert found["dev0-a"].in_reply_to == "dev0-1"
    assert found["dev0-a"].created_at > found["dev0-1"].created_at
    assert {each.conversation.root for each in found.values()} == {"dev0"}
    assert {each.account for each in found.values()} == {"TeamYouTube"}


async def test_csv_with_other_columns(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text(
        "number,who,body,firm,when\n"
        '1,ann,"two\nlines, ""quoted""",acme,2026-01-02 03:04:05\n'
        "2,bob,plain,acme,Tue Oct 31 22:10:47 +0000 2017\n"
    )
    columns = {"id": "number", "author": "who", "text": "body", "company": "firm"}
    found = await records(path, columns={**columns, "created_at": "when"})
    assert found["1"].text == 'two\nlines, "quoted"'
    assert found["1"].created_at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert found["2"].created_at.isoformat() == "2017-10-31T22:10:47+00:00"


async def test_malformed_lines_cost_only_themselves_and_are_numbered(tmp_path: Path) -> None:
    rows: list[Row | str] = [
        tweet(1, "@acme fine", company="acme"),
        '{"id": "2", "text": ',
        "",
        "[1, 2]",
        tweet(5, "@acme bad time", created_at="yesterday"),
        {"id": "6", "text": "nobody wrote this"},
        tweet(7, "") | {"text": None},
        tweet(1, "@acme the same id again"),
        tweet(9, "@acme \ud83d lone"),
        "null",
        "[" * 100_000,
    ]
    pages = await read_all(write(tmp_path / "bad.jsonl", rows))
    garbage = {item.position: item.reason for page in pages for item in page.garbage}
    assert garbage == {
        "2": "not_an_object",
        "4": "not_an_object",
        "5": "invalid:created_at",
        "6": "missing:author",
        "7": "missing:text",
        "8": "repeated_id",
        "10": "not_an_object",
        "11": "not_an_object",
    }
    assert [record.native_id for page in pages for record in page.records] == ["1", "9"]


async def test_bytes_that_are_no_text_spoil_only_their_line(tmp_path: Path) -> None:
    path = tmp_path / "bytes.jsonl"
    good = json.dumps(tweet(1, "@acme fine")).encode()
    path.write_bytes(b"\xff\xfe\x00{\n" + good)
    pages = await read_all(path)
    assert [item.value for page in pages for item in page.garbage] == [b"\xff\xfe\x00{"]
    assert [record.native_id for page in pages for record in page.records] == ["1"]


async def test_every_line_is_heard_once_whatever_the_page_size(tmp_path: Path) -> None:
    rows: list[Row | str] = [tweet(n, f"@acme {n}", company="acme") for n in range(1, 101)]
    path = write(tmp_path / "s.jsonl", rows)
    for size in (1, 7, 100, 1000):
        pages = await read_all(path, page_size=size)
        count = Counter(record.native_id for page in pages for record in page.records)
        assert count == {str(n): 1 for n in range(1, 101)}
        assert pages[-1].cursor_after == "100"


async def test_speed_scales_arrivals_and_shortens_long_silences(tmp_path: Path) -> None:
    rows: list[Row | str] = [
        tweet(1, "@acme", company="acme", created_at="2017-01-01T00:00:00Z"),
        tweet(2, "@acme", company="acme", created_at="2017-01-01T00:02:00Z"),
        tweet(3, "@acme", company="acme", created_at="2018-01-01T00:00:00Z"),
    ]
    clock = FakeClock()
    config = ReplayConfig(path=write(tmp_path / "s.jsonl", rows), speed=60, pause_max_s=5)
    connector = ReplayConnector(config, clock=clock)
    await connector.start()

    async def due(cursor: str) -> list[str]:
        page = await connector.read("file", cursor, sweep=False)
        return [record.native_id for record in page.records]

    assert await due("0") == ["1"]
    assert await due("1") == []
    await clock.advance(1.9)
    assert await due("1") == []
    await clock.advance(0.2)
    assert await due("1") == ["2"]
    await clock.advance(4.5)
    assert await due("2") == []
    await clock.advance(0.5)
    assert await due("2") == ["3"]


@pytest.mark.parametrize(("text", "speed"), [("max", None), ("1", 1.0), ("60", 60.0)])
def test_speed_is_read(text: str, speed: float | None) -> None:
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "fast"])
def test_a_wrong_speed_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        speed_of(text)


def test_an_unknown_column_is_said_so(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", [])
    with pytest.raises(ConfigurationError, match="colour"):
        list(read_rows(path, {"colour": "c"}))
