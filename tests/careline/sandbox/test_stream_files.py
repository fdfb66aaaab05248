"""Files of real posts: every line comes out once, assigned and in order."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from careline.sandbox.feeder import in_order
from careline.sandbox.stream_files import Malformed, Stream, read_stream

THREAD = [
    {"id": "3", "author_id": "77", "inbound": True, "created_at": "2017-10-31T10:05:00Z",
     "text": "@Delta still waiting", "in_reply_to": "2", "part": "multi"},
    {"id": "1", "author_id": "77", "inbound": True, "created_at": "2017-10-31T10:00:00Z",
     "text": "my bag is gone @AlaskaAir", "in_reply_to": None, "part": "multi"},
    {"id": "2", "author_id": "Delta", "inbound": False, "created_at": "2017-10-31T10:02:00Z",
     "text": "@77 sorry!", "in_reply_to": "1", "part": "multi"},
    {"id": "9", "author_id": "5", "inbound": True, "created_at": "2017-10-31T10:03:00Z",
     "text": "@SpotifyCares no sound", "in_reply_to": "8", "part": "spotify"},
    {"id": "10", "author_id": "6", "inbound": True, "created_at": "2017-10-31T10:04:00Z",
     "text": "no handle at all", "in_reply_to": None, "part": "spotify"},
]  # fmt: skip


def written(path: Path, lines: list[object]) -> Stream:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return read_stream(path)


def test_posts_come_in_order_and_belong_to_one_brand(tmp_path: Path) -> None:
    stream = written(tmp_path / "s.jsonl.gz", list(THREAD))
    assert [post.id for post in stream.posts] == ["1", "2", "9", "10", "3"]
    assert {post.id: post.brand for post in stream.posts} == {
        "1": "Delta", "2": "Delta", "3": "Delta", "9": "SpotifyCares", "10": "SpotifyCares",
    }  # fmt: skip
    assert {post.id: post.root for post in stream.posts} == {
        "1": "1", "2": "1", "3": "1", "9": "8", "10": "10",
    }  # fmt: skip
    assert stream.counts == {"lines": 5, "customers": 4, "own": 1, "malformed": 0}


def test_a_conversation_without_parents_is_a_chain_and_its_answer_has_no_time(
    tmp_path: Path,
) -> None:
    base = {"conversation": "c1", "company": "Google"}
    lines = [
        {"id": "b", "author_id": "Google", "inbound": False, "created_at": None, "text": "hi"},
        {"id": "a", "author_id": "cu", "inbound": True, "created_at": "2020-04-01T15:00:00Z",
         "text": "@user help"},
    ]  # fmt: skip
    lines.reverse()
    stream = written(tmp_path / "s.jsonl", [{**line, **base} for line in lines])
    assert [(post.id, post.parent, post.brand) for post in stream.posts] == [
        ("a", None, "Google"), ("b", "a", "Google"),
    ]  # fmt: skip
    assert stream.posts[1].created_at is None
    assert stream.posts[1].at == stream.posts[0].at


def test_an_own_line_without_author_is_the_companys(tmp_path: Path) -> None:
    line = {"id": "a", "author_id": None, "company": "Google", "inbound": False, "text": "hi"}
    assert written(tmp_path / "s.jsonl", [line]).posts[0].author == "Google"


def test_every_malformed_line_is_counted_and_keeps_its_place(tmp_path: Path) -> None:
    lines = ["{broken", THREAD[1], "[1, 2]", '"text"', {"id": "x", "text": 7}, THREAD[1]]
    stream = written(tmp_path / "s.jsonl", lines)
    assert stream.counts == {"lines": 6, "customers": 1, "own": 0, "malformed": 5}
    order = [("bad" if isinstance(item, Malformed) else "post") for item in in_order(stream)]
    assert order == ["bad", "post", "bad", "bad", "bad", "bad"]


def test_a_parent_younger_than_its_reply_still_comes_first(tmp_path: Path) -> None:
    child = {**THREAD[0], "created_at": "2017-10-30T00:00:00Z"}
    stream = written(tmp_path / "s.jsonl", [child, *THREAD[1:3]])
    assert [post.id for post in stream.posts] == ["1", "2", "3"]


def test_a_circle_of_replies_ends(tmp_path: Path) -> None:
    lines = [
        {**THREAD[1], "id": "1", "in_reply_to": "2"},
        {**THREAD[1], "id": "2", "in_reply_to": "1"},
    ]
    assert len(written(tmp_path / "s.jsonl", list(lines)).posts) == 2


def test_csv_with_the_names_of_the_original_data(tmp_path: Path) -> None:
    path = tmp_path / "twcs.csv"
    path.write_text(
        "tweet_id,author_id,inbound,created_at,text,response_tweet_id,in_response_to_tweet_id\n"
        '1,115712,True,Tue Oct 31 22:10:47 +0000 2017,"@sprintcare, line\nbreak",2,\n'
        "2,sprintcare,False,Tue Oct 31 22:11:45 +0000 2017,@115712 hello,,1\n"
    )
    stream = read_stream(path)
    assert [(p.author, p.inbound, p.parent) for p in stream.posts] == [
        ("115712", True, None), ("sprintcare", False, "1"),
    ]  # fmt: skip
    assert stream.posts[0].created_at is not None


def test_other_columns_by_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("key,who,body\n1,jo,@Acme help\n")
    stream = read_stream(path, {"id": "key", "author": "who", "text": "body"})
    assert (stream.posts[0].id, stream.posts[0].author) == ("1", "jo")


def test_the_beginning_of_a_stream_is_whole(tmp_path: Path) -> None:
    stream = written(tmp_path / "s.jsonl", [*THREAD, "{broken"]).first(2)
    assert [post.id for post in stream.posts] == ["1", "2"]
    assert stream.brands == ["Delta"]
