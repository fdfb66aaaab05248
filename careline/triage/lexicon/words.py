"""Cuts a text into the words that the lexicon knows.

Promise: linear in the length of the text, which is cut first; handles, links and HTML entities are
no words; any string is accepted, ill-formed ones too.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

TEXT_MAX: Final = 2000
"""Characters that triage reads; a longer text has said what it wants by then."""

_LINK: Final = re.compile(r"(?:https?://|www\.)\S+")
_ENTITY: Final = re.compile(r"&(?:amp|lt|gt|quot|#\d+);")
_HANDLE: Final = re.compile(r"@\w+")
_MASK: Final = re.compile(r"__\w+?__")
_FACE: Final = re.compile(r"[:;=][-']?[()D/|]|[>]:\(|<3|\^\^|D:|\):")
WORD: Final = re.compile(
    r"[^\W_]+(?:['-][^\W_]+)*|[?\uff1f\u061f]|[\u2600-\u27bf\u2b50\U0001f300-\U0001faff]"
)
_ADDRESSED: Final = re.compile(r"\s*\.?@\w+")
QUESTION_MARKS: Final = frozenset("?\uff1f\u061f")


class Words(NamedTuple):
    """A text as triage sees it."""

    plain: str
    """Without handles, links and entities; for the language model."""
    tokens: list[str]
    """Lower-case words, question marks and emoji, in order."""
    faces: list[str]
    """ASCII smileys."""
    addressed: bool
    """Begins with a handle: it is said to somebody."""


def read(text: str) -> Words:
    """Cut a text into words."""
    head = text[:TEXT_MAX]
    if "\u2019" in head:
        head = head.replace("\u2019", "'")
    if "\ufe0f" in head:
        head = head.replace("\ufe0f", "")
    addressed = _ADDRESSED.match(head) is not None
    plain = _bare(head)
    faces = _FACE.findall(plain) if _may_have_face(plain) else []
    return Words(plain, WORD.findall(plain.lower()), faces, addressed)


def _bare(head: str) -> str:
    """Return a text without what is no word; each kind is looked for only where it may be."""
    if "://" in head or "www." in head:
        head = _LINK.sub(" ", head)
    if "&" in head:
        head = _ENTITY.sub(" ", head)
    if "@" in head:
        head = _HANDLE.sub(" ", head)
    return _MASK.sub(" ", head) if "__" in head else head


def _may_have_face(plain: str) -> bool:
    return ":" in plain or "=" in plain or ";" in plain or "<3" in plain or "^^" in plain
