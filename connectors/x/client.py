"""tweepy's asynchronous client, wrapped once: our session, our pacing, our errors.

Promises: one HTTP session for all accounts, which is always closed; requests go to the configured
host; a rate limit is honoured before X has to refuse; every failure is one of `connectors.errors`.
tweepy returns plain JSON here (`return_type=dict`), because its models raise on the first malformed
item and lose the page. It is never asked to wait on a limit by itself: without a reset header it
would call itself without end.
"""

from __future__ import annotations

import contextlib
import logging
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Self

import aiohttp
from tweepy.asynchronous import AsyncClient

from connectors.errors import OutcomeUnknown, RateLimited
from connectors.x.config import API_URL, XConfig
from connectors.x.errors import translate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from pydantic import SecretStr

Json = dict[str, Any]
CONNECTIONS_MAX: Final = 32
_NEARLY_NONE: Final = 0

_answer: ContextVar[dict[str, str] | None] = ContextVar("x_answer", default=None)


class XSession:
    """One aiohttp session for any number of accounts."""

    def __init__(self, *, timeout_s: float = 30.0) -> None:
        """Remember the bounds; nothing is open yet."""
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        # tweepy writes bodies and Authorization headers to its debug log; they belong in no log.
        logging.getLogger("tweepy").setLevel(logging.WARNING)
        self._session = aiohttp.ClientSession(
            timeout=self._timeout, connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX)
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    @property
    def opened(self) -> aiohttp.ClientSession:
        """The open session."""
        if self._session is None:
            raise OutcomeUnknown("x: the HTTP session is closed")
        return self._session


class _Rebased:
    """What tweepy takes for a session: sends to our host and remembers the answer's headers."""

    def __init__(self, session: XSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")

    @contextlib.asynccontextmanager
    async def request(
        self, method: str, url: object, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        # tweepy has its host as a literal; a signed URL is encoded already and must stay as it is.
        target: Any = self._base_url + str(url).removeprefix(API_URL)
        if not isinstance(url, str):
            target = type(url)(target, encoded=True)  # type: ignore[call-arg]
        async with self._session.opened.request(method, target, **options) as response:
            head = _answer.get()
            if head is not None:
                head.update(response.headers)
            yield response


class XClient:
    """Calls of one brand account."""

    def __init__(self, config: XConfig, session: XSession) -> None:
        """Prepare; the session is opened and closed by its owner."""
        self._oauth_1 = config.oauth_1
        self._tweepy = AsyncClient(
            bearer_token=_plain(config.bearer_token),
            consumer_key=_plain(config.consumer_key),
            consumer_secret=_plain(config.consumer_secret),
            access_token=_plain(config.access_token),
            access_token_secret=_plain(config.access_token_secret),
            return_type=dict,
            wait_on_rate_limit=False,
        )
        self._tweepy.session = _Rebased(session, config.base_url)
        self._resting: dict[str, float] = {}

    async def call(self, method: str, *arguments: Any, **options: Any) -> Json:
        """Call a method of tweepy's client by name and return X's JSON.

        Raises the errors of `connectors.errors`; `RateLimited` without a request while X's last
        answer to this method said that nothing is left.
        """
        rest = self._resting.get(method, 0.0) - time.time()
        if rest > 0:
            raise RateLimited(f"x: {method}: resting", retry_after=rest)
        head: dict[str, str] = {}
        token = _answer.set(head)
        try:
            made = getattr(self._tweepy, method)
            answer = await made(*arguments, user_auth=self._oauth_1, **options)
        except Exception as error:
            failure = translate(error, method, head)
            if isinstance(failure, RateLimited) and failure.retry_after is not None:
                self._resting[method] = time.time() + failure.retry_after
            raise failure from error
        finally:
            _answer.reset(token)
        self._note(method, head)
        if not isinstance(answer, dict):
            raise OutcomeUnknown(f"x: {method}: the answer is no JSON object")
        return answer

    def _note(self, method: str, head: dict[str, str]) -> None:
        left, reset = head.get("x-rate-limit-remaining", ""), head.get("x-rate-limit-reset", "")
        if left.isdecimal() and int(left) <= _NEARLY_NONE and reset.isdecimal():
            self._resting[method] = float(reset)


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
