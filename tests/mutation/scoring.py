"""What became of the mutants, and what that says of the tests: pure counting.

Promise: only a mutant that a test noticed counts as noticed; one that no test reaches does not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

NOTICED = frozenset({"killed", "timeout", "segfault", "caught by type check"})
"""An endless loop is noticed too: the tests have a time limit."""
_PACKAGE = "careline.domain."


@dataclass(slots=True)
class Score:
    """The mutants of a module."""

    noticed: int = 0
    missed: list[str] = field(default_factory=list)
    """The names of those that no test noticed."""

    @property
    def total(self) -> int:
        """How many there are."""
        return self.noticed + len(self.missed)

    @property
    def share(self) -> float:
        """How many of a hundred were noticed."""
        return 100.0 * self.noticed / self.total if self.total else 100.0


def scores_of(lines: Iterable[str]) -> dict[str, Score]:
    """Return module → score of what `mutmut results --all true` prints, one mutant a line."""
    found: defaultdict[str, Score] = defaultdict(Score)
    for line in lines:
        name, _, status = line.strip().partition(": ")
        if not status or not name.startswith(_PACKAGE):
            continue
        score = found[name.removeprefix(_PACKAGE).partition(".")[0]]
        if status in NOTICED:
            score.noticed += 1
        else:
            score.missed.append(name)
    return dict(found)


def enough(scores: Mapping[str, Score], modules: Iterable[str], *, floor: float) -> bool:
    """Whether each module was measured, and so many of a hundred mutants of it were noticed."""
    return all(module in scores and scores[module].share >= floor for module in modules)


def together(scores: Iterable[Score]) -> Score:
    """Return the score of several modules as one."""
    whole = Score()
    for each in scores:
        whole.noticed += each.noticed
        whole.missed += each.missed
    return whole
