"""Lets another library say how an author feels, over a triager that says all the rest.

Promise: queries, urgency, topics and language stay the triager's own; what the library cannot say,
fails to say or says too late is the triager's feeling. One that hangs costs its bound of time once,
and is not asked again while it hangs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from careline.triage.backends.bounded import Bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careline.triage.protocol import Triager
    from schemas.triage import Sentiment, Triage


class Feeling(NamedTuple):
    """What a library says of one text."""

    sentiment: Sentiment
    reason: str


class Feeler(Protocol):
    """A library that says how authors feel."""

    @property
    def name(self) -> str:
        """Its name and version."""
        ...

    def feel(self, texts: Sequence[str]) -> list[Feeling]:
        """Judge several texts, in order; may raise."""
        ...


class WithFeeler:
    """A triager whose sentiment is a library's; for one caller at a time."""

    def __init__(self, triager: Triager, feeler: Feeler, *, within: float) -> None:
        """Give the library so many seconds for a batch."""
        self._triager = triager
        self._name = feeler.name
        self._feel = Bounded(feeler.name, feeler.feel, within=within)

    @property
    def model(self) -> str:
        """Both names."""
        return f"{self._triager.model}+{self._name}"

    @property
    def given_up(self) -> int:
        """How many batches went without the library."""
        return self._feel.given_up

    def triage(self, text: str, *, language_hint: str | None = None) -> Triage:
        """Judge one text."""
        found = self._triager.triage(text, language_hint=language_hint)
        return self._felt([text], [found])[0]

    def triage_batch(self, texts: Sequence[str]) -> list[Triage]:
        """Judge several texts, in order."""
        return self._felt(texts, self._triager.triage_batch(texts))

    def _felt(self, texts: Sequence[str], found: list[Triage]) -> list[Triage]:
        feelings = self._feel(texts)
        if feelings is None or len(feelings) != len(found):
            return found
        return [
            triage.model_copy(
                update={
                    "sentiment": feeling.sentiment,
                    "reasons": (*triage.reasons, feeling.reason),
                    "model": self.model,
                }
            )
            for triage, feeling in zip(found, feelings, strict=True)
        ]
