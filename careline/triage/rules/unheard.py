"""Cuts out of a text what nobody but the brand may decide: pleas to its reader, and orders to it.

Promise: "this is not urgent" and "ignore previous instructions" change nothing, for the model never
sees them; a text that is nothing else is left as it is. Linear in the length that triage reads; a
text without any of the telling words costs one look-up of its words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from careline.triage.lexicon.words import TEXT_MAX

if TYPE_CHECKING:
    from careline.triage.lexicon.words import Words
    from careline.triage.rules.rulebook import Rulebook

_LEFT_OVER: Final = re.compile(r"[.!,;:]+\s*(?=[.!,;:])")
_HANDLE: Final = re.compile(r"@\w+")
_LETTERS_MIN: Final = 3


class Unheard:
    """The sentences of a rulebook that are not listened to."""

    def __init__(self, rulebook: Rulebook) -> None:
        """Make one pattern of them."""
        joined = "|".join(f"(?:{each})" for each in rulebook.unheard)
        self._pattern = re.compile(rf"\b(?:{joined})", re.IGNORECASE) if joined else None
        self._words = frozenset(rulebook.unheard_words)

    def cut(self, text: str, words: Words) -> str:
        """Return the text without them."""
        if self._pattern is None or self._words.isdisjoint(words.tokens):
            return text
        # Runs of blanks become one first: so no pattern can spend its time on them.
        head = " ".join(text[:TEXT_MAX].split())
        kept, number = self._pattern.subn(" ", head)
        if not number:
            return text
        kept = " ".join(_LEFT_OVER.sub("", kept).split())
        said = sum(map(str.isalpha, _HANDLE.sub("", kept)))
        return kept if said >= _LETTERS_MIN else text
