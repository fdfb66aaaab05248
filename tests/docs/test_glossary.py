"""The glossary knows every public name that travels."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")
MODULES = (
    "base",
    "stamped",
    "mentions",
    "triage",
    "commands",
    "claims",
    "effects",
    "events",
    "topics",
    "envelope",
)


def public_classes(module: str) -> list[str]:
    found = importlib.import_module(f"schemas.{module}")
    return [
        name
        for name, value in vars(found).items()
        if inspect.isclass(value)
        and value.__module__ == found.__name__
        and not name.startswith("_")
    ]


@pytest.mark.parametrize("module", MODULES)
def test_every_public_schema_name_stands_in_the_glossary(module: str) -> None:
    names = public_classes(module)
    assert names
    missing = [name for name in names if f"`{name}`" not in GLOSSARY]
    assert missing == []
