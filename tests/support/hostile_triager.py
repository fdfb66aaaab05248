"""A triager as bad as a model may be; it travels to the process of the triage by its name."""

from __future__ import annotations

import time
from collections.abc import Sequence

from careline.triage.lexicon.triager import RuleTriager
from schemas.triage import Triage


class Hostile(RuleTriager):
    """Raises on one word and hangs on another."""

    def triage(self, text: str, *, language_hint: str | None = None) -> Triage:
        if "hang" in text:
            time.sleep(3600)
        if "crash" in text:
            raise RuntimeError(f"cannot judge {text}")
        return super().triage(text, language_hint=language_hint)

    def triage_batch(self, texts: Sequence[str]) -> list[Triage]:
        return [self.triage(text) for text in texts]
