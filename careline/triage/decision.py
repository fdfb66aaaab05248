"""The decision of triage: what a text means, raised by what the rulebook and the thread know.

Promise: a `Triager` says what the text alone means; rules raise a floor of urgency and may turn a
message into a query, and nothing here can do the opposite: query stays query, urgency never falls,
a topic is only added. Every raise is told as a reason, before the triager's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from careline.triage.context import NO_CONTEXT
from careline.triage.lexicon import words as reading
from careline.triage.protocol import Judge
from careline.triage.rules.findings import Finder
from careline.triage.rules.floors import RANK, floors
from careline.triage.rules.unheard import Unheard
from careline.triage.topics.topics import Topics
from schemas.triage import Triage, Urgency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careline.triage.context import Context
    from careline.triage.protocol import Triager
    from careline.triage.rules.findings import Found
    from careline.triage.rules.floors import Floor
    from careline.triage.rules.rulebook import Rulebook

REASONS_MAX: Final = 6


class Decision(Judge):
    """A triager with a rulebook around it; any number of threads may share one."""

    def __init__(self, triager: Triager, rulebook: Rulebook) -> None:
        """Make the rules ready."""
        self._triager = triager
        self._rulebook = rulebook
        self._finder = Finder(rulebook)
        self._unheard = Unheard(rulebook)
        self._topics = Topics(rulebook)

    @property
    def model(self) -> str:
        """The name and version of the triager."""
        return self._triager.model

    def triage_batch(
        self, texts: Sequence[str], contexts: Sequence[Context] | None = None
    ) -> list[Triage]:
        """Judge several texts, in order."""
        known = contexts if contexts is not None else [NO_CONTEXT] * len(texts)
        read = [reading.read(text) for text in texts]
        heard = [self._unheard.cut(text, words) for text, words in zip(texts, read, strict=True)]
        judged = self._judged(heard, known)
        found = [
            self._finder.find(words, triage.language)
            for words, triage in zip(read, judged, strict=True)
        ]
        topics = self._topics.of(heard, judged, found)
        return [
            self._raised(triage, each, context, named)
            for triage, each, context, named in zip(judged, found, known, topics, strict=True)
        ]

    def _judged(self, texts: list[str], contexts: Sequence[Context]) -> list[Triage]:
        """Ask the triager; alone, a text takes the network's guess of its language along."""
        if len(texts) == 1:
            return [self._triager.triage(texts[0], language_hint=contexts[0].language_hint)]
        return self._triager.triage_batch(texts)

    def _raised(
        self,
        triage: Triage,
        found: Found | None,
        context: Context,
        named: tuple[tuple[str, ...], str],
    ) -> Triage:
        topics, why = named
        due = floors(found, context, self._rulebook)
        if not triage.query:
            due = due if any(floor.sure for floor in due) else []
        if not due and topics == triage.topics and not why:
            return triage
        return raised(triage, due, topics=topics, why=why)


def raised(
    triage: Triage, due: Sequence[Floor], *, topics: tuple[str, ...], why: str = ""
) -> Triage:
    """Return a triage with its floors, topics and their reasons; the highest floor comes first."""
    urgency = triage.urgency
    if due and RANK[due[0].urgency] > RANK[urgency]:
        urgency = due[0].urgency
    told = [floor.reason for floor in due if RANK[floor.urgency] > RANK[Urgency.NORMAL]]
    reasons = [*told, *triage.reasons, *([why] if why else [])]
    return Triage(
        query=triage.query or bool(due),
        unsure=triage.unsure and not due,
        failed=triage.failed,
        sentiment=triage.sentiment,
        urgency=urgency,
        language=triage.language,
        topics=topics,
        reasons=tuple(reasons[:REASONS_MAX]),
        confidence=triage.confidence,
        model=triage.model,
    )
