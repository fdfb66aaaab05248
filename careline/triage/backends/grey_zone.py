"""Asks an endpoint about the few texts that the default is not sure of, and lets it only help.

Promise: an opinion makes a query surer and raises its urgency, to `high` at most; it never lowers
what the default or the rules say, and takes nothing for no query unless a setting allows it. So
words that talk the endpoint into something can raise themselves, and lose nobody. What was written
in private is not sent unless a setting says so; without an opinion in time the default stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from careline.triage.backends.asking import Asking
from careline.triage.context import NO_CONTEXT
from careline.triage.decision import REASONS_MAX
from careline.triage.protocol import Judge
from careline.triage.rules.floors import RANK
from schemas.triage import Triage, Urgency

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careline.triage.backends.endpoint import EndpointConfig, Opinion
    from careline.triage.context import Context


class GreyZone(Judge):
    """A decision with an endpoint behind it; for one caller at a time."""

    def __init__(self, judge: Judge, config: EndpointConfig) -> None:
        """Stand over a decision; nothing is asked yet."""
        self._judge = judge
        self._config = config
        self._asking = Asking(config)

    @property
    def model(self) -> str:
        """The name and version of what judges; a result that an opinion changed names both."""
        return self._judge.model

    def triage_batch(
        self, texts: Sequence[str], contexts: Sequence[Context] | None = None
    ) -> list[Triage]:
        """Judge several texts, in order; wait for opinions no longer than is set."""
        known = contexts if contexts is not None else [NO_CONTEXT] * len(texts)
        found = self._judge.triage_batch(texts, contexts)
        grey = [
            place
            for place, (triage, context) in enumerate(zip(found, known, strict=True))
            if self.is_grey(triage) and (context.public or self._config.direct_messages)
        ]
        if grey:
            opinions = self._asking.opinions([texts[place] for place in grey])
            for place, opinion in zip(grey, opinions, strict=True):
                if opinion is not None:
                    found[place] = self._weighed(found[place], opinion)
        return found

    def is_grey(self, triage: Triage) -> bool:
        """Tell whether an opinion is wanted: it is unsure, or less sure than is set."""
        return not triage.failed and (triage.unsure or triage.confidence < self._config.below)

    def close(self) -> None:
        """End the thread that asks."""
        self._asking.close()

    def _weighed(self, triage: Triage, opinion: Opinion) -> Triage:
        name = self._config.model
        model = f"{triage.model}+{name}"
        if not opinion.needs_answer:
            calm = RANK[triage.urgency] < RANK[Urgency.HIGH]
            if self._config.may_dismiss and triage.query and calm:
                says = f"{name}: nobody waits for an answer"
                return _changed(
                    triage, says, model=model, query=False, unsure=False, urgency=Urgency.NONE
                )
            if triage.urgency is Urgency.CRITICAL:
                return _changed(triage, f"{name}: sees no danger", model=model)
            return triage
        urgency = max(triage.urgency, Urgency.NORMAL, key=RANK.__getitem__)
        wanted = min(opinion.urgency, Urgency.HIGH, key=RANK.__getitem__)
        return _changed(
            triage,
            f"{name}: somebody waits for an answer",
            model=model,
            query=True,
            unsure=False,
            sentiment=opinion.sentiment,
            urgency=max(urgency, wanted, key=RANK.__getitem__),
        )


def _changed(triage: Triage, reason: str, **changes: Any) -> Triage:
    reasons = (reason, *triage.reasons)[:REASONS_MAX]
    return triage.model_copy(update=changes | {"reasons": reasons})
