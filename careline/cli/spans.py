"""Spans of time on the command line: `90s`, `15m`, `24h`, `7d`, as in careline.yaml."""

from __future__ import annotations

from datetime import timedelta

from careline.policy_file import read_duration
from careline.runtime.errors import ConfigurationError


def span_of(text: str, option: str) -> timedelta | None:
    """Return the span of an option; None if it is empty. Raises ConfigurationError."""
    if not text:
        return None
    try:
        found = read_duration(text)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}", hint=f"such as {option} 24h") from None
    if not isinstance(found, timedelta) or found <= timedelta(0):
        raise ConfigurationError(f"{option}: {text!r} is no span", hint=f"such as {option} 24h")
    return found
