"""Counts messages under topics: the word lists' own, or the brand's list with its examples.

Promise: a topic is only added, with a reason where no word names it. Words are looked for first;
what has none of them is held against the examples of each topic. Queries that are near no topic of
the brand and near each other are `emerging`: its list lacks something. A brand without a list of
its own pays nothing for any of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careline.triage.rules.findings import Found
    from careline.triage.rules.rulebook import Rulebook
    from careline.triage.topics.nearness import Near
    from schemas.triage import Triage

EMERGING: Final = "emerging"
TOPICS_MAX: Final = 4
Named = tuple[tuple[str, ...], str]
"""The topics of a message, and the reason of the one that no word names."""


class Topics:
    """A rulebook's topics, made ready."""

    def __init__(self, rulebook: Rulebook) -> None:
        """Place the examples; the vectors are those of the model that this package carries."""
        self._rulebook = rulebook
        self._near = _near(rulebook) if rulebook.topics else None

    def of(
        self, texts: Sequence[str], triages: Sequence[Triage], found: Sequence[Found | None]
    ) -> list[Named]:
        """Return the topics of each text."""
        named: list[Named] = [
            (self._by_words(triage, each), "") for triage, each in zip(triages, found, strict=True)
        ]
        if self._near is not None:
            own = self._rulebook.topics.keys()
            bare = [
                place
                for place, (topics, _) in enumerate(named)
                if triages[place].query and own.isdisjoint(topics)
            ]
            self._add_nearest(self._near, [texts[place] for place in bare], bare, named)
        return named

    def _by_words(self, triage: Triage, found: Found | None) -> tuple[str, ...]:
        if found is None:
            return triage.topics
        workflows = self._rulebook.workflows
        topics = [workflows[name].topic or name for name in found.workflows]
        return tuple(dict.fromkeys([*topics, *found.topics, *triage.topics]))[:TOPICS_MAX]

    def _add_nearest(
        self, near: Near, texts: Sequence[str], places: Sequence[int], named: list[Named]
    ) -> None:
        if not texts:
            return
        enough = self._rulebook.emerging.at_least
        for place, (topic, nearness, alike) in zip(places, near(texts), strict=True):
            topics = named[place][0]
            if topic:
                why = f"topic {topic}: near one of its examples ({nearness:.2f})"
                named[place] = ((*topics, topic)[-TOPICS_MAX:], why)
            elif alike >= enough and not topics:
                why = f"emerging: {alike} recent queries are alike, and no topic covers them"
                named[place] = ((EMERGING,), why)


def _near(rulebook: Rulebook) -> Near:
    """Read the model's tables, which only a brand with a list of its own needs for this."""
    from careline.triage.model.file import shipped  # noqa: PLC0415 - see above
    from careline.triage.topics.nearness import Near  # noqa: PLC0415 - as above
    from careline.triage.topics.spaces import Space  # noqa: PLC0415 - as above

    return Near(rulebook.topics, rulebook.emerging, Space(shipped()))
