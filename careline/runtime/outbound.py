"""Calls to addresses that an operator has configured: a heartbeat, a webhook.

Promises: only https, or plain http to this very machine; no redirect is followed, no proxy of the
environment is used, no cookie is kept, and every call ends within its bound. An error never shows
the address, which may hold a token.
"""

from __future__ import annotations

import ipaddress
from typing import Final

import aiohttp
from yarl import URL

_SCHEMES: Final = ("https", "http")


def checked_url(url: str) -> str:
    """Return the address if it may be called. Raises ``ValueError`` that does not show it."""
    try:
        parsed = URL(url)
    except ValueError:
        raise ValueError("it is no URL") from None
    if parsed.scheme not in _SCHEMES or not parsed.host:
        raise ValueError("it must begin with https:// and name a host")
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise ValueError("it must begin with https:// (plain http only to this machine)")
    if parsed.user or parsed.password:
        raise ValueError("a name or password has no place in it")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def outbound_session(*, timeout: float) -> aiohttp.ClientSession:
    """Return a session for such calls; give ``allow_redirects=False`` to each of them."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=timeout),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )
