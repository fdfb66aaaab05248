"""Builds the triage model: `python -m training.build --data DIR`.

Promises: fixed seeds; the data folder is only read and never named in what is written; a model that
is worse on the dev sets than the one in place does not replace it; what was done is told in a model
card beside the artefact. `--work DIR` keeps the long steps, so that a build can be taken up again.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from careline.triage.model.classifier import Model
from careline.triage.model.file import FREE, NAME, Artefact
from careline.triage.quality import metrics
from careline.triage.quality.labelled import sentiment_dev
from training import place
from training.assemble import provisional, sentiment_grams, with_heads
from training.data import sentiment_train

if TYPE_CHECKING:
    from collections.abc import Callable

    from careline.triage.model.file import Tower

PLACE: Final = Path(__file__).parent.parent / "careline" / "triage" / "artefact"
_T = TypeVar("_T")


class Workshop:
    """Where the long steps of builds are kept; another data folder needs another."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, which is made if needed."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def step(self, name: str, make: Callable[[], _T]) -> _T:
        """Return what a step gave before, or do it now and keep it."""
        path = self.folder / f"{name}.pickle"
        if path.exists():
            found: _T = pickle.loads(path.read_bytes())  # noqa: S301 our own file of minutes ago
            return found
        began = time.monotonic()
        made = make()
        path.write_bytes(pickle.dumps(made))
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
        return made


def build(
    folder: Path, shop: Workshop, *, nc: bool, linear_only: bool
) -> tuple[Artefact, dict[str, Any]]:
    """Return a model and its figures."""
    kind = "all" if nc else "free"
    rows = shop.step(f"rows-{kind}", lambda: sentiment_train(folder, nc=nc))
    tower: Tower | None = None
    if not linear_only:
        from training.distil import distilled  # noqa: PLC0415 torch is not there in a quick build

        tower = distilled(folder, rows, shop, nc=nc)
    grams, bias, rare = shop.step(f"grams-{kind}", lambda: sentiment_grams(rows))
    artefact = provisional(grams, bias, rare, tower, sentiment_dev(folder))
    artefact, figures = with_heads(folder, artefact, grams, rare, nc=nc)
    return artefact, metrics.evaluate(folder, Model(artefact)) | figures


def main(argv: list[str]) -> int:
    """Build, compare with what is in place, write."""
    parser = argparse.ArgumentParser(prog="training.build", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--work", type=Path, help="keeps the long steps of a build")
    parser.add_argument("--out", type=Path, default=PLACE, help="where the artefact goes")
    parser.add_argument("--no-nc", action="store_true", help="leave non-commercial sources out")
    parser.add_argument("--linear", action="store_true", help="n-grams alone: minutes, no torch")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of the long steps")
    parser.add_argument("--force", action="store_true", help="replace a better model, too")
    asked = parser.parse_args(argv)
    if not asked.linear:
        import torch  # noqa: PLC0415 it is not there in a quick build

        # More threads than free processors wait for each other and do less than one alone.
        torch.set_num_threads(asked.threads)
    with tempfile.TemporaryDirectory() as spare:
        shop = Workshop(asked.work or Path(spare))
        artefact, figures = build(asked.data, shop, nc=not asked.no_nc, linear_only=asked.linear)
    path: Path = asked.out / (FREE if asked.no_nc else NAME)
    written = place.put(path, artefact, figures, asked.data, force=asked.force)
    print(json.dumps(figures, indent=1))
    return 0 if written else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
