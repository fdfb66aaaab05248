"""Those who write to the brand, and the brand's people who answer past careline.

Promise: who writes what and when follows from the seed alone.
"""

from __future__ import annotations

from itertools import count

from tests.simulation.outside import Network, Post
from tests.simulation.world import MINUTE, SECOND, World

LETTERS = "!hhnnnnll"


class Customers:
    """Authors in threads, each with a few posts."""

    def __init__(self, world: World, network: Network, *, authors: int, active: int) -> None:
        """Let so many authors write within the active time."""
        self._world = world
        self._network = network
        self._dice = world.dice("customers")
        self._ids = count(1000)
        self._active = active
        number = 0
        while number < authors:
            size = min(self._dice.choice((1, 1, 1, 2, 4)), authors - number)
            begin = self._dice.randint(0, active)
            root = str(next(self._ids))
            for place in range(size):
                number += 1
                delay = 0 if place == 0 else self._dice.randint(0, 5 * MINUTE)
                native_id = root if place == 0 else str(next(self._ids))
                self._write(f"a{number}", root, native_id, begin + delay, first=True)

    def _write(self, author: str, root: str, native_id: str, at: int, *, first: bool) -> None:
        dice = self._dice
        query = dice.random() < (0.9 if first else 0.7)
        text = self._text(native_id, 0, query=query)
        post = Post(native_id, author, root, text, at, created_at=at)
        self._world.at(at, lambda: self._network.appear(post))
        if dice.random() < 0.08:
            self._edit(post, at + dice.randint(2 * SECOND, 15 * MINUTE))
        if dice.random() < 0.04:
            self._delete(post, at + dice.randint(2 * SECOND, 15 * MINUTE))
        if dice.random() < 0.12:
            self._answer(post, at + dice.randint(1 * SECOND, 10 * MINUTE))
        if dice.random() < 0.22:
            later = at + dice.randint(5 * SECOND, 20 * MINUTE)
            self._write(author, root, str(next(self._ids)), later, first=False)

    def _text(self, native_id: str, revision: int, *, query: bool) -> str:
        mark = "?" if query else "."
        return f"{mark}{self._dice.choice(LETTERS)} {native_id}.{revision}"

    def _edit(self, post: Post, at: int) -> None:
        for revision in range(1, self._dice.choice((2, 2, 3))):
            text = self._text(post.native_id, revision, query=self._dice.random() < 0.9)
            edited = Post(
                post.native_id,
                post.author,
                post.root,
                text,
                at,
                revision=revision,
                kind="edited",
                created_at=post.created_at,
            )
            self._world.at(at, lambda edited=edited: self._network.appear(edited))  # type: ignore[misc]
            at += self._dice.randint(1 * SECOND, 2 * MINUTE)

    def _delete(self, post: Post, at: int) -> None:
        gone = Post(post.native_id, post.author, post.root, "", at, kind="deleted")
        self._world.at(at, lambda: self._network.appear(gone))

    def _answer(self, post: Post, at: int) -> None:
        """Somebody of the brand answers in the network's own app."""
        own = Post(
            str(next(self._ids)),
            "acme",
            post.root,
            f"typed in the app {post.native_id}",
            at,
            in_reply_to=post.native_id,
            kind="posted",
            created_at=at,
        )
        self._world.at(at, lambda: self._network.appear(own))
