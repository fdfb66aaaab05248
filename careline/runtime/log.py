"""What the processes say about themselves: one line an event on stderr, JSON or for a person.

Promises: whatever is logged, by us or by a library, passes `redact` before it leaves, so that no
token and no password of a URL is written; the libraries' outage lines come once and then as a count
each 10 s. Nobody logs a text of a customer: messages name ids, and pydantic's inputs are cut out.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from typing import TYPE_CHECKING, Any, Final, TextIO

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from structlog.typing import Processor

LIMITED: Final = ("aiokafka", "faust", "mode", "kafka", "redis", "slack_sdk", "slack_bolt")
"""Loggers of libraries that say the same again and again during an outage."""
WINDOW_S: Final = 10.0
_MOST_TEMPLATES: Final = 1000
_QUIET: Final = ("aiokafka", "faust", "mode", "streams.transport", "asyncio")
"""Loggers that tell at INFO what only their authors want to know."""

_SECRETS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"xox[a-z]-[A-Za-z0-9-]{4,}",
        r"xoxe\.xox[a-z]-[A-Za-z0-9-]{4,}",
        r"xapp-[A-Za-z0-9-]{4,}",
        r"(?<=[Bb]earer )[A-Za-z0-9._~+/%=-]{8,}",
        r"AAAAAAAAAA[A-Za-z0-9%_-]{20,}",
        r"(?<=://)[^/\s@:\"']*:[^/\s@\"']+(?=@)",
        r"(?<=oauth_signature=)[^,&\s]+",
        r"(?<=oauth_token=)[^,&\s]+",
    )
)
_INPUT: Final = re.compile(r"input_value=.*?(?=, input_type=|\]|$)", re.MULTILINE)
_DIGITS: Final = re.compile(r"\d+")
_SHOWN: Final = "[redacted]"


def redact(text: str) -> str:
    """Return the text without tokens, passwords in URLs and the inputs that pydantic quotes."""
    for pattern in _SECRETS:
        text = pattern.sub(_SHOWN, text)
    return _INPUT.sub(f"input_value={_SHOWN}", text)


class LimitRepeats(logging.Filter):
    """Passes the first of a logger's message template, then how often it came, each 10 s."""

    def __init__(
        self,
        limited: Iterable[str] = LIMITED,
        *,
        window: float = WINDOW_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Limit these loggers and those below them."""
        super().__init__()
        self._limited = tuple(limited)
        self._window = window
        self._monotonic = monotonic
        self._seen: dict[tuple[str, str], list[float]] = {}  # until when, how many were held back

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written now; one that ends a window tells the count."""
        if not self._is_limited(record.name):
            return True
        # Some libraries format before they log: ports, ids and offsets make no new message.
        key = (record.name, _DIGITS.sub("#", str(record.msg)))
        now = self._monotonic()
        seen = self._seen.get(key)
        if seen is not None and now < seen[0]:
            seen[1] += 1
            return False
        if len(self._seen) >= _MOST_TEMPLATES:
            self._seen.clear()
        self._seen[key] = [now + self._window, 0]
        if seen is not None and seen[1]:
            message = record.getMessage()
            record.args = None
            record.msg = f"{message} (and {seen[1]:.0f} more like it in {self._window:g} s)"
        return True

    def _is_limited(self, name: str) -> bool:
        return any(name == each or name.startswith(f"{each}.") for each in self._limited)


class _Redacting(structlog.stdlib.ProcessorFormatter):
    """The last step of every line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without secrets."""
        return redact(super().format(record))


def configure_logging(
    level: str = "INFO",
    *,
    json: bool | None = None,
    role: str = "",
    stream: TextIO | None = None,
) -> None:
    """Have this process log on `stream` (stderr); JSON unless that is a terminal.

    Calling it again replaces what was set up before.
    """
    stream = stream or sys.stderr
    as_json = not stream.isatty() if json is None else json
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _with_role(role),
    ]
    final: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if as_json
        else [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
    )
    handler = logging.StreamHandler(stream)
    handler.addFilter(LimitRepeats())
    handler.setFormatter(
        _Redacting(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in _QUIET:
        quiet = logging.WARNING if logging.root.level >= logging.INFO else logging.NOTSET
        logging.getLogger(name).setLevel(quiet)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _with_role(role: str) -> Processor:
    def add(_logger: Any, _method: str, event: Any) -> Any:
        if role:
            event.setdefault("role", role)
        return event

    return add
