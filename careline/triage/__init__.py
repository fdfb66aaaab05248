"""What a text means: query or not, sentiment, urgency, language, with reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careline.triage.model import Result

__all__ = ["classify_batch"]


def classify_batch(texts: Sequence[str]) -> list[Result]:
    """Judge texts with the trained model that this package carries; no broker is needed.

    The model is read at the first call: whoever only wants the rules does not pay for it.
    """
    from careline.triage import model  # noqa: PLC0415 numpy and the tables, only when asked for

    return model.classify_batch(texts)
