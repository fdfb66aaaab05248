"""Finds in a text what the rulebook speaks of: workflows, topics, sums, waits, deadlines.

Promise: pure, one pass over the words, bounded by the 2000 characters that `words` leaves; a word
means what it means in the language of the text, English is understood everywhere, and a text of
unknown language is searched for all of them. What it says of a finding are the rule's own words,
never more of the customer's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from careline.triage.lexicon.language import UNKNOWN
from careline.triage.lexicon.lists import LANGUAGES, Lexicon, lists

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from careline.triage.lexicon.words import Words
    from careline.triage.rules.rulebook import Rulebook

_TOPIC_KINDS: Final = ("critical", "high", "problem")
"""The word lists whose headings are topics, where the brand names none of its own."""
_NO_TOPICS: Final = frozenset({"urgent", "repeated", "leaving"})
"""Headings that say how somebody writes, not about what."""
_HOURS: Final = {"minute": 1 / 60, "hour": 1.0, "day": 24.0, "week": 168.0, "month": 720.0}
_JOINED: Final = re.compile(r"^(\d+)([^\W\d_]+)$")
_SIGN: Final = r"[$\u20ac\u00a3\u00a5\u20b9\u20bd]"
_SIGNED: Final = re.compile(_SIGN)
_AMOUNT: Final = re.compile(
    rf"(?:{_SIGN}|\b(?:rs|r\$|usd|eur|gbp))\.?\s{{0,2}}(\d[\d.,' ]{{0,14}})"
    rf"|(\d[\d.,']{{0,14}})\s{{0,2}}(?:{_SIGN}|(\w{{2,10}}))",
    re.IGNORECASE,
)
_CENTS: Final = re.compile(r"[.,]\d{1,2}$")
_AMOUNTS_MAX: Final = 8
_WAIT_REACH: Final = 4
"""Words between a word of waiting and its time."""
_NUMBER_DIGITS_MAX: Final = 6


@dataclass(slots=True)
class Found:
    """What is in one text."""

    workflows: dict[str, str]
    """Workflows, each with the words of its rule."""
    topics: dict[str, str]
    money: float = 0.0
    waited: float = 0.0
    """Hours that the author says to have waited."""
    event: str = ""
    """What will not wait, in the rule's words; `within` says how many hours there are."""
    within: float | None = None


class Finder:
    """A rulebook made ready to search; any number of threads may share one."""

    def __init__(self, rulebook: Rulebook) -> None:
        """Lay the phrases out, one lexicon for each language."""
        self._book = rulebook
        self._lexicons = _lexicons(rulebook)
        money = [word for each in rulebook.money.words.values() for word in each]
        self._money = frozenset(money)
        self._money_stems = tuple(word[:-1] for word in money if word.endswith("*"))
        times = rulebook.times
        self._units = {word: _HOURS[unit] for unit, words in times.units.items() for word in words}
        self._numbers = dict(times.numbers)
        self._before = [
            tuple(phrase.split()) for each in rulebook.deadlines.before.values() for phrase in each
        ]
        self._soon = {
            phrase: hours
            for each in rulebook.deadlines.soon.values()
            for phrase, hours in each.items()
        }

    def find(self, words: Words, language: str) -> Found | None:
        """Return what is in a text; None where there is nothing, as in most texts."""
        lexicon = self._lexicons.get(language) or self._lexicons[UNKNOWN]
        hits = lexicon.find(words.tokens)
        signed = _SIGNED.search(words.plain) is not None
        if not hits and not signed:
            return None
        found = Found({}, {})
        others: dict[str, list[tuple[int, str]]] = {}
        for place, (kind, name, said) in hits:
            if kind == "workflow":
                found.workflows.setdefault(name, said)
            elif kind == "topic":
                found.topics.setdefault(name, said)
            else:
                others.setdefault(kind, []).append((place, said))
        if signed or "money" in others:
            found.money = self._amount(words.plain)
        if "waiting" in others or "event" in others:
            self._times(words.tokens, others, found)
        return found

    def _times(
        self, tokens: list[str], hits: Mapping[str, list[tuple[int, str]]], found: Found
    ) -> None:
        """Read how long the author has waited, and how soon the event is."""
        if not (spoken := list(_spoken(tokens, self._units, self._numbers))) and "soon" not in hits:
            return
        coming = [hours for begin, hours in spoken if self._is_to_come(tokens, begin)]
        waits = [place for place, _ in hits.get("waiting", ())]
        found.waited = max(
            (
                hours
                for begin, hours in spoken
                if not self._is_to_come(tokens, begin)
                and any(abs(begin - place) <= _WAIT_REACH for place in waits)
            ),
            default=0.0,
        )
        if "event" in hits:
            coming += [self._soon[said] for _, said in hits.get("soon", ())]
            if coming:
                found.event, found.within = hits["event"][0][1], min(coming)

    def _is_to_come(self, tokens: list[str], begin: int) -> bool:
        return any(
            tuple(tokens[max(begin - len(phrase), 0) : begin]) == phrase for phrase in self._before
        )

    def _amount(self, plain: str) -> float:
        """Return the largest sum of money in a text."""
        most = 0.0
        for number, found in enumerate(_AMOUNT.finditer(plain)):
            if number == _AMOUNTS_MAX:
                break
            before, after, word = found.groups()
            if before is None and word is not None and not self._is_money(word.lower()):
                continue
            most = max(most, _value(before or after))
        return most

    def _is_money(self, word: str) -> bool:
        return word in self._money or word.startswith(self._money_stems)


def _spoken(
    tokens: list[str], units: Mapping[str, float], numbers: Mapping[str, float]
) -> Iterable[tuple[int, float]]:
    """Yield where a time begins and its hours: "2h", "two hours", "couple of days"."""
    for place, token in enumerate(tokens):
        joined = _JOINED.match(token)
        if joined is not None and joined.group(2) in units:
            yield place, _whole(joined.group(1)) * units[joined.group(2)]
        elif token in units and place:
            begin = place - 2 if tokens[place - 1] in {"of", "de", "di"} else place - 1
            if begin < 0:
                continue
            number = _number(tokens[begin], numbers)
            if number is not None:
                yield begin, number * units[token]


def _number(token: str, numbers: Mapping[str, float]) -> float | None:
    return _whole(token) if token.isdecimal() else numbers.get(token)


def _whole(digits: str) -> float:
    return float(digits[:_NUMBER_DIGITS_MAX])


def _value(written: str) -> float:
    """Read `1.234,50`, `1,234.50`, `1 234` or `500` as a number."""
    bare = written.strip(" .,'")
    cents = _CENTS.search(bare)
    whole = bare[: cents.start()] if cents is not None else bare
    digits = "".join(letter for letter in whole if letter.isdecimal())
    return float(digits) if digits else 0.0


def _lexicons(rulebook: Rulebook) -> Mapping[str, Lexicon]:
    """Return the phrases of each language with the English ones, and of all under `und`."""
    spoken = {*LANGUAGES, *_languages(rulebook)}
    made: dict[str, Lexicon] = {}
    for language in (*sorted(spoken), UNKNOWN):
        lexicon = Lexicon()
        others = sorted(spoken) if language == UNKNOWN else [language]
        for other in others:
            _learn(lexicon, rulebook, other, without=frozenset())
        if language not in {"en", UNKNOWN}:
            common = lists()[language]["stopwords"] if language in LANGUAGES else ()
            _learn(lexicon, rulebook, "en", without=frozenset(map(str, common)))
        made[language] = lexicon
    return made


def _languages(rulebook: Rulebook) -> set[str]:
    words = [each.words for each in rulebook.workflows.values()]
    words += [each.words for each in rulebook.topics.values()]
    return {language for each in words for language in each}


def _learn(lexicon: Lexicon, rulebook: Rulebook, language: str, *, without: frozenset[str]) -> None:
    def add(phrases: Iterable[Any], kind: str, name: str = "") -> None:
        for phrase in map(str, phrases):
            if phrase not in without:
                lexicon.add(phrase, kind, name)

    for name, workflow in rulebook.workflows.items():
        add(workflow.words.get(language, ()), "workflow", name)
    add(rulebook.waiting.words.get(language, ()), "waiting")
    add(rulebook.money.words.get(language, ()), "money")
    add(rulebook.deadlines.events.get(language, ()), "event")
    add(rulebook.deadlines.soon.get(language, {}), "soon")
    for name, topic in rulebook.topics.items():
        add(topic.words.get(language, ()), "topic", name)
    if not rulebook.topics and language in LANGUAGES:
        for kind in _TOPIC_KINDS:
            for name, phrases in lists()[language].get(kind, {}).items():
                if name not in _NO_TOPICS:
                    add(phrases, "topic", str(name))
