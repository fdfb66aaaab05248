"""Looks at everything careline stands on and says of each thing whether it is well.

Promise: one finding for each check, in words with the next step; it changes nothing, posts nothing,
costs one request at each network at most, and ends within a bound even if nothing answers. No
secret is in a finding.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import aiohttp

from careline import wiring
from careline.config import CarelineConfig, load_config
from careline.runtime import topics_admin
from careline.runtime.errors import CarelineError
from careline.runtime.redis import assert_durable, connect
from careline.settings import Settings, unknown_variables
from careline.wiring_roles import triage_choice

_BOUND_S: Final = 25.0
_OLDEST: Final = (3, 11)
_LITTLE_DISK: Final = 1024**3
_SKEW_S: Final = 5.0
_SLACK_SCOPES: Final = ("channels:history", "chat:write", "users:read")


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


SIGNS: Final = {Verdict.OK: "✓", Verdict.WARNING: "!", Verdict.FAILED: "✗"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    verdict: Verdict
    detail: str
    hint: str = ""


Check = Callable[[Settings], Awaitable[Finding]]


def _ok(check: str, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.OK, detail=detail)


def _failed(check: str, error: CarelineError) -> Finding:
    return Finding(check=check, verdict=Verdict.FAILED, detail=error.message, hint=error.hint)


async def examine(settings: Settings) -> list[Finding]:
    """Make every check, side by side; none can keep the others from being told."""
    checks: tuple[tuple[str, Check], ...] = (
        ("python", _python),
        ("settings", _settings),
        ("careline.yaml", _config),
        ("kafka", _kafka),
        ("redis", _redis),
        ("slack", _slack),
        ("x", _x),
        ("triage", _triage),
        ("disk", _disk),
    )
    return list(await asyncio.gather(*(_bounded(name, check, settings) for name, check in checks)))


async def _bounded(name: str, check: Check, settings: Settings) -> Finding:
    try:
        async with asyncio.timeout(_BOUND_S):
            return await check(settings)
    except CarelineError as error:
        return _failed(name, error)
    except (TimeoutError, OSError, aiohttp.ClientError) as error:
        return Finding(
            check=name,
            verdict=Verdict.FAILED,
            detail=f"no answer ({type(error).__name__})",
            hint="is it running, and is its address right?",
        )


async def _python(_: Settings) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < _OLDEST:
        return Finding(
            check="python", verdict=Verdict.FAILED, detail=version, hint="careline needs 3.11"
        )
    return _ok("python", version)


async def _settings(_: Settings) -> Finding:
    unknown = unknown_variables()
    if unknown:
        return Finding(
            check="settings",
            verdict=Verdict.WARNING,
            detail=f"not settings of careline: {', '.join(unknown)}",
            hint="misspelt? .env.example lists them all",
        )
    return _ok("settings", "every CARELINE_ variable is known")


async def _config(settings: Settings) -> Finding:
    config = load_config(settings.config)
    accounts = sum(len(brand.accounts) for brand in config.brands)
    return _ok(
        "careline.yaml",
        f"{settings.config}: {len(config.brands)} brand(s), {accounts} account(s), "
        f"{len(config.people)} people",
    )


async def _kafka(settings: Settings) -> Finding:
    where = wiring.topics_on_broker(settings)
    differences = await topics_admin.plan(where)
    if differences:
        return Finding(
            check="kafka",
            verdict=Verdict.FAILED,
            detail=f"{where.bootstrap}: " + "; ".join(map(str, differences)),
            hint="run: careline topics apply",
        )
    return _ok(
        "kafka", f"{where.bootstrap}: {len(where.topics)} topics of {where.partitions} partitions"
    )


async def _redis(settings: Settings) -> Finding:
    client = connect(settings.redis.url.get_secret_value())
    try:
        await assert_durable(client, dev=False)
        seconds, micros = await client.time()
    finally:
        await client.aclose()
    skew = abs(seconds + micros / 1e6 - time.time())
    if skew > _SKEW_S:
        return Finding(
            check="redis",
            verdict=Verdict.WARNING,
            detail=f"durable; its clock is {skew:.0f} s away from this machine's",
            hint="deadlines go by its clock: keep both by NTP",
        )
    return _ok("redis", "appendonly yes, appendfsync always, noeviction; clocks agree")


async def _slack(settings: Settings) -> Finding:
    config = _config_if_any(settings)
    token = settings.slack.bot_token
    if token is None or settings.slack.app_token is None:
        return Finding(
            check="slack",
            verdict=Verdict.FAILED,
            detail="CARELINE_SLACK__BOT_TOKEN or CARELINE_SLACK__APP_TOKEN is not set",
            hint="see .env.example; careline demo needs none",
        )
    url = settings.slack.base_url.rstrip("/") + "/auth.test"
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    async with _http() as http, http.post(url, headers=headers) as answer:
        body = await answer.json()
        scopes = set(answer.headers.get("x-oauth-scopes", "").replace(" ", "").split(","))
    if not body.get("ok"):
        return Finding(
            check="slack",
            verdict=Verdict.FAILED,
            detail=f"Slack refuses the bot token: {body.get('error')}",
            hint="copy it again from api.slack.com: OAuth & Permissions",
        )
    missing = [scope for scope in _SLACK_SCOPES if scope not in scopes]
    if scopes - {""} and missing:
        return Finding(
            check="slack",
            verdict=Verdict.FAILED,
            detail=f"the bot token lacks: {', '.join(missing)}",
            hint="add the scopes and install the app again",
        )
    where = f", ops channel #{config.ops_channel}" if config else ""
    return _ok("slack", f"signed in as {body.get('user')}{where}")


async def _x(settings: Settings) -> Finding:
    config = load_config(settings.config)
    configs = wiring.x_configs(settings, config)
    detail = f"credentials for {len(configs)} account(s)"
    token = settings.x.bearer_token
    if token is None:
        return _ok("x", f"{detail}; not tried (OAuth 1.0a)")
    url = f"{settings.x.base_url.rstrip('/')}/2/users/by/username/{configs[0].handle}"
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
    async with _http() as http, http.get(url, headers=headers) as answer:
        left = answer.headers.get("x-rate-limit-remaining", "?")
        if answer.status != 200:  # noqa: PLR2004 - HTTP's OK
            return Finding(
                check="x",
                verdict=Verdict.FAILED,
                detail=f"X answers {answer.status} to @{configs[0].handle}",
                hint="is the bearer token right, and does the account exist?",
            )
    return _ok("x", f"{detail}; @{configs[0].handle} found, {left} look-ups left")


async def _triage(settings: Settings) -> Finding:
    """A worker that does not find its model goes on with word lists: here it is said aloud."""
    from careline.triage.choice import (  # noqa: PLC0415 - numpy and the tables, only when asked for
        check_choice,
        chosen_artefact,
    )

    choice = triage_choice(settings)
    await asyncio.to_thread(check_choice, choice)
    if choice.classifier == "rules":
        return _ok("triage", "word lists")
    artefact = await asyncio.to_thread(chosen_artefact, choice)
    return _ok("triage", f"{artefact.version}, backend {choice.backend}")


async def _disk(settings: Settings) -> Finding:
    folder = settings.state_dir.absolute()
    free = shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free
    if free < _LITTLE_DISK:
        return Finding(
            check="disk",
            verdict=Verdict.WARNING,
            detail=f"{free // 1024**2} MB free",
            hint=f"dead letters above 256 kB are spooled in {folder}",
        )
    return _ok("disk", f"{free // 1024**3} GB free")


def _config_if_any(settings: Settings) -> CarelineConfig | None:
    try:
        return load_config(settings.config)
    except CarelineError:
        return None


def _http() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
