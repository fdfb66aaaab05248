"""What judges the texts of the big bench, the same for all who do the job.

Promise: careline's own decision with its rules, over the word lists: Quix Streams' environment has
not the libraries of the trained model, and only who judges alike does the same job. What the model
costs beside that is measured by `bench.triage`.
"""

from __future__ import annotations

from typing import Final

from careline.triage.choice import TriageChoice, chosen_decision
from careline.triage.decision import Decision

CHOICE: Final = TriageChoice(classifier="rules")


def decision() -> Decision:
    """Return the decision of the subjects."""
    return chosen_decision(CHOICE)
