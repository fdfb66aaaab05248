"""What a text means: query or not, sentiment, urgency, language, with reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careline.triage.model.classifier import Result

__all__ = ["classify_batch"]


def classify_batch(texts: Sequence[str]) -> list[Result]:
    """Judge texts with the trained model that this package carries; no broker is needed.

    The model is read at the first call: whoever only wants the rules does not pay for it.
    """
    # numpy and the tables, only when asked for
    from careline.triage.model import classifier  # noqa: PLC0415

    return classifier.classify_batch(texts)
