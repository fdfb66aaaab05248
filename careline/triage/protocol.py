"""The seam of triage: text in, `Triage` out.

Promise of every triager: pure and synchronous, no I/O after construction, any string is welcome
(empty, huge, ill-formed), and it says `unsure` rather than guess that no answer is expected. It may
raise; the caller then treats the mention as unknown and urgent (`schemas.triage.failed_triage`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from careline.triage.context import NO_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from careline.triage.context import Context
    from schemas.triage import Triage


class Triager(Protocol):
    """Decides what a text means."""

    @property
    def model(self) -> str:
        """The name and version that each of its results carries."""
        ...

    def triage(self, text: str, *, language_hint: str | None = None) -> Triage:
        """Judge one text; `language_hint` is the network's own guess of its language."""
        ...

    def triage_batch(self, texts: Sequence[str]) -> list[Triage]:
        """Judge several texts, each as `triage` would, in order."""
        ...


class Judge(Protocol):
    """Decides by the text and by what is known beside it: a triager, the rules and what helps it.

    It may ask somebody else, within bounds of its own; it never waits for ever.
    """

    @property
    def model(self) -> str:
        """The name and version of its triager."""
        ...

    def triage(self, text: str, context: Context | None = None) -> Triage:
        """Judge one text."""
        return self.triage_batch([text], [context or NO_CONTEXT])[0]

    def triage_batch(
        self, texts: Sequence[str], contexts: Sequence[Context] | None = None
    ) -> list[Triage]:
        """Judge several texts, in order."""
        ...
