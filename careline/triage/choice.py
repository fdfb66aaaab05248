"""Which triager runs, by the settings: the trained model, or word lists where it cannot be read.

Promise: what is returned works, or a ConfigurationError says what is wrong with the settings; a
broken artefact costs the model, never the triage: it is said once in the log, and the word lists
judge. All of it can be pickled by its name, for triage runs in a process of its own.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import structlog

from careline.triage.decision import Decision
from careline.triage.rulebook import load_rulebook
from careline.triage.rules import RuleTriager

if TYPE_CHECKING:
    from careline.triage.model_file import Artefact
    from careline.triage.protocol import Triager

Classifier = Literal["model", "rules"]
SHIPPED: Final = "default"
FREE: Final = "free"
"""The build that learnt from no data under a non-commercial licence."""
_FREE_FILE: Final = "model-free.npz"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageChoice:
    """What the settings say of triage."""

    classifier: Classifier = "model"
    artefact: str = SHIPPED
    """`default`, `free`, or the path of another artefact."""
    rules: Path | None = None
    """A brand's rules, laid over the shipped ones."""


def chosen_triager(choice: TriageChoice) -> Triager:
    """Return what judges a text by itself."""
    if choice.classifier == "rules":
        return RuleTriager()
    try:
        # Only here: who chose the word lists does not load numpy's tables.
        from careline.triage.model import Model, default_model  # noqa: PLC0415
        from careline.triage.model_triager import ModelTriager  # noqa: PLC0415

        if choice.artefact == SHIPPED:
            return ModelTriager(default_model())
        return ModelTriager(Model(_artefact(choice.artefact)))
    except (OSError, ValueError, KeyError, EOFError, ImportError, zipfile.BadZipFile) as error:
        _log.error(
            "the triage model cannot be read: word lists judge in its place",
            artefact=choice.artefact,
            error=f"{type(error).__name__}: {error}",
            hint="correct CARELINE_TRIAGE__ARTEFACT, or install careline again",
        )
        return RuleTriager()


def chosen_decision(choice: TriageChoice, make: Callable[[], Triager] | None = None) -> Decision:
    """Return the whole decision: a triager, the chosen one unless made here, and the rules.

    Raises ConfigurationError if the brand's rules are wrong.
    """
    return Decision(make() if make else chosen_triager(choice), load_rulebook(choice.rules))


def _artefact(name: str) -> Artefact:
    from importlib import resources  # noqa: PLC0415 - with the tables, as above

    from careline.triage.model_file import read  # noqa: PLC0415 - as above

    if name == FREE:
        return read((resources.files("careline.triage") / "artefact" / _FREE_FILE).read_bytes())
    return read(Path(name).read_bytes())
