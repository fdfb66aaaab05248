"""Says in which language a text is written.

Promise: the answer is an ISO 639 code, or `und` where the text is too short or the guess too weak.
Everyday words are counted first, because that costs next to nothing; py3langid decides where they
do not. Its model is read once, at the first text that needs it, and sees at most 200 characters.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from py3langid.langid import LanguageIdentifier

from careline.triage.lexicon.lists import LANGUAGES, lists

if TYPE_CHECKING:
    from careline.triage.lexicon.words import Words

UNKNOWN: Final = "und"
SEEN_MAX: Final = 200
CONFIDENCE_MIN: Final = 0.5
LETTERS_MIN: Final = 6
_COMMON_MIN: Final = 3
_LEAD_MIN: Final = 2
_TOKENS_SEEN: Final = 40


def language_of(words: Words, hint: str | None = None) -> str:
    """Return the language of a text; the network's own guess is used where we have none."""
    counted = _by_common_words(words.tokens[:_TOKENS_SEEN])
    if counted is not None:
        return counted
    text = " ".join(words.plain.split())[:SEEN_MAX]
    if len(text) >= LETTERS_MIN:
        language, confidence = identifier().classify(text)
        if confidence >= CONFIDENCE_MIN:
            return str(language)
    return hint or UNKNOWN


@lru_cache(maxsize=1)
def identifier() -> Any:
    """Return the loaded model, which py3langid ships."""
    return LanguageIdentifier.from_model_file("data/model.npz.xz", norm_probs=True)


@lru_cache(maxsize=1)
def _common() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language in LANGUAGES:
        for word in lists()[language]["stopwords"]:
            found[str(word)] = (*found.get(str(word), ()), language)
    return found


def _by_common_words(tokens: list[str]) -> str | None:
    """Return the language whose everyday words clearly prevail, if one does."""
    common = _common()
    votes: dict[str, int] = {}
    for token in tokens:
        for language in common.get(token, ()):
            votes[language] = votes.get(language, 0) + 1
    if not votes:
        return None
    first = max(votes, key=votes.__getitem__)
    most = votes.pop(first)
    second = max(votes.values(), default=0)
    return first if most >= max(_COMMON_MIN, _LEAD_MIN * second + 1) else None
