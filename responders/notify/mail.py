"""Alerts by mail, through the operator's own server, by the standard library's client in a thread.

Promises: encrypted unless the server is on this machine, with its certificate checked; one message
to all readers, with an id that every repeat shares, so that mail programs fold a second copy. What
fails before the message was handed over is definitely not sent; after that nobody can tell.
"""

from __future__ import annotations

import asyncio
import hashlib
import smtplib
import ssl
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

import structlog

from careline.ledger.outcomes import Blocked, Done, NotDone, Refused, Report, Unknown
from responders.notify.alerts import Alert
from responders.notify.config import MAIL, MailSecurity, Smtp

_AGAIN_S: Final = 30.0
_PERMANENT: Final = 500
_log = structlog.get_logger(__name__)


def message_of(alert: Alert, smtp: Smtp, readers: Sequence[str], *, now: datetime) -> EmailMessage:
    """Return the mail of an alert."""
    message = EmailMessage()
    domain = smtp.sender.rpartition("@")[2]
    digest = hashlib.sha256(str(alert.data["id"]).encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{digest}@{domain}>"
    message["Date"] = format_datetime(now)
    message["From"] = smtp.sender
    message["To"] = ", ".join(readers)
    message["Subject"] = alert.headline
    message["Auto-Submitted"] = "auto-generated"
    message["X-Careline-Case"] = str(alert.data["case"])
    message.set_content(alert.text())
    return message


async def send_mail(
    smtp: Smtp, readers: Sequence[str], alert: Alert, *, now: datetime, timeout: float
) -> Report:
    """Hand one mail to the server; return what became of it."""
    message = message_of(alert, smtp, readers, now=now)
    return await asyncio.to_thread(_send, smtp, message, timeout)


def _send(smtp: Smtp, message: EmailMessage, timeout: float) -> Report:
    try:
        client = _connected(smtp, timeout)
    except (smtplib.SMTPException, OSError) as error:
        return _not_connected(smtp, error)
    try:
        refused = client.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        return _not_taken(smtp, error)
    finally:
        _close(client)
    if refused:
        _log.warning("mail not taken for some readers", readers=len(refused), server=smtp.host)
    return Done(channel=MAIL, native_id=str(message["Message-ID"]))


def _not_connected(smtp: Smtp, error: Exception) -> Report:
    """Return what a failure means before anything was handed over."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return Blocked(f"{MAIL}: {smtp.host} refuses our name or password ({error.smtp_code})")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Blocked(f"{MAIL}: the certificate of {smtp.host} is not to be trusted")
    return NotDone(_AGAIN_S)


def _not_taken(smtp: Smtp, error: Exception) -> Report:
    """Return what a failure means while a message is handed over."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return Refused(f"{MAIL}: {smtp.host} takes mail for none of the readers")
    if not isinstance(error, smtplib.SMTPResponseException):
        return Unknown(f"{MAIL}: {type(error).__name__}")
    if error.smtp_code >= _PERMANENT:
        return Refused(f"{MAIL}: {smtp.host} says {error.smtp_code}")
    return NotDone(_AGAIN_S)


def _connected(smtp: Smtp, timeout: float) -> smtplib.SMTP:
    """Return a client that may send. Raises ``SMTPException`` or ``OSError``; nothing was sent."""
    context = ssl.create_default_context()
    if smtp.security is MailSecurity.TLS:
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            smtp.host, smtp.port, timeout=timeout, context=context
        )
    else:
        client = smtplib.SMTP(smtp.host, smtp.port, timeout=timeout)
    try:
        if smtp.security is MailSecurity.STARTTLS:
            client.starttls(context=context)
        if smtp.user and smtp.password is not None:
            client.login(smtp.user, smtp.password.get_secret_value())
    except BaseException:
        _close(client)
        raise
    return client


def _close(client: smtplib.SMTP) -> None:
    """Take leave; whether the server still answers changes nothing."""
    try:
        client.quit()
    except (smtplib.SMTPException, OSError):
        client.close()
