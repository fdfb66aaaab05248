"""`careline demo`: a story that a person understands, or a stream with its balance."""

from __future__ import annotations

from careline.cli.demo.command import demo

__all__ = ["demo"]
