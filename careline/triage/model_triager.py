"""The trained model behind the seam of triage; the rules beside it give topics and reasons.

Promise: the model decides, and where the rules smell harm they raise a floor: such a text is a
query, of urgency high at least, and never `unsure`. What the model would not call a query by its
balanced point, but keeps so as to lose nothing, is a query that says `unsure`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from careline.triage.model import LEVELS, default_model
from careline.triage.rules import RuleTriager
from schemas.triage import Sentiment, Triage, Urgency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careline.triage.model import Model, Result

SURE_FROM: Final = 0.5
"""The balanced point of the needs-answer score."""
_TELL_FROM: Final = 0.7
_REASONS_MAX: Final = 5


class ModelTriager:
    """Judges by the trained model; any number of threads may share one."""

    def __init__(self, model: Model | None = None) -> None:
        """Use a model, or the one that ships."""
        self._model = model or default_model()
        self._rules = RuleTriager(identify_language=False)

    @property
    def model(self) -> str:
        """The version of the artefact."""
        return self._model.version

    def triage(self, text: str, *, language_hint: str | None = None) -> Triage:
        """Judge one text."""
        return self._judge(text, self._model.classify([text])[0], language_hint)

    def triage_batch(self, texts: Sequence[str]) -> list[Triage]:
        """Judge several texts, in order."""
        found = self._model.classify(texts)
        return [self._judge(text, each, None) for text, each in zip(texts, found, strict=True)]

    def _judge(self, text: str, found: Result, hint: str | None) -> Triage:
        language = found.language if found.language != "und" else hint or "und"
        rules = self._rules.triage(text, language_hint=language)
        harm = found.alarming or rules.urgency is Urgency.CRITICAL
        query = found.needs_answer or harm
        level = LEVELS.index(found.urgency)
        if harm:
            level = max(level, LEVELS.index("high"))
        unsure = query and level < LEVELS.index("high") and found.needs_answer_score < SURE_FROM
        return Triage(
            query=query,
            unsure=unsure,
            sentiment=Sentiment(found.sentiment),
            urgency=Urgency(LEVELS[level]) if query else Urgency.NONE,
            language=language,
            topics=rules.topics,
            reasons=tuple([*_reasons(found, unsure=unsure), *rules.reasons][:_REASONS_MAX]),
            confidence=round(max(found.needs_answer_score, 1 - found.needs_answer_score), 3),
            model=self.model,
        )


def _reasons(found: Result, *, unsure: bool) -> list[str]:
    """Say in words what the scores say."""
    reasons = [f"needs an answer: {found.needs_answer_score:.0%} sure"]
    if unsure:
        reasons[0] += ", so a person should look"
    for score, says in (
        (found.complaint, "reads like a complaint"),
        (found.urgency_score, "reads as urgent"),
        (found.spam, "reads like spam"),
    ):
        if score >= _TELL_FROM:
            reasons.append(f"{says} ({score:.0%})")
    return reasons
