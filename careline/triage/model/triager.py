"""The trained model behind the seam of triage.

Promise: the model decides, and where it sees words of harm they raise a floor: such a text is a
query, of urgency high at least, and never `unsure`. What the model would not call a query by its
balanced point, but keeps so as to lose nothing, is a query that says `unsure`. What a brand's rules
and the thread add to it: `careline.triage.decision`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from careline.triage.model.classifier import LEVELS, default_model
from schemas.triage import Sentiment, Triage, Urgency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careline.triage.model.classifier import Model, Result

SURE_FROM: Final = 0.5
"""The balanced point of the needs-answer score."""
_TELL_FROM: Final = 0.7
_HIGH: Final = LEVELS.index("high")
_URGENCIES: Final = tuple(Urgency(level) for level in LEVELS)
_SENTIMENTS: Final = {str(each): each for each in Sentiment}


class ModelTriager:
    """Judges by the trained model; any number of threads may share one."""

    def __init__(self, model: Model | None = None) -> None:
        """Use a model, or the one that ships."""
        self._model = model or default_model()

    @property
    def model(self) -> str:
        """The version of the artefact."""
        return self._model.version

    def triage(self, text: str, *, language_hint: str | None = None) -> Triage:
        """Judge one text."""
        return self._judge(self._model.classify([text])[0], language_hint)

    def triage_batch(self, texts: Sequence[str]) -> list[Triage]:
        """Judge several texts, in order."""
        return [self._judge(found, None) for found in self._model.classify(texts)]

    def _judge(self, found: Result, hint: str | None) -> Triage:
        query = found.needs_answer or found.alarming
        level = LEVELS.index(found.urgency)
        if found.alarming:
            level = max(level, _HIGH)
        needs = found.needs_answer_score
        unsure = query and level < _HIGH and needs < SURE_FROM
        return Triage(
            query=query,
            unsure=unsure,
            sentiment=_SENTIMENTS[found.sentiment],
            urgency=_URGENCIES[level] if query else Urgency.NONE,
            language=found.language if found.language != "und" else hint or "und",
            reasons=_reasons(found, unsure=unsure),
            confidence=round(max(needs, 1 - needs), 3),
            model=self._model.version,
        )


def _reasons(found: Result, *, unsure: bool) -> tuple[str, ...]:
    """Say in words what the scores say."""
    needs = found.needs_answer_score
    reasons = [f"needs an answer: {needs:.0%} sure" + (", a person should look" if unsure else "")]
    if found.alarming:
        reasons.append("may do harm: words of harm are in it")
    for score, says in (
        (found.complaint, "reads like a complaint"),
        (found.urgency_score, "reads as urgent"),
        (found.spam, "reads like spam"),
    ):
        if score >= _TELL_FROM:
            reasons.append(f"{says} ({score:.0%})")
    return tuple(reasons)
