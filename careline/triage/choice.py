"""Which triager runs, by the settings: the trained model, or word lists where it cannot be read.

Promise: what is returned works, or a ConfigurationError says what is wrong with the settings; a
broken artefact costs the model, never the triage: it is said once in the log, and the word lists
judge. All of it can be pickled by its name, for triage runs in a process of its own.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import structlog

from careline.runtime.errors import ConfigurationError
from careline.triage.backends.endpoint import EndpointConfig
from careline.triage.decision import Decision
from careline.triage.lexicon.triager import RuleTriager
from careline.triage.rules.rulebook import load_rulebook

if TYPE_CHECKING:
    from careline.triage.backends.sentiment import Feeler
    from careline.triage.model.classifier import Model
    from careline.triage.model.file import Artefact
    from careline.triage.protocol import Judge, Triager

Classifier = Literal["model", "rules"]
Backend = Literal["default", "vader", "transformers"]
SHIPPED: Final = "default"
FREE: Final = "free"
"""The build that learnt from no data under a non-commercial licence."""
_UNREADABLE: Final = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
"""All that reading a damaged archive raises; by its own words, not only `BadZipFile`."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriageChoice:
    """What the settings say of triage."""

    classifier: Classifier = "model"
    artefact: str = SHIPPED
    """`default`, `free`, or the path of another artefact."""
    rules: Path | None = None
    """A brand's rules, laid over the shipped ones."""
    calibration: Path | None = None
    """A brand's calibration of the model (`careline.triage.model.calibration`)."""
    backend: Backend = "default"
    """Who says how authors feel."""
    transformers: Path | None = None
    """The folder of the backend `transformers`."""
    within: float = 5.0
    """Seconds that a batch waits for the backend."""
    endpoint: EndpointConfig | None = None
    """Whom to ask about texts that the default is not sure of."""


def chosen_triager(choice: TriageChoice) -> Triager:
    """Return what judges a text by itself."""
    if choice.classifier == "rules":
        return RuleTriager()
    try:
        # Only here: who chose the word lists does not load numpy's tables.
        from careline.triage.model.triager import ModelTriager  # noqa: PLC0415

        return ModelTriager(_model(choice))
    except (*_UNREADABLE, ImportError) as error:
        _log.error(
            "the triage model cannot be read: word lists judge in its place",
            artefact=choice.artefact,
            error=f"{type(error).__name__}: {error}",
            hint="correct CARELINE_TRIAGE__ARTEFACT, or install careline again",
        )
        return RuleTriager()


def chosen_decision(choice: TriageChoice, make: Callable[[], Triager] | None = None) -> Judge:
    """Return the whole decision: a triager, the chosen one unless made here, the rules around it,
    and whoever is asked about what it is not sure of.

    Raises ConfigurationError if the brand's rules are wrong.
    """
    triager = make() if make else _with_backend(chosen_triager(choice), choice)
    decision = Decision(triager, load_rulebook(choice.rules))
    if choice.endpoint is None:
        return decision
    from careline.triage.backends.grey_zone import GreyZone  # noqa: PLC0415 - only if asked for

    return GreyZone(decision, choice.endpoint)


def chosen_artefact(choice: TriageChoice) -> Artefact:
    """Return the trained numbers. Raises ConfigurationError: they cannot be read."""
    try:
        return _artefact(choice.artefact)
    except (*_UNREADABLE, ImportError) as error:
        raise ConfigurationError(
            f"the triage model {choice.artefact} cannot be read ({type(error).__name__})",
            hint="correct CARELINE_TRIAGE__ARTEFACT, or install careline again",
        ) from error


def chosen_model(choice: TriageChoice) -> Model:
    """Return the model, calibrated if that is chosen. Raises ConfigurationError."""
    from careline.triage.model.calibration import (  # noqa: PLC0415 - with the tables, as above
        CalibratedModel,
        load_calibration,
    )
    from careline.triage.model.classifier import Model  # noqa: PLC0415 - as above

    artefact = chosen_artefact(choice)
    if choice.calibration is None:
        return Model(artefact)
    return CalibratedModel(artefact, load_calibration(choice.calibration))


def check_choice(choice: TriageChoice) -> None:
    """Return if all that is chosen is there and fits. Raises ConfigurationError."""
    if choice.rules is not None:
        load_rulebook(choice.rules)
    if choice.calibration is not None:
        chosen_model(choice)
    if choice.backend != "default":
        _feeler(choice)


def _model(choice: TriageChoice) -> Model:
    """Return the model; one whose calibration is gone or of another model goes without."""
    from careline.triage.model.classifier import Model, default_model  # noqa: PLC0415 - as above

    if choice.calibration is not None:
        try:
            return chosen_model(choice)
        except ConfigurationError as error:
            _log.error("the model runs without its calibration", why=str(error), hint=error.hint)
    return default_model() if choice.artefact == SHIPPED else Model(_artefact(choice.artefact))


def _with_backend(triager: Triager, choice: TriageChoice) -> Triager:
    """Return the triager with the chosen backend over it; one that is not there is left out."""
    if choice.backend == "default":
        return triager
    from careline.triage.backends.sentiment import WithFeeler  # noqa: PLC0415 - only if asked for

    try:
        return WithFeeler(triager, _feeler(choice), within=choice.within)
    except ConfigurationError as error:
        _log.error("the triage backend is left out", why=str(error), hint=error.hint)
        return triager


def _feeler(choice: TriageChoice) -> Feeler:
    if choice.backend == "vader":
        from careline.triage.backends.vader import Vader  # noqa: PLC0415 - an extra

        return Vader()
    from careline.triage.backends.transformers_local import (  # noqa: PLC0415 - an extra
        Transformers,
    )

    if choice.transformers is None:
        raise ConfigurationError(
            "the triage backend `transformers` needs the folder of a saved model",
            hint="name it in CARELINE_TRIAGE__TRANSFORMERS_PATH; nothing is downloaded",
        )
    return Transformers(choice.transformers)


def _artefact(name: str) -> Artefact:
    from careline.triage.model import file  # noqa: PLC0415 - with the tables, as above

    if name == SHIPPED:
        return file.shipped()
    return file.shipped(file.FREE) if name == FREE else file.read(Path(name).read_bytes())
