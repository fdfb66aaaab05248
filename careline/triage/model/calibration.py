"""A brand's own calibration: a temperature and a shift for each head, without another model.

Promise: it changes how sure the model is and where its scores lie, never their order within a head;
it is read from a small JSON, checked whole, and refused with a model other than the one that it was
fitted on. Thresholds, levels and rules stay the model's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from careline.runtime.errors import ConfigurationError
from careline.triage.model.classifier import Model
from careline.triage.model.file import HEADS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from careline.triage.model.file import Artefact

SCALES: Final = (0.2, 5.0)
"""How much a temperature may be moved: beyond that the corrections are of another world."""
SHIFT_MAX: Final = 20.0
_LEAST: Final = np.float32(1e-6)

Scale = Annotated[float, Field(ge=SCALES[0], le=SCALES[1])]
Shift = Annotated[float, Field(ge=-SHIFT_MAX, le=SHIFT_MAX)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Line(_Part):
    """What becomes of a logit: times `scale`, plus `shift`."""

    scale: Scale = 1.0
    shift: Shift = 0.0


class SentimentLine(_Part):
    """What becomes of the log-probabilities of negative, neutral and positive."""

    scale: Scale = 1.0
    shift: tuple[Shift, Shift, Shift] = (0.0, 0.0, 0.0)


class Calibration(_Part):
    """All that is moved."""

    model: str
    """The version of the model that it was fitted on."""
    sentiment: SentimentLine = SentimentLine()
    needs_answer: Line = Line()
    urgency: Line = Line()
    rows: int = Field(default=0, ge=0)
    """How many mentions it was fitted on, …"""
    corrected: int = Field(default=0, ge=0)
    """… and in how many of them a person had said so in as many words."""


class CalibratedModel(Model):
    """The model with a brand's calibration over it."""

    def __init__(self, artefact: Artefact, calibration: Calibration) -> None:
        """Take both. Raises ConfigurationError if they do not belong together."""
        super().__init__(artefact)
        if calibration.model != artefact.version:
            raise ConfigurationError(
                f"the calibration was fitted on {calibration.model}, this is {artefact.version}",
                hint="fit it again: careline triage refit",
            )
        self._calibration = calibration

    def _judge(
        self, texts: Sequence[str]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        probabilities, heads, seen = super()._judge(texts)
        return (*calibrated(self._calibration, probabilities, heads), seen)


def calibrated(
    calibration: Calibration, probabilities: NDArray[np.float32], heads: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return sentiment probabilities and the heads' logits as the calibration moves them."""
    line = calibration.sentiment
    logs = np.log(np.maximum(probabilities, _LEAST)) * np.float32(line.scale)
    logs += np.array(line.shift, dtype=np.float32)
    logs -= logs.max(axis=1, keepdims=True)
    odds = np.exp(logs)
    moved = heads.copy()
    for name, one in (
        ("needs_answer", calibration.needs_answer),
        ("severity", calibration.urgency),
    ):
        column = HEADS.index(name)
        moved[:, column] = moved[:, column] * np.float32(one.scale) + np.float32(one.shift)
    return odds / odds.sum(axis=1, keepdims=True), moved


def load_calibration(path: Path) -> Calibration:
    """Read a calibration. Raises ConfigurationError that says what is wrong with the file."""
    hint = "make one: careline triage refit --out FILE"
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigurationError(f"{path}: cannot be read ({why})", hint=hint) from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, found['loc'])) or 'file'}: {found['msg']}"
            for found in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"{path}: {problems}", hint=hint) from None
