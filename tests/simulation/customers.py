"""Those who write to the brand, and the brand's people who answer past careline.

Promise: who writes what and when follows from the seed alone. A schedule draws its threads from a
fixed stock of lives, so that thousands of schedules put the same lives under other faults.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from tests.simulation.outside import TYPED, Network, Post
from tests.simulation.world import BEAT, MINUTE, SECOND, World

LETTERS = "!hhnnnnll"
STOCK = 100
"""Different threads in the stock; a schedule of 100 authors has about 55 of them."""
WRITING = 5 * MINUTE
"""In which the threads of the stock begin."""


@dataclass(slots=True)
class Thread:
    """One thread of the stock: what its authors, and the brand in the network's app, post."""

    number: int
    authors: int
    posts: list[Post] = field(default_factory=list)


class Customers:
    """Authors in threads, each with a few posts."""

    def __init__(self, world: World, network: Network, *, authors: int, beat: int = BEAT) -> None:
        """Let so many authors write, at the instants of a beat."""
        dice = world.dice("customers")
        for thread in _drawn(dice, authors):
            # A thread may begin a little later than in the stock, but its posts keep their order.
            late = dice.randrange(BEAT // beat) * beat
            for post in thread.posts:
                world.at(post.at + late, network.appear, post.later(late))


def _drawn(dice: random.Random, authors: int) -> Iterator[Thread]:
    """Yield threads of the stock, no one twice, with so many authors in all."""
    left, drawn = authors, set[int]()
    while left:
        number = dice.randrange(STOCK)
        found = thread(number)
        if number not in drawn and found.authors <= left:
            left -= found.authors
            drawn.add(number)
            yield found


@cache
def thread(number: int) -> Thread:
    """Return a thread of the stock."""
    return _Writer(number).thread


class _Writer:
    """Makes up one thread."""

    def __init__(self, number: int) -> None:
        self._dice = dice = random.Random(f"thread {number}")
        self._ids = 0
        self.thread = Thread(number, dice.choice((1, 1, 1, 2, 4)))
        begin = self._later(0, 0, WRITING)
        root = self._id()
        for place in range(self.thread.authors):
            author = f"a{number:04d}{place}"
            if place == 0:
                self._write(author, root, root, begin, first=True)
            else:
                at = self._later(begin, 0, 2 * MINUTE)
                self._write(author, root, self._id(), at, first=True)

    def _id(self) -> str:
        self._ids += 1
        return f"1{self.thread.number:04d}{self._ids:03d}"

    def _later(self, at: int, least: int, most: int) -> int:
        return at + self._dice.randint(least // BEAT, most // BEAT) * BEAT

    def _write(self, author: str, root: str, native_id: str, at: int, *, first: bool) -> None:
        dice = self._dice
        query = dice.random() < (0.95 if first else 0.7)
        text = self._text(native_id, 0, query=query)
        post = Post(native_id, author, root, text, at, created_at=at)
        self.thread.posts.append(post)
        if dice.random() < 0.08:
            self._edit(post, self._later(at, BEAT, 5 * MINUTE))
        if dice.random() < 0.04:
            gone = self._later(at, BEAT, 5 * MINUTE)
            self.thread.posts.append(
                Post(native_id, author, root, "", gone, kind="deleted", created_at=at)
            )
        if dice.random() < 0.12:
            # In haste every second time: such an answer may be heard before what it answers.
            haste = dice.random() < 0.5
            self._answer(post, at + 5 * SECOND if haste else self._later(at, 0, 5 * MINUTE))
        if dice.random() < 0.15:
            later = self._later(at, BEAT, 8 * MINUTE)
            self._write(author, root, self._id(), later, first=False)

    def _text(self, native_id: str, revision: int, *, query: bool) -> str:
        mark = "?" if query else "."
        return f"{mark}{self._dice.choice(LETTERS)} {native_id}.{revision}"

    def _edit(self, post: Post, at: int) -> None:
        for revision in range(1, self._dice.choice((2, 2, 3))):
            text = self._text(post.native_id, revision, query=self._dice.random() < 0.9)
            self.thread.posts.append(
                Post(
                    post.native_id,
                    post.author,
                    post.root,
                    text,
                    at,
                    revision=revision,
                    kind="edited",
                    created_at=post.created_at,
                )
            )
            at = self._later(at, BEAT, 2 * MINUTE)

    def _answer(self, post: Post, at: int) -> None:
        """Somebody of the brand answers in the network's own app."""
        self.thread.posts.append(
            Post(
                self._id(),
                "acme",
                post.root,
                f"{TYPED}{post.native_id}",
                at,
                in_reply_to=post.native_id,
                kind="posted",
                created_at=at,
            )
        )
