"""Which topic's example a message is nearest to, and whether it is one of many alike.

Promise: what is remembered is a fixed number of vectors, never a text; the same messages in the
same order get the same answers.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from careline.triage.rules.rulebook import Emerging, TopicWords
    from careline.triage.topics.spaces import Space


class Examples:
    """Messages of which the brand has said what they are about."""

    def __init__(self, topics: Mapping[str, TopicWords], space: Space) -> None:
        """Place them."""
        placed = [(name, text) for name, topic in topics.items() for text in topic.examples]
        self._names = [name for name, _ in placed]
        self._rows = space([text for _, text in placed]) if placed else None

    def nearest(self, vectors: NDArray[np.float32]) -> list[tuple[str, float]]:
        """Return the topic of the nearest example of each vector, and how near it is."""
        if self._rows is None:
            return [("", 0.0)] * len(vectors)
        nearness = vectors @ self._rows.T
        return [
            (self._names[best], float(nearness[place, best]))
            for place, best in enumerate(nearness.argmax(axis=1).tolist())
        ]


class Recent:
    """The latest messages without a topic, as a ring of vectors."""

    def __init__(self, rule: Emerging) -> None:
        """Remember as many as the rule says."""
        self._rule = rule
        self._ring: NDArray[np.float32] | None = None
        self._seen = 0
        self._lock = threading.Lock()

    def alike(self, vectors: NDArray[np.float32]) -> list[int]:
        """Return how many earlier messages each one is alike, and remember it."""
        with self._lock:
            return [self._one(vector) for vector in vectors]

    def _one(self, vector: NDArray[np.float32]) -> int:
        if self._ring is None:
            self._ring = np.zeros((self._rule.among, len(vector)), dtype=np.float32)
        number = int((self._ring @ vector >= self._rule.alike).sum())
        self._ring[self._seen % self._rule.among] = vector
        self._seen += 1
        return number


class Near:
    """Examples first; what is near none of them may be one of many alike."""

    def __init__(self, topics: Mapping[str, TopicWords], rule: Emerging, space: Space) -> None:
        """Place the examples."""
        self._rule = rule
        self._space = space
        self._examples = Examples(topics, space)
        self._recent = Recent(rule)

    def __call__(self, texts: Sequence[str]) -> list[tuple[str, float, int]]:
        """Return for each text a topic and how near it is, or how many recent ones are alike."""
        vectors = self._space(texts)
        nearest = self._examples.nearest(vectors)
        far = [place for place, (_, near) in enumerate(nearest) if near < self._rule.near_example]
        alike = dict(zip(far, self._recent.alike(vectors[far]), strict=True)) if far else {}
        return [
            ("", 0.0, alike[place]) if place in alike else (name, near, 0)
            for place, (name, near) in enumerate(nearest)
        ]
