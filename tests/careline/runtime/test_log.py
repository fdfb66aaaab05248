"""No secret leaves in a log line, and an outage does not fill the disk."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from pydantic import BaseModel, ValidationError

from careline.runtime.log import LimitRepeats, configure_logging, redact

SECRETS = (
    "xoxb-123456789012-abcdefGHIJKL",
    "xoxe.xoxp-1-Mi0yLTEyMzQ1Njc4",
    "xapp-1-A0123-456-deadbeef",
    "AAAAAAAAAAAAAAAAAAAAAMLheAAAAAAA0%2BuSeid%2BULvsea4JtiGRiSDSJSI",
)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Logging set up on a stream of the test's own, and put back afterwards."""
    root = logging.getLogger()
    before, level, was = root.handlers[:], root.level, structlog.get_config()
    # basicConfig(force=True) closes the handlers it finds: pytest's must live on.
    root.handlers = []
    stream = io.StringIO()
    configure_logging(json=True, stream=stream, role="worker")
    yield stream
    root.handlers, root.level = before, level
    structlog.configure(**was)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_token_is_never_written(lines: io.StringIO, secret: str) -> None:
    structlog.get_logger("careline.x").warning("refused", answer=f"token {secret} revoked")
    logging.getLogger("slack_sdk").warning("headers %s", {"Authorization": f"Bearer {secret}"})
    try:
        int(secret)
    except ValueError:
        structlog.get_logger("careline.x").exception("failed")

    written = lines.getvalue()
    assert secret not in written
    assert written.count("[redacted]") >= 3
    assert [json.loads(line)["role"] for line in written.splitlines()] == ["worker"] * 3


def test_a_password_in_a_url_is_never_written() -> None:
    assert redact("redis://careline:hunter2@db:6379/0") == "redis://[redacted]@db:6379/0"
    assert redact("at redis://:hunter2@db") == "at redis://[redacted]@db"
    assert redact("https://example.com/a:b?c=d") == "https://example.com/a:b?c=d"


def test_a_text_that_pydantic_quotes_is_cut_out(lines: io.StringIO) -> None:
    class Body(BaseModel):
        number: int

    with pytest.raises(ValidationError) as caught:
        Body.model_validate_json('{"number": "my card is 4111 1111, call me"}')
    structlog.get_logger("careline.x").warning("unreadable", error=str(caught.value))

    assert "4111" not in lines.getvalue()
    assert "number" in lines.getvalue()


def test_an_outage_line_comes_first_and_then_as_a_count() -> None:
    now = 0.0
    kept = io.StringIO()
    handler = logging.StreamHandler(kept)
    handler.addFilter(LimitRepeats(monotonic=lambda: now))
    logger = logging.getLogger("aiokafka.test_outage")
    logger.propagate = False
    logger.addHandler(handler)

    for tick in range(251):  # 25 s, ten a second, from other ports
        now = tick / 10
        logger.warning("Unable connect to node with id %s: port %s", 1, 40000 + tick)
    logger.removeHandler(handler)

    written = kept.getvalue().splitlines()
    assert len(written) == 3
    assert written[0] == "Unable connect to node with id 1: port 40000"
    assert written[1].endswith("(and 99 more like it in 10 s)")


def test_our_own_lines_and_other_messages_are_not_limited() -> None:
    limit = LimitRepeats(monotonic=lambda: 0.0)

    def passes(name: str, message: str) -> bool:
        return limit.filter(logging.LogRecord(name, logging.INFO, "", 0, message, None, None))

    assert all(passes("careline.ledger", "case opened") for _ in range(5))
    assert passes("faust.app", "one")
    assert passes("faust.app", "two")
    assert not passes("faust.app", "one")
    assert passes("faustian", "one")
    assert passes("faustian", "one")


def test_a_person_at_a_terminal_gets_no_json(lines: io.StringIO) -> None:
    stream = io.StringIO()
    configure_logging(json=False, stream=stream)
    structlog.get_logger("careline.x").info("ready", partitions=16)

    assert lines.getvalue() == ""
    assert "ready" in stream.getvalue()
    assert "partitions" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())
