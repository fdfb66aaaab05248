"""`careline doctor`: is everything well that careline stands on?"""

from __future__ import annotations

import asyncio
from dataclasses import asdict

import typer

from careline.cli import output
from careline.doctor import SIGNS, Finding, Verdict, examine
from careline.settings import effective, load_settings

_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}


def doctor(as_json: output.Json = False) -> None:
    """Check Python, settings, careline.yaml, Kafka and its topics, Redis, Slack, X and the disk.

    One line for each check; exit 1 if one failed. Changes nothing.

    Example: careline doctor
    """
    settings = load_settings()
    findings = asyncio.run(examine(settings))
    failed = any(finding.verdict is Verdict.FAILED for finding in findings)
    if as_json:
        output.say_json(
            {
                "ok": not failed,
                "checks": [asdict(finding) for finding in findings],
                "settings": effective(settings),
            }
        )
    else:
        for finding in findings:
            output.say(_line(finding))
    raise typer.Exit(output.NO if failed else output.OK)


def _line(finding: Finding) -> str:
    sign = output.paint(SIGNS[finding.verdict], _COLOURS[finding.verdict])
    hint = f" → {finding.hint}" if finding.hint else ""
    return f"{sign} {finding.verdict.value:<8} {finding.check:<14} {finding.detail}{hint}"
