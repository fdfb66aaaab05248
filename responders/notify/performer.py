"""Tells a step of the ladder by webhook or mail, for the ledger's executor.

Promise: a webhook of unknown outcome is called again under the same id, which its receiver knows;
a mail is sent again with the same message id. An alert told twice is a nuisance, one that nobody
was told is what careline exists against: so what is in doubt is repeated, after the time in which
the first one may still land.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime
from typing import Final

import aiohttp

from careline.domain.case import Case
from careline.domain.effects import Intent
from careline.ledger.effects import Attempt
from careline.ledger.outcomes import Blocked, Done, NotDone, Refused, Report, Unknown
from careline.runtime.clock import Clock
from responders.notify.alerts import Alert, alert_of
from responders.notify.config import NotifyConfig, Webhook
from responders.notify.mail import send_mail
from responders.notify.webhook import send_webhook

_REMEMBERED: Final = 10_000


class NotifyPerformer:
    """Makes the calls of the executor ``notify``."""

    def __init__(self, config: NotifyConfig, session: aiohttp.ClientSession, clock: Clock) -> None:
        """Call whom the configuration names, and nobody else."""
        self._config = config
        self._session = session
        self._clock = clock
        self._told: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Effect and receiver: of several receivers only those left out are called again."""

    def lane(self, effect: Intent, case: Case) -> str:
        """Return whom it is for: one slow receiver holds up no other."""
        del case
        return effect.notify

    async def perform(self, effect: Intent, case: Case, attempt: Attempt) -> Report:
        """Tell everybody that the step names, once each."""
        del attempt
        alert = alert_of(effect, case, case_link=self._config.case_link)
        if hooks := self._config.webhooks_of(effect.notify):
            return await self._call(effect, hooks, alert)
        if readers := self._config.readers_of(effect.notify):
            return await self._mail(alert, readers)
        return Refused(f"{effect.notify}: nobody has that name under notify: in careline.yaml")

    async def lookup(self, effect: Intent, case: Case, *, since: datetime) -> Done | None:
        """Nothing can be searched: what is in doubt is told again under the same id."""
        del effect, case, since
        return None

    async def _call(self, effect: Intent, hooks: dict[str, Webhook], alert: Alert) -> Report:
        key = effect.effect_id
        left = {name: hook for name, hook in hooks.items() if (key, name) not in self._told}
        now = self._clock.now()
        calls = (send_webhook(self._session, *one, alert, now=now) for one in left.items())
        reports = dict(zip(left, await asyncio.gather(*calls), strict=True))
        for name, report in reports.items():
            if isinstance(report, Done):
                self._told[effect.effect_id, name] = None
        while len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        failed = [report for report in reports.values() if not isinstance(report, Done)]
        if failed:
            # What was definitely not done can be done again at once; what is in doubt has to wait.
            return min(failed, key=lambda report: _WAITS.index(type(report)))
        return Done(channel=effect.notify, native_id=effect.effect_id)

    async def _mail(self, alert: Alert, readers: tuple[str, ...]) -> Report:
        smtp = self._config.smtp
        if smtp is None:
            return Refused("mail: no server is configured")
        timeout = self._config.request_timeout / 2
        return await send_mail(smtp, readers, alert, now=self._clock.now(), timeout=timeout)


_WAITS: Final[tuple[type, ...]] = (Unknown, NotDone, Blocked, Refused)
