"""What the auditor, the second path and triage are told; the other roles: `careline.wiring`.

Promise: as there, each role gets one frozen value of its own kind, and its code is imported only
where it runs.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from careline.config import CarelineConfig
from careline.ledger.auditing.clocktime import time_of
from careline.runtime.errors import ConfigurationError
from careline.settings import Settings
from careline.wiring import checked

if TYPE_CHECKING:
    from careline.ledger.auditing.app import AuditorConfig
    from careline.triage.choice import TriageChoice
    from responders.notify.config import NotifyConfig


def auditor_config(settings: Settings) -> AuditorConfig:
    """Return what the auditor is told."""
    from careline.ledger.auditing.app import AuditorConfig  # noqa: PLC0415 - see the promise
    from careline.ledger.auditing.auditor import Pace  # noqa: PLC0415 - as above
    from streams.config import WORKERS  # noqa: PLC0415 - as above

    auditor = settings.auditor
    return AuditorConfig(
        kafka=settings.kafka.brokers,
        redis=settings.redis.url,
        partitions=settings.kafka.partitions,
        group=WORKERS,
        pace=Pace(every=auditor.every_seconds),
        heartbeat_url=auditor.heartbeat_url,
        metrics_port=auditor.metrics_port or None,
        nightly_at=time_of(auditor.nightly_at),
    )


def notify_config(settings: Settings, config: CarelineConfig) -> NotifyConfig:
    """Return what the second path is told. Raises ConfigurationError."""
    from responders.notify.config import NotifyConfig, Smtp, Webhook  # noqa: PLC0415 - as above

    notify = settings.notify
    hooks: dict[str, Webhook] = {}
    for name, url in config.notify.webhooks.items():
        secret = notify.webhook_secrets.get(name.lower())
        if secret is None:
            raise ConfigurationError(
                f"notify: there is no signing secret for the webhook {name!r}",
                hint=f"set CARELINE_NOTIFY__WEBHOOK_SECRETS__{name.upper()} to whsec_…",
            )
        hooks[name] = checked(
            f"notify: webhook {name}", partial(Webhook, url=SecretStr(url), secret=secret)
        )
    server: dict[str, Any] = {
        "host": notify.smtp_host,
        "port": notify.smtp_port,
        "security": notify.smtp_security,
        "user": notify.smtp_user,
        "password": notify.smtp_password,
        "sender": notify.smtp_sender,
    }
    smtp = checked("notify: mail", partial(Smtp, **server)) if notify.smtp_host else None
    return checked(
        "notify",
        lambda: NotifyConfig(
            kafka=settings.kafka.brokers,
            redis=settings.redis.url,
            partitions=settings.kafka.partitions,
            webhooks=hooks,
            mail=config.notify.mail,
            smtp=smtp,
            case_link=config.notify.case_link,
        ),
    )


def triage_choice(settings: Settings) -> TriageChoice:
    """Return who judges the texts."""
    from careline.triage.choice import TriageChoice  # noqa: PLC0415 - as above

    triage = settings.triage
    return TriageChoice(
        classifier=triage.classifier,
        artefact=triage.artefact,
        rules=triage.rules,
        calibration=triage.calibration,
        backend=triage.backend,
        transformers=triage.transformers_path,
        within=triage.backend_within_seconds,
        endpoint=triage.endpoint if triage.endpoint.url else None,
    )
