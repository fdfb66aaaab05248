"""The auditor's round: look, look again, count, tell, ask for repair, and report a clean round.

Promises: a finding counts only if a second look finds the same standing in the same way, so that
what is under way is none; it is counted and told once, and its repair is asked for until it holds
again. A broken promise never stops the auditor; neither does a peer that is away.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from careline.domain.operations import AUDITOR
from careline.ledger.auditing.asking import Asking
from careline.ledger.auditing.findings import Finding
from careline.ledger.auditing.heartbeat import Heartbeat
from careline.ledger.auditing.looking import Look, Looker
from careline.ledger.auditing.metrics import AuditMetrics
from careline.ledger.fence import where
from careline.ledger.quarantine import Quarantine
from careline.runtime.clock import Clock
from careline.runtime.errors import RetryableError

_TELL_AT_MOST: Final = 100
"""Of one round: the count says how many there were."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often the auditor looks."""

    every: float = 20.0
    second_look: float = 3.0
    repair_again: float = 30.0
    """A repair that has not helped by then is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one round came to."""

    confirmed: tuple[Finding, ...]
    fresh: tuple[Finding, ...]
    """Those that were not known before: counted and told."""
    whole: bool

    @property
    def clean(self) -> bool:
        """Whether everything was judged and everything held."""
        return self.whole and not self.confirmed


class Auditor:
    """Looks at the whole, again and again."""

    def __init__(  # noqa: PLR0913 - its collaborators
        self,
        looker: Looker,
        asking: Asking,
        quarantine: Quarantine,
        *,
        metrics: AuditMetrics,
        heartbeat: Heartbeat,
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        """Take its collaborators."""
        self._looker = looker
        self._asking = asking
        self._quarantine = quarantine
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._clock = clock
        self._pace = pace or Pace()
        self._known: dict[tuple[str, str], Finding] = {}
        self._untold: list[Finding] = []
        self._asked_at: dict[tuple[str, str], float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Go round until told to stop."""
        while not stop.is_set():
            started = self._clock.monotonic()
            result = "failed"
            try:
                done = await self.round(stop)
                result = "clean" if done.clean else "broken"
            except RetryableError as error:
                _log.warning("audit put off", code=error.code, why=str(error))
            except Exception as error:  # noqa: BLE001 - the task supervisor: it must go on
                _log.error("audit failed", code=type(error).__name__, where=where(error))
            seconds = self._clock.monotonic() - started
            self._metrics.round_ended(result, seconds=seconds, at=self._clock.now().timestamp())
            await self._rest(stop, self._pace.every)

    async def round(self, stop: asyncio.Event | None = None) -> Round:
        """Make one round. Raises `RetryableError` if a peer does not answer."""
        look = await self._looker.look()
        confirmed: tuple[Finding, ...] = ()
        if look.findings:
            await self._rest(stop or asyncio.Event(), self._pace.second_look)
            again = await self._looker.look()
            confirmed = _in_both(look, again)
            look = again
        self._metrics.late(look.late_seconds)
        fresh = self._take_over(confirmed, look.unjudged)
        await self._tell()
        await self._repair(confirmed)
        done = Round(confirmed=confirmed, fresh=fresh, whole=look.whole)
        if done.clean:
            await self._heartbeat.beat()
        return done

    def _take_over(
        self, confirmed: tuple[Finding, ...], unjudged: frozenset[int]
    ) -> tuple[Finding, ...]:
        """Count what is new, and forget what holds again."""
        fresh = tuple(found for found in confirmed if found.key not in self._known)
        for found in fresh:
            self._metrics.broken(found.invariant)
            _log.error(
                "promise broken",
                invariant=found.invariant,
                shard=found.shard,
                subject=found.subject,
                says=found.says,
            )
        # What could not be judged stands as it stood.
        still = {name: found for name, found in self._known.items() if found.shard in unjudged}
        self._known = still | {found.key: found for found in confirmed}
        self._asked_at = {known: at for known, at in self._asked_at.items() if known in self._known}
        self._metrics.standing(found.invariant for found in self._known.values())
        self._untold += fresh
        return fresh

    async def _tell(self) -> None:
        """Put what is new in front of the people who run careline."""
        for found in self._untold[:_TELL_AT_MOST]:
            await self._quarantine.tell(
                source=AUDITOR,
                position=f"{found.subject} {found.evidence}".rstrip(),
                reason=found.invariant,
            )
            self._untold.remove(found)
        self._untold.clear()

    async def _repair(self, confirmed: tuple[Finding, ...]) -> None:
        now = self._clock.monotonic()
        done: set[object] = set()
        for found in confirmed:
            asked_at = self._asked_at.get(found.key)
            again = asked_at is None or now - asked_at >= self._pace.repair_again
            # Several findings may need the same thing, such as one recovery of their shard.
            if found.repair is None or not again or found.repair in done:
                continue
            asked = await self._asking.ask(found)
            done.add(found.repair)
            self._asked_at[found.key] = now
            _log.warning("repair asked for", invariant=found.invariant, asked=asked)

    async def _rest(self, stop: asyncio.Event, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return


def _in_both(look: Look, again: Look) -> tuple[Finding, ...]:
    """Return what stands now as it stood before."""
    before = {(found.key, found.evidence) for found in look.findings}
    return tuple(found for found in again.findings if (found.key, found.evidence) in before)
