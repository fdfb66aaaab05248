"""Reads files of real support posts and says who wrote to whom in which conversation.

Promise: every line of the file comes out exactly once, as a post or as malformed, in an order in
which a parent never follows its reply; every customer's post belongs to exactly one brand. Pure but
for opening the file: no server is needed.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

HANDLE = re.compile(r"@([A-Za-z0-9_]{2,32})")
PARTS = {"spotify": "SpotifyCares"}
"""Parts of the data that are all addressed to one brand and do not hold its side."""

ALIASES = {
    "id": ("id", "tweet_id"),
    "author": ("author_id", "author", "username"),
    "inbound": ("inbound",),
    "created_at": ("created_at", "time"),
    "text": ("text",),
    "parent": ("in_reply_to", "in_response_to_tweet_id"),
    "conversation": ("conversation", "conversation_id"),
    "company": ("company", "brand"),
    "part": ("part",),
}


LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class StreamPost:
    """One line of the file as a post, with what was worked out about it."""

    line: int
    id: str
    author: str
    inbound: bool
    created_at: datetime | None
    text: str
    parent: str | None = None
    conversation: str | None = None
    company: str | None = None
    part: str | None = None
    at: datetime = LONG_AGO
    root: str = ""
    brand: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """One line of the file that is no post."""

    line: int
    raw: str
    reason: str


@dataclass(slots=True)
class Stream:
    """A whole file, worked out: posts in playing order, what could not be read, the brands."""

    posts: list[StreamPost]
    malformed: list[Malformed]
    brands: list[str]

    @property
    def counts(self) -> dict[str, int]:
        """Count the lines by kind."""
        return {
            "lines": len(self.posts) + len(self.malformed),
            "customers": sum(post.inbound for post in self.posts),
            "own": sum(not post.inbound for post in self.posts),
            "malformed": len(self.malformed),
        }

    def first(self, number: int) -> Stream:
        """Give the beginning of the stream: parents come before replies, so it is whole."""
        posts = self.posts[:number]
        lines = max((post.line for post in posts), default=0)
        malformed = [item for item in self.malformed if item.line <= lines]
        return Stream(posts, malformed, sorted({post.brand for post in posts}))


def read_stream(path: Path, columns: Mapping[str, str] | None = None) -> Stream:
    """Read and work out a .jsonl, .json, .csv or .tsv file, plain or gzip.

    Args:
        path: The file.
        columns: Other names of columns, ours to the file's, such as `{"text": "body"}`.
    """
    names = {ours: (columns.get(ours, ""), *known) if columns else known
             for ours, known in ALIASES.items()}  # fmt: skip
    posts: list[StreamPost] = []
    malformed: list[Malformed] = []
    for number, raw, row in _rows(path):
        try:
            posts.append(_post(number, row, names))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            malformed.append(Malformed(number, raw, f"{type(error).__name__}: {error}"))
    return _worked_out(posts, malformed)


def _rows(path: Path) -> Iterator[tuple[int, str, object]]:
    raw = path.read_bytes()
    data = gzip.decompress(raw) if path.name.endswith(".gz") else raw
    text = data.decode("utf-8", "surrogateescape")
    kind = path.name.removesuffix(".gz").rpartition(".")[2]
    if kind in {"csv", "tsv"}:
        delimiter = "\t" if kind == "tsv" else ","
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
        for number, row in enumerate(reader, start=1):
            yield number, json.dumps(row, ensure_ascii=True), row
        return
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line, _object(line)


def _object(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _post(number: int, row: object, names: Mapping[str, Iterable[str]]) -> StreamPost:
    if not isinstance(row, dict):
        message = "the line is not an object"
        raise TypeError(message)

    def value(name: str) -> object:
        return next((row[key] for key in names[name] if row.get(key) not in (None, "")), None)

    inbound = str(value("inbound")).lower() not in {"false", "0", "no"}
    author, text = value("author") or (None if inbound else value("company")), value("text")
    if author is None or not isinstance(text, str):
        message = "author or text is missing"
        raise ValueError(message)

    def optional(name: str) -> str | None:
        given = value(name)
        return None if given is None else str(given)

    return StreamPost(
        line=number,
        id=str(value("id") or f"line-{number}"),
        author=str(author),
        inbound=inbound,
        created_at=_time(value("created_at")),
        text=text,
        parent=optional("parent"),
        conversation=optional("conversation"),
        company=optional("company"),
        part=optional("part"),
    )


def _time(value: object) -> datetime | None:
    if value is None:
        return None
    text = str(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _worked_out(posts: list[StreamPost], malformed: list[Malformed]) -> Stream:
    by_id: dict[str, StreamPost] = {}
    for post in posts:
        if post.id in by_id:
            malformed.append(Malformed(post.line, json.dumps(post.text), "the id is repeated"))
        else:
            by_id[post.id] = post
    posts = list(by_id.values())
    _link_conversations(posts)
    ordered = _ordered(posts, by_id)
    brands = _brands(posts)
    _assign(ordered, by_id, brands)
    return Stream(ordered, malformed, sorted(set(brands.values())))


def _link_conversations(posts: list[StreamPost]) -> None:
    """Where a file names conversations but no parents, each line answers the one before it."""
    before: dict[str, StreamPost] = {}
    for post in posts:
        if post.conversation is None:
            continue
        previous = before.get(post.conversation)
        if post.parent is None and previous is not None:
            post.parent = previous.id
        before[post.conversation] = post


def _ordered(posts: list[StreamPost], by_id: dict[str, StreamPost]) -> list[StreamPost]:
    """Sort by time; a post without a time, or older than its parent, follows its parent."""
    depth: dict[str, int] = {}
    for post in posts:
        chain: list[StreamPost] = []
        current: StreamPost | None = post
        while current is not None and current.id not in depth and current not in chain:
            chain.append(current)
            current = by_id.get(current.parent or "")
        for link in reversed(chain):
            parent = by_id.get(link.parent or "")
            known = parent is not None and parent.id in depth and parent is not link
            floor = parent.at if known and parent is not None else LONG_AGO
            link.at = max(link.created_at or floor, floor)
            link.root = parent.root if known and parent is not None else link.parent or link.id
            depth[link.id] = depth[parent.id] + 1 if known and parent is not None else 0
    return sorted(posts, key=lambda post: (post.at, depth[post.id], post.line))


def _brands(posts: list[StreamPost]) -> dict[str, str]:
    """List the brands: who writes outbound, who is named as company, who owns a part."""
    names = [post.author for post in posts if not post.inbound]
    names += [post.company for post in posts if post.company]
    names += [PARTS[post.part] for post in posts if post.part in PARTS]
    common = Counter(names)
    return {name.lower(): name for name, _ in reversed(common.most_common())}


def _assign(posts: list[StreamPost], by_id: dict[str, StreamPost], brands: dict[str, str]) -> None:
    """Give every post its brand: its parent's, its thread's, the first it names, its part's."""
    answered: dict[str, str] = {}
    threads: dict[str, str] = {}
    for post in posts:
        if not post.inbound:
            if post.parent:
                answered.setdefault(post.parent, post.author)
            threads.setdefault(post.root, post.author)
    fallback = next(reversed(brands.values()), "brand")
    for post in posts:
        if not post.inbound:
            post.brand = post.author
            continue
        parent = by_id.get(post.parent or "")
        named = next((brands[h] for h in _handles(post.text) if h in brands), None)
        post.brand = (
            post.company
            or (parent.author if parent is not None and not parent.inbound else None)
            or answered.get(post.id)
            or named
            or (parent.brand if parent is not None else None)
            or threads.get(post.root)
            or PARTS.get(post.part or "")
            or fallback
        )


def _handles(text: str) -> Iterator[str]:
    return (name.lower() for name in HANDLE.findall(text))
