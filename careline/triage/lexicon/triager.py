"""The first triager: word lists and a few weighted rules, each of which an agent can read.

Promise: it never decides "not a query" on weak evidence; what it cannot tell is a query, `unsure`.
Whatever smells of harm (fraud, injury, law) is critical and never `unsure`. Every result says why.
It is blunt: it knows words, not meaning, and a sarcastic text will fool it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from careline.triage.lexicon import words as reading
from careline.triage.lexicon.language import UNKNOWN, identifier, language_of
from careline.triage.lexicon.lists import NOTHING, Lexicon, Sign, lexicons, lists
from schemas.triage import Sentiment, Triage, Urgency

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from careline.triage.lexicon.words import Words

MODEL: Final = "rules-1"
QUERY_FROM: Final = 0.45
"""Evidence from which a text is surely a query."""
NO_QUERY_UNTIL: Final = -0.55
"""Evidence down to which it may still be one."""
_NEGATION_REACH: Final = 3
_LOUDER: Final = 1.5
_REASONS_MAX: Final = 5
_WEIGHTS: Final[Mapping[str, tuple[float, float]]] = {
    # kind: weight of the first sign, weight of each further one (at most two)
    "question": (0.8, 0.2),
    "request": (0.8, 0.2),
    "answer": (0.6, 0.1),
    "problem": (0.9, 0.3),
    "critical": (1.2, 0.2),
    "high": (1.0, 0.2),
    "thanks": (-1.0, -0.1),
    "outward": (-0.7, -0.2),
}
_SAYS: Final[Mapping[str, str]] = {
    "question": "asks",
    "request": "asks for something",
    "answer": "seems to answer an agent",
    "problem": "tells of a problem",
    "critical": "may do harm",
    "high": "cannot wait long",
    "thanks": "thanks or praises",
    "outward": "speaks to everybody",
}


@dataclass(slots=True)
class _Findings:
    signs: dict[str, list[Sign]] = field(default_factory=dict)
    feeling: float = 0.0
    asks: bool = False
    said: bool = False
    """Has words, not only emoji and question marks."""

    def add(self, sign: Sign) -> None:
        self.signs.setdefault(sign.kind, []).append(sign)


class RuleTriager:
    """Judges by word lists; any number of threads may share one."""

    def __init__(self, *, identify_language: bool = True) -> None:
        """Read the lists, and the language model unless only the lists may decide."""
        self._identify = identify_language
        self._lexicons = lexicons()
        faces = lists()["emoji"]
        self._faces = dict.fromkeys(faces["positive_faces"], 1)
        self._faces.update(dict.fromkeys(faces["negative_faces"], -1))
        if identify_language:
            identifier()

    @property
    def model(self) -> str:
        """The name and version of these rules."""
        return MODEL

    def triage(self, text: str, *, language_hint: str | None = None) -> Triage:
        """Judge one text."""
        words = reading.read(text)
        language = language_of(words, language_hint) if self._identify else language_hint or "en"
        lexicon = self._lexicons.get(language) or self._lexicons[UNKNOWN]
        found = _find(words, lexicon)
        found.feeling += sum(self._faces.get(face, 0) for face in words.faces)
        return _judge(words, found, language)

    def triage_batch(self, texts: Sequence[str]) -> list[Triage]:
        """Judge several texts, in order."""
        return [self.triage(text) for text in texts]


def _find(words: Words, lexicon: Lexicon) -> _Findings:
    tokens = words.tokens
    found = _Findings(
        asks=not reading.QUESTION_MARKS.isdisjoint(tokens),
        said=any(token[0].isalnum() for token in tokens),
    )
    negated_until = -1
    louder = 1.0
    for place, token in enumerate(tokens):
        entry = lexicon.entry(token)
        if entry is NOTHING:
            louder = 1.0
            continue
        for sign in entry.signs:
            found.add(sign)
        if entry.phrases:
            for sign in lexicon.phrases(tokens, place, entry):
                found.add(sign)
        if entry.feeling:
            negated = place <= negated_until
            found.feeling += louder * (_negated(entry.feeling) if negated else entry.feeling)
        louder = _LOUDER if entry.intensifies else 1.0
        if entry.negates:
            negated_until = place + _NEGATION_REACH
    return found


def _negated(feeling: int) -> float:
    """Turn a feeling: "not good" is bad, "not bad" is hardly good."""
    return -1.0 if feeling > 0 else 0.3


def _judge(words: Words, found: _Findings, language: str) -> Triage:
    sentiment = _sentiment(found)
    urgency, because = _urgency(found)
    evidence = _evidence(words, found, sentiment)
    alarming = urgency in {Urgency.HIGH, Urgency.CRITICAL} and evidence > 0
    bare = not found.said and not found.asks
    query = alarming or (evidence > NO_QUERY_UNTIL and not bare)
    unsure = query and not alarming and evidence < QUERY_FROM
    reasons = [*because, *_reasons(found, {"critical", "high"})]
    if bare:
        reasons.append("nothing but links, handles or signs")
    if unsure:
        reasons.append("unsure whether an answer is expected: a person should look")
    return Triage(
        query=query,
        unsure=unsure,
        sentiment=sentiment,
        urgency=urgency if query else Urgency.NONE,
        language=language,
        topics=_topics(found),
        reasons=tuple(reasons[:_REASONS_MAX]),
        confidence=_confidence(evidence, bare=bare),
        model=MODEL,
    )


def _evidence(words: Words, found: _Findings, sentiment: Sentiment) -> float:
    """Weigh what speaks for (above 0) and against a query."""
    total = 0.0
    for kind, (first, further) in _WEIGHTS.items():
        number = len(found.signs.get(kind, ()))
        if number:
            total += first + further * min(number - 1, 2)
    total += 0.9 if found.asks else 0.0
    total += 0.15 if words.addressed else -0.1
    total += {Sentiment.NEGATIVE: 0.5, Sentiment.NEUTRAL: 0.0, Sentiment.POSITIVE: -0.45}[sentiment]
    return total


def _sentiment(found: _Findings) -> Sentiment:
    feeling = found.feeling
    if found.signs.get("problem") or found.signs.get("critical") or found.signs.get("high"):
        feeling -= 0.6
    if feeling >= 1:
        return Sentiment.POSITIVE
    return Sentiment.NEGATIVE if feeling <= -1 else Sentiment.NEUTRAL


def _urgency(found: _Findings) -> tuple[Urgency, list[str]]:
    for kind, urgency in (("critical", Urgency.CRITICAL), ("high", Urgency.HIGH)):
        signs = found.signs.get(kind)
        if signs:
            said = [f"{sign.topic}: \u201c{sign.words}\u201d" for sign in signs[:2]]
            return urgency, [f"{_SAYS[kind]} ({', '.join(said)})"]
    return Urgency.NORMAL, []


def _reasons(found: _Findings, told: set[str]) -> list[str]:
    reasons = ["asks a question"] if found.asks else []
    for kind, signs in found.signs.items():
        # Words of feeling alone are no reason: the sentiment says what they add.
        if kind in told or kind not in _SAYS or (kind == "question" and found.asks):
            continue
        reasons.append(f"{_SAYS[kind]} (\u201c{signs[0].words}\u201d)")
    return reasons


def _topics(found: _Findings) -> tuple[str, ...]:
    kinds = ("critical", "high", "problem")
    topics = [sign.topic for kind in kinds for sign in found.signs.get(kind, ()) if sign.topic]
    return tuple(dict.fromkeys(topics))[:4]


def _confidence(evidence: float, *, bare: bool) -> float:
    """Squash the evidence: 0.5 where nothing speaks either way."""
    if bare:
        return 0.95
    return round(1 / (1 + math.exp(-1.6 * abs(evidence - (QUERY_FROM + NO_QUERY_UNTIL) / 2))), 3)
