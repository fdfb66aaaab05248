"""`careline triage`: how good triage is, why it said what it said, and how people teach it.

What exports and imports labels stands in `careline.cli.labelling`.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from careline.cli import labelling, output
from careline.cli.ledger import ledger_of
from careline.cli.reviewing import corrections_of, examples_of, log_of
from careline.cli.spans import span_of
from careline.runtime.clock import SystemClock
from careline.runtime.errors import ConfigurationError
from careline.settings import Settings, load_settings
from careline.triage.choice import SHIPPED, chosen_artefact, chosen_decision, chosen_model
from careline.triage.model.classifier import Model
from careline.triage.model.evidence import evidence
from careline.triage.quality import corrections, labels
from careline.triage.quality.corrections import Figure, Reviewed
from careline.triage.quality.metrics import evaluate as measured
from careline.triage.quality.musts import held_against
from careline.triage.quality.refit import Example, refit
from careline.wiring_roles import triage_choice

app = typer.Typer(no_args_is_help=True, help="How good triage is, why, and how to teach it.")
app.add_typer(labelling.app, name="label")
_TRIAGE_ALONE: Final = """
import pathlib, re
from careline.triage import classify_batch
from careline.triage.quality.metrics import memory
for number in range(8):
    classify_batch([f"@acme where is my parcel {number} {n}?" for n in range(256)])
# What the system calls the most memory of a child is at least its parent's; Linux knows better.
status = pathlib.Path("/proc/self/status")
peak = re.search(r"VmHWM:\\s+(\\d+) kB", status.read_text()) if status.exists() else None
print(round(int(peak.group(1)) / 1e3, 1) if peak else memory())
"""
Since = Annotated[str, typer.Option(help="Only what was heard in this time: 7d, 90d. Empty: all.")]


@app.command("eval")
def evaluate(
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="A folder of labelled texts.")
    ],
    as_json: output.Json = False,
) -> None:
    """Measure the model on labelled texts: every figure that the folder allows.

    Example: careline triage eval --data ../data --json
    """
    if not data.is_dir():
        raise ConfigurationError(f"{data}: no such folder", hint="name one with --data DIR")
    choice = triage_choice(load_settings())
    ships = choice.artefact == SHIPPED and choice.calibration is None
    try:
        figures = measured(data, None if ships else chosen_model(choice))
    except (OSError, KeyError, ValueError, EOFError) as error:
        what = f"there is no {error}" if isinstance(error, KeyError) else type(error).__name__
        raise ConfigurationError(
            f"{data}: its files cannot be read as labelled texts ({what})",
            hint="what is read: docs/triage-backends.md",
        ) from error
    if ships:
        figures["memory_mb"] = _memory() or figures["memory_mb"]
    musts = held_against(figures)
    if as_json:
        output.say_json({**figures, "musts": musts})
        return
    output.say(f"model {figures['model']}")
    rows: list[tuple[str, ...]] = [("MEASURE", "MUST", "FIGURE")]
    for row in musts:
        bound = f"{'≤' if row['at_most'] else '≥'} {row['must']:g}"
        rows.append((row["measure"], bound, f"{row['figure']:g} {'✓' if row['met'] else '✗'}"))
    for line in output.table(rows):
        output.say(line)
    output.tell("all figures, by language too: --json")


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="What somebody wrote.")],
    as_json: output.Json = False,
) -> None:
    """Judge a text and say why: reasons, rules, and the words that speak for it.

    Example: careline triage explain "Where is my parcel? Nobody answers."
    """
    settings = load_settings()
    found = chosen_decision(triage_choice(settings)).triage(text)
    because = evidence(_model(settings), text) if settings.triage.classifier == "model" else {}
    document: dict[str, Any] = json.loads(found.model_dump_json())
    document["priority"] = found.priority.value if found.query else None
    document["evidence"] = {head: [asdict(each) for each in rows] for head, rows in because.items()}
    if as_json:
        output.say_json(document)
        return
    unsure = ", unsure" if found.unsure else ""
    verdict = f"a query{unsure} ({found.priority})" if found.query else "no query"
    lines = [
        ("verdict", verdict),
        ("sentiment", found.sentiment.value),
        ("urgency", found.urgency.value),
        ("language", found.language),
        ("topics", ", ".join(found.topics) or "-"),
        ("model", found.model),
    ]
    lines += [("because" if not place else "", why) for place, why in enumerate(found.reasons)]
    for head, rows in because.items():
        said = ", ".join(f"{each.word} {each.adds:+.2f}" for each in rows)
        lines.append((f"→ {head}", said or "no single word"))
    for line in output.table(lines):
        output.say(line)


@app.command()
def stats(
    since: Since = "",
    prometheus: Annotated[
        bool,
        typer.Option("--prometheus", help="The latest week, for a textfile collector."),
    ] = False,
    as_json: output.Json = False,
) -> None:
    """Say how triage did: precision and recall for each label and week, by what people made of it.

    Example: careline triage stats --since 90d
    """
    settings = load_settings()
    reviewed = asyncio.run(_reviewed(settings, span_of(since, "--since")))
    found = corrections.figures(reviewed)
    if as_json:
        output.say_json([each.document() for each in found])
    elif prometheus:
        output.say(corrections.exposition(found).rstrip("\n"))
    else:
        _say_figures(found)


@app.command("refit")
def refit_command(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the JSON goes.")],
    since: Since = "",
    labelled: Annotated[
        Path | None,
        typer.Option(
            "--labels", metavar="FILE", help="A labelled export; else the ledger and the log."
        ),
    ] = None,
    as_json: output.Json = False,
) -> None:
    """Fit the brand's calibration to corrections; the towers stay. Refuses if there are too few.

    Example: careline triage refit --out triage-calibration.json
    """
    settings = load_settings()
    artefact = chosen_artefact(triage_choice(settings))
    if labelled is not None:
        examples = _examples(labelled)
    else:
        examples = asyncio.run(_corrected(settings, span_of(since, "--since")))
    query_from = float(artefact.settings["query_from"])
    found = refit(Model(artefact), examples, query_from=query_from)
    try:
        out.write_text(found.calibration.model_dump_json(indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"{out}: cannot be written ({error.strerror})", hint="name another with --out"
        ) from error
    if as_json:
        output.say_json({"file": str(out), **found.figures})
        return
    for head in ("needs_answer", "urgency", "sentiment"):
        known = found.figures[head]
        before, after = known["loss_before"], known["loss_after"]
        recall = f", recall {known['recall']:.1%}" if known.get("recall") is not None else ""
        output.say(f"{head}: {known['rows']} rows, loss {before} → {after}{recall}")
    output.say(f"✓ {out}: set CARELINE_TRIAGE__CALIBRATION={out} and restart the workers")


def _memory() -> float | None:
    """Return the memory of a process that does nothing but triage; here the data is in it too."""
    done = subprocess.run(
        [sys.executable, "-c", _TRIAGE_ALONE], capture_output=True, text=True, check=False
    )
    return float(done.stdout) if done.returncode == 0 else None


def _model(settings: Settings) -> Model:
    """Return the model of the settings, calibrated if they say so. Raises ConfigurationError."""
    return chosen_model(triage_choice(settings))


def _examples(path: Path) -> list[Example]:
    return [
        Example(
            text=row.text,
            query=row.query,
            sentiment=row.sentiment,
            urgency=row.urgency,
            corrected=True,
        )
        for row in labels.read(path)
        if row.is_labelled and row.text
    ]


async def _reviewed(settings: Settings, span: timedelta | None) -> list[Reviewed]:
    since = None if span is None else SystemClock().now() - span
    async with log_of(settings) as reader:
        found = await corrections_of(reader, partitions=settings.kafka.partitions)
    return found.reviewed(since=since)


async def _corrected(settings: Settings, span: timedelta | None) -> list[Example]:
    reviewed = await _reviewed(settings, span)
    async with ledger_of(settings) as ledger:
        return await examples_of(ledger, reviewed)


def _say_figures(found: list[Figure]) -> None:
    rows: list[tuple[str, ...]] = [
        ("WEEK", "LABEL", "PRECISION", "RECALL", "SAID", "TRUE", "CORRECTED")
    ]
    rows += [
        (
            each.week,
            each.label,
            "-" if each.precision is None else f"{each.precision:.1%}",
            "-" if each.recall is None else f"{each.recall:.1%}",
            str(each.said),
            str(each.true),
            str(each.corrected),
        )
        for each in found
    ]
    for line in output.table(rows) if found else ["nobody has dealt with anything yet"]:
        output.say(line)
