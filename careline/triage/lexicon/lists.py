"""Reads the word lists beside it and finds their words and phrases in a text.

Promise: the lists are read once, then everything is dictionary look-ups: the cost of a text does
not grow with the size of the lists. A phrase is a run of words; `word*` stands for any ending, `..`
for up to four words between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LANGUAGES: Final = ("en", "es", "fr", "de", "pt", "it")
GAP_MAX: Final = 4
_MEMO_MAX: Final = 20_000
STEM_MIN: Final = 3
STEM_MAX: Final = 14
LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads YAML without running code; in C, where PyYAML was built with it."""


class Sign(NamedTuple):
    """Something a lexicon entry says: its kind, its topic if any, and its own words."""

    kind: str
    topic: str
    words: str


class _Step(NamedTuple):
    """One further word of a phrase."""

    gap: bool
    word: str
    stem: bool


_Phrase = tuple[tuple[_Step, ...], Sign]


@dataclass(slots=True)
class Entry:
    """All that a word may mean, alone or as the first of a phrase."""

    signs: tuple[Sign, ...] = ()
    phrases: tuple[_Phrase, ...] = ()
    feeling: int = 0
    negates: bool = False
    intensifies: bool = False
    exact: dict[str, list[_Phrase]] = field(default_factory=dict)
    """Phrases by their second word; nearly all words are followed by none of them."""
    later: dict[str, list[_Phrase]] = field(default_factory=dict)
    """Phrases by their second word, where that may come a few words later."""
    loose: list[_Phrase] = field(default_factory=list)
    """Phrases whose second word is a stem."""

    def arranged(self) -> Entry:
        """Sort the phrases by how their second word is found; once, when the word is looked up."""
        for phrase in self.phrases:
            second = phrase[0][0]
            if second.stem:
                self.loose.append(phrase)
            else:
                table = self.later if second.gap else self.exact
                table.setdefault(second.word, []).append(phrase)
        return self

    def __add__(self, other: Entry) -> Entry:
        """Join two meanings of one word."""
        return Entry(
            self.signs + other.signs,
            self.phrases + other.phrases,
            self.feeling or other.feeling,
            self.negates or other.negates,
            self.intensifies or other.intensifies,
        )


NOTHING: Final = Entry()


@dataclass(slots=True)
class Lexicon:
    """The words of one or several languages."""

    words: dict[str, Entry] = field(default_factory=dict)
    stems: dict[str, Entry] = field(default_factory=dict)
    _memo: dict[str, Entry] = field(default_factory=dict)

    def entry(self, token: str) -> Entry:
        """Return what a word means; `NOTHING` for one that no list has."""
        found = self._memo.get(token)
        if found is None:
            found = self._look_up(token)
            if len(self._memo) >= _MEMO_MAX:
                self._memo.clear()
            self._memo[token] = found
        return found

    def known(self, tokens: list[str]) -> list[tuple[int, Entry]]:
        """Return the words of a text that mean something, with their places."""
        memo, found = self._memo, []
        for place, token in enumerate(tokens):
            entry = memo.get(token)
            if entry is None:
                entry = self.entry(token)
            if entry is not NOTHING:
                found.append((place, entry))
        return found

    def find(self, tokens: list[str]) -> list[tuple[int, Sign]]:
        """Return all that the words and phrases of a text say, with the place of the first word."""
        found: list[tuple[int, Sign]] = []
        last = len(tokens) - 1
        for place, entry in self.known(tokens):
            if entry.signs:
                found += [(place, sign) for sign in entry.signs]
            if (
                entry.phrases
                and place < last
                # Most words that begin a phrase are followed by none of it.
                and (tokens[place + 1] in entry.exact or entry.later or entry.loose)
            ):
                found += [(place, sign) for sign in self.phrases(tokens, place, entry)]
        return found

    def phrases(self, tokens: list[str], start: int, entry: Entry) -> Iterable[Sign]:
        """Give the phrases that begin at a word."""
        at = start + 1
        if at >= len(tokens):
            return ()
        wanted = entry.exact.get(tokens[at])
        if later := entry.later:
            found = [word for word in tokens[at : at + GAP_MAX + 1] if word in later]
            for word in dict.fromkeys(found):
                wanted = [*(wanted or ()), *later[word]]
        if entry.loose:
            wanted = [*(wanted or ()), *entry.loose]
        if wanted is None:
            return ()
        return [sign for steps, sign in wanted if _follows(tokens, at, steps)]

    def _look_up(self, token: str) -> Entry:
        whole = self.words.get(token)
        stems = [
            stem
            for length in range(STEM_MIN, min(len(token), STEM_MAX) + 1)
            if (stem := self.stems.get(token[:length])) is not None
        ]
        if whole is None and not stems:
            return NOTHING
        found = NOTHING if whole is None else whole
        for stem in stems:
            found = found + stem
        return (found + NOTHING).arranged()

    def _put(self, word: str, entry: Entry) -> None:
        stem = word.endswith("*")
        table, key = (self.stems, word[:-1]) if stem else (self.words, word)
        table[key] = table.get(key, NOTHING) + entry

    def add(self, phrase: str, kind: str, topic: str = "") -> None:
        """Put a word or phrase in."""
        parts = phrase.lower().split()
        sign = Sign(kind, topic, phrase.replace(" ..", "").replace("*", ""))
        if len(parts) == 1:
            self._put(parts[0], Entry(signs=(sign,)))
            return
        steps = tuple(
            _Step(parts[number - 1] == "..", part.removesuffix("*"), part.endswith("*"))
            for number, part in enumerate(parts)
            if number > 0 and part != ".."
        )
        self._put(parts[0], Entry(phrases=((steps, sign),)))

    def learn(self, lists: Mapping[str, Any]) -> None:
        """Put one language's lists in."""
        for kind, content in lists.items():
            if kind == "stopwords":
                continue
            if isinstance(content, dict):
                for topic, phrases in content.items():
                    for phrase in phrases:
                        self.add(str(phrase), kind, str(topic))
                continue
            for phrase in content:
                self._learn_plain(kind, str(phrase))

    def _learn_plain(self, kind: str, phrase: str) -> None:
        feelings = {"positive": 1, "negative": -1}
        if kind in feelings and " " not in phrase:
            self._put(phrase.lower(), Entry(feeling=feelings[kind]))
        elif kind == "negation":
            self._put(phrase.lower(), Entry(negates=True))
        elif kind == "intensifier":
            self._put(phrase.lower(), Entry(intensifies=True))
        else:
            self.add(phrase, kind)


def _follows(tokens: list[str], at: int, steps: tuple[_Step, ...]) -> bool:
    for gap, word, stem in steps:
        window = tokens[at : at + GAP_MAX + 1] if gap else tokens[at : at + 1]
        if stem:
            place = next((n for n, token in enumerate(window) if token.startswith(word)), -1)
        else:
            place = window.index(word) if word in window else -1
        if place < 0:
            return False
        at += place + 1
    return True


@lru_cache(maxsize=1)
def lists() -> Mapping[str, Mapping[str, Any]]:
    """Return all word lists by language, and `emoji`."""
    folder = resources.files("careline.triage") / "lexicon"
    texts = {
        name: (folder / f"{name}.yaml").read_text(encoding="utf-8")
        for name in (*LANGUAGES, "emoji")
    }
    return {
        name: yaml.load(text, Loader=LOADER)  # noqa: S506 - it is a safe one
        for name, text in texts.items()
    }


@lru_cache(maxsize=1)
def lexicons() -> Mapping[str, Lexicon]:
    """Return a lexicon for each language (with English, which support talk mixes in) and `und`.

    English words that are common words of the other language are left out there: German "die" is
    no threat. `und` knows all languages.
    """
    every = lists()
    faces = {key: every["emoji"][key] for key in ("positive", "negative")}
    made: dict[str, Lexicon] = {}
    for language in (*LANGUAGES, "und"):
        lexicon = Lexicon()
        lexicon.learn(faces)
        others = LANGUAGES if language == "und" else (language,)
        for other in others:
            lexicon.learn(every[other])
        if language not in {"en", "und"}:
            lexicon.learn(_without(every["en"], frozenset(every[language]["stopwords"])))
        made[language] = lexicon
    return made


def _without(english: Mapping[str, Any], common: frozenset[str]) -> dict[str, Any]:
    def kept(phrases: Iterable[Any]) -> list[str]:
        return [str(phrase) for phrase in phrases if str(phrase) not in common]

    return {
        kind: {topic: kept(phrases) for topic, phrases in content.items()}
        if isinstance(content, dict)
        else kept(content)
        for kind, content in english.items()
        if kind != "stopwords"
    }
