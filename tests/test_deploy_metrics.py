"""Alarms and dashboard name figures that exist, and a page that says what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from careline.ledger.auditing.metrics import AuditMetrics

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
NAME = re.compile(r"\bcareline_[a-z_]+\b")
DOCS = "https://github.com/careline/careline/blob/main/docs/"


def figures() -> dict[str, set[str]]:
    """Return every sample that the auditor shows, with its labels."""
    metrics = AuditMetrics(["one"])
    text = generate_latest(metrics.registry).decode()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def rules() -> list[dict[str, Any]]:
    loaded = yaml.safe_load((PROMETHEUS / "careline.rules.yml").read_text("utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy/grafana/careline.json").read_text("utf-8"))
    return found


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for panel in dashboard()["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def anchors(page: str) -> set[str]:
    """Return the headings of a page as GitHub names them in links."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_figure_that_is_asked_for_exists() -> None:
    named = {name for expression in expressions() for name in NAME.findall(expression)}
    assert named
    assert named - figures().keys() == set()


def test_every_figure_of_the_auditor_is_on_the_dashboard() -> None:
    shown = {
        name
        for panel in dashboard()["panels"]
        for target in panel["targets"]
        for name in NAME.findall(target["expr"])
    }
    assert {name for name in figures() if not name.endswith("_created")} == shown


def test_what_is_grouped_by_is_a_label() -> None:
    known = {label for labels in figures().values() for label in labels}
    grouped = {each for one in expressions() for each in re.findall(r"by \((\w+)\)", one)}
    assert grouped <= known


def test_every_alarm_says_what_happened_and_where_to_read_on() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] == "page"
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        page, _, anchor = rule["annotations"]["runbook_url"].removeprefix(DOCS).partition("#")
        assert anchor in anchors(page), rule["alert"]


def test_broken_promises_and_lateness_page_somebody() -> None:
    alarmed = {name for rule in rules() for name in NAME.findall(rule["expr"])}
    assert {"careline_promises_broken_total", "careline_deadline_late_seconds"} <= alarmed


def test_no_two_panels_stand_in_each_others_place() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        assert panel["description"]
        taken |= cells


@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="no promtool on this machine: install your distribution's package prometheus",
)
def test_the_alarms_fire_when_they_should_and_only_then() -> None:
    for command in (
        ["promtool", "check", "rules", "careline.rules.yml"],
        ["promtool", "test", "rules", "careline.rules.test.yml"],
    ):
        done = subprocess.run(command, cwd=PROMETHEUS, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
