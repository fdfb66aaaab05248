"""The seam of triage: text in, `Triage` out.

Promise of every triager: pure and synchronous, no I/O after construction, any string is welcome
(empty, huge, ill-formed), and it says `unsure` rather than guess that no answer is expected. It may
raise; the caller then treats the mention as unknown and urgent (`schemas.triage.failed_triage`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

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
