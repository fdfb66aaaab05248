"""`careline version`: what runs here."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

from careline.cli import output

_PARTS = ("aiokafka", "faust-streaming", "tweepy", "slack-bolt", "redis", "pydantic")


def version(as_json: output.Json = False) -> None:
    """Say which version of careline runs here, and on what.

    Example: careline version --json
    """
    parts = {name: _version(name) for name in _PARTS}
    own, python = _version("careline"), platform.python_version()
    if as_json:
        output.say_json(
            {"careline": own, "python": python, "platform": sys.platform, "libraries": parts}
        )
        return
    output.say(f"careline {own} (Python {python}, {sys.platform})")
    for name, number in parts.items():
        output.say(f"  {name} {number}")


def _version(name: str) -> str:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "not installed"
