"""Log lines of the real code are silenced while schedules play, and only then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.schedule import quiet


@pytest.fixture
def silence() -> Iterator[None]:
    """Log nothing during a test."""
    before = structlog.get_config()
    quiet()
    yield
    structlog.configure(**before)
