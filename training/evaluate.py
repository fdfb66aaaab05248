"""Scores the model in place on the dev sets: `python -m training.evaluate --data DIR --json`.

Promise: the model is used as it ships. Complaint, needs-answer and urgency stay with the build,
whose folds score rows that a fit had not seen; here they would be scored on what they were fitted.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from careline.triage.model import Model
from careline.triage.model_file import read, shipped
from training import metrics
from training.data import support


def main(argv: list[str]) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="training.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the data folder")
    parser.add_argument("--model", type=Path, help="an artefact other than the one that ships")
    parser.add_argument("--json", action="store_true", help="for programs")
    asked = parser.parse_args(argv)
    artefact = read(asked.model.read_bytes()) if asked.model else shipped()
    model = Model(artefact)
    figures = {
        "version": model.version,
        "sentiment": metrics.sentiment(model, asked.data),
        "language_accuracy": metrics.language(asked.data),
        "speed": metrics.speed(model, support(asked.data)[:4096]),
    }
    if asked.json:
        print(json.dumps(figures, indent=1))
        return 0
    for name, value in figures.items():
        print(f"{name}: {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
