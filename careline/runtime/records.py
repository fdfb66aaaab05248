"""One record as it stands in a topic, and what stands for one that a person has had skipped.

Promise: a stand-in has the offset of the record it stands for and nothing else, so that whoever
counts offsets finds no hole; nothing that was read from a topic is ever taken for one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

STAND_IN: Final = ("careline-skipped", secrets.token_bytes(16))
"""Marks a stand-in, in this process alone: no bytes of a topic can be the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as it stands in a topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int

    @property
    def is_stand_in(self) -> bool:
        """Whether there is nothing here but an offset that a person has had skipped."""
        return STAND_IN in self.headers


def stand_ins(topic: str, partition: int, offsets: Iterable[int]) -> list[Record]:
    """Return what stands for these offsets."""
    return [
        Record(
            topic=topic,
            partition=partition,
            offset=offset,
            key=None,
            value=None,
            headers=(STAND_IN,),
            timestamp_ms=0,
        )
        for offset in offsets
    ]
