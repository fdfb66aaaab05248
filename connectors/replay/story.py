"""Works out of a file's rows who wrote to which brand account, in which thread, answering what.

Promise: pure; every row comes out once, as a post or (its id is repeated) as malformed. A
customer's row belongs to exactly one brand account: the company it names; else the brand it
answers, the one that answers it, the first brand it mentions, its parent's, its thread's, its
part's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from connectors.replay.rows import Malformed, Row

_HANDLE: Final = re.compile(r"@([A-Za-z0-9_]{2,32})")
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_A_LITTLE_LATER: Final = timedelta(seconds=1)
FALLBACK: Final = "brand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """A row with what was worked out about it."""

    row: Row
    account: str
    root: str
    parent: str | None
    """What it answers; for a brand's own post without a parent, the customer's message before."""
    created_at: datetime


@dataclass(slots=True)
class Story:
    """A whole file: posts and malformed lines in the order of their line numbers."""

    items: list[Post | Malformed] = field(default_factory=list)

    def __iter__(self) -> Iterator[Post | Malformed]:
        """Go through the lines."""
        return iter(self.items)


def tell(rows: Iterable[Row | Malformed], *, parts: Mapping[str, str]) -> Story:
    """Work a file out."""
    by_id: dict[str, Row] = {}
    malformed: list[Malformed] = []
    for row in rows:
        if isinstance(row, Malformed):
            malformed.append(row)
        elif row.id in by_id:
            value = row.id.encode("utf-8", "replace")
            malformed.append(Malformed(line=row.line, value=value, reason="repeated_id"))
        else:
            by_id[row.id] = row
    known = list(by_id.values())
    _answer_what_came_before(known)
    roots = _roots(known, by_id)
    accounts = _Accounts(known, by_id, roots, parts)
    times = _times(known)
    posts = [
        Post(
            row=row,
            account=accounts.of(row),
            root=roots[row.id],
            parent=row.parent,
            created_at=times[row.id],
        )
        for row in known
    ]
    items: list[Post | Malformed] = [*posts, *malformed]
    items.sort(key=lambda item: item.line if isinstance(item, Malformed) else item.row.line)
    return Story(items)


def _answer_what_came_before(rows: list[Row]) -> None:
    """Where a file names conversations but no parents: own posts answer the customer before."""
    before: dict[str, Row] = {}
    asked: dict[str, Row] = {}
    for row in rows:
        if row.conversation is None:
            continue
        previous = before.get(row.conversation)
        if row.parent is None and previous is not None:
            question = None if row.inbound else asked.get(row.conversation)
            row.parent = (question or previous).id
        before[row.conversation] = row
        if row.inbound:
            asked[row.conversation] = row


def _roots(rows: list[Row], by_id: Mapping[str, Row]) -> dict[str, str]:
    """Find each row's thread root: the top of its parents, as far as the file has them."""
    roots: dict[str, str] = {}
    for row in rows:
        chain: dict[str, Row] = {}
        current: Row | None = row
        while current is not None and current.id not in roots and current.id not in chain:
            chain[current.id] = current
            current = by_id.get(current.parent or "")
        if current is not None and current.id in roots:
            root = roots[current.id]
        else:
            top = next(reversed(chain.values()))
            # A parent that the file does not hold is the root that all its answers share.
            root = top.conversation or (top.parent if current is None else None) or top.id
        roots.update(dict.fromkeys(chain, root))
    return roots


def _times(rows: list[Row]) -> dict[str, datetime]:
    """Give each row a time: its own, else a little after what it answers or what came before."""
    times: dict[str, datetime] = {}
    last = _LONG_AGO
    for row in rows:
        before = times.get(row.parent or "", last)
        times[row.id] = last = row.created_at or before + _A_LITTLE_LATER
    return times


class _Accounts:
    """To which brand account a row belongs."""

    def __init__(
        self,
        rows: list[Row],
        by_id: Mapping[str, Row],
        roots: Mapping[str, str],
        parts: Mapping[str, str],
    ) -> None:
        self._by_id = by_id
        self._roots = roots
        self._parts = parts
        self._found: dict[str, str] = {}
        self._answered: dict[str, str] = {}
        self._threads: dict[str, str] = {}
        names: Counter[str] = Counter()
        for row in rows:
            if not row.inbound:
                names[row.author] += 1
                self._threads.setdefault(roots[row.id], row.author)
                if row.parent:
                    self._answered.setdefault(row.parent, row.author)
            if row.company:
                names[row.company] += 1
        names.update(dict.fromkeys(parts.values(), 0))
        # Written differently, the commonest spelling is the account's.
        self._brands = {name.lower(): name for name, _ in reversed(names.most_common())}

    def of(self, row: Row) -> str:
        known = self._found.get(row.id)
        if known is None:
            known = self._found[row.id] = self._work_out(row)
        return known

    def _work_out(self, row: Row) -> str:
        if not row.inbound:
            return row.author
        parent = self._by_id.get(row.parent or "")
        return (
            row.company
            or (parent.author if parent is not None and not parent.inbound else None)
            or self._answered.get(row.id)
            or self._named(row)
            or (self._found.get(parent.id) if parent is not None else None)
            or self._threads.get(self._roots[row.id])
            or self._parts.get(row.part or "")
            or FALLBACK
        )

    def _named(self, row: Row) -> str | None:
        handles = (name.lower() for name in _HANDLE.findall(row.text))
        return next((self._brands[name] for name in handles if name in self._brands), None)
