"""One call on the second path: signed, bounded, classed, and without a customer's word."""

from __future__ import annotations

import email
import email.policy
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr, ValidationError
from structlog.testing import capture_logs

from careline.domain.effects import NOTIFY, Intent
from careline.domain.policy import Policy
from careline.ledger.effects import Attempt
from careline.ledger.outcomes import Blocked, Done, NotDone, Refused, Report, Unknown
from careline.runtime.clock import SystemClock
from careline.runtime.outbound import outbound_session
from responders.notify.alerts import alert_of
from responders.notify.config import MailSecurity, NotifyConfig, Smtp, Webhook
from responders.notify.performer import NotifyPerformer
from schemas.triage import Priority
from tests.responders.notify.receiver import SECRET, Mailbox, Receiver, a_mailbox, a_receiver
from tests.support.stories import Story, a_mention

WORDS = "my card number is 4929 1234"


def an_effect(notify: str) -> Intent:
    return Intent(
        effect_id="notify:e7",
        executor=NOTIFY,
        kind="alert",
        case_id="s01-0",
        event_id="e7",
        subject="step",
        notify=notify,
    )


def a_config(**parts: Any) -> NotifyConfig:
    return NotifyConfig(kafka="127.0.0.1:1", redis=SecretStr("redis://127.0.0.1:1/0"), **parts)


def a_hook(url: str) -> Webhook:
    return Webhook(url=SecretStr(url), secret=SecretStr(SECRET))


def a_server(mailbox: Mailbox) -> Smtp:
    return Smtp(
        host="127.0.0.1",
        port=mailbox.port,
        security=MailSecurity.NONE,
        sender="careline@acme.example",
    )


def a_case() -> Any:
    story = Story()
    story.hear(a_mention(text=WORDS))
    return story.current


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with outbound_session(timeout=0.5) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver() as found:
        yield found


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with a_mailbox() as found:
        yield found


async def told(session: aiohttp.ClientSession, config: NotifyConfig, notify: str) -> Report:
    """Perform one effect."""
    performer = NotifyPerformer(config, session, SystemClock())
    attempt = Attempt(number=1, at=datetime.now(UTC))
    return await performer.perform(an_effect(notify), a_case(), attempt)


async def test_a_webhook_is_signed_and_says_which_case(
    session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    config = a_config(
        webhooks={"pager": a_hook(receiver.url)}, case_link="https://c.example/{case}"
    )
    report = await told(session, config, "webhook:pager")
    assert report == Done(channel="webhook:pager", native_id="notify:e7")
    ((key, body),) = receiver.calls
    assert (key, body["id"], body["type"]) == (
        *("notify:e7", "notify:e7"),
        "com.careline.case.alert.v1",
    )
    assert body["priority"] == "P3"
    assert body["open_queries"] == 1
    assert body["due_at"].startswith("2026-")
    assert body["target"] == "first_response"
    assert body["because"].startswith("first response 4 h for P3, 24x7, due ")
    assert body["link"] == f"https://c.example/{body['case']}"


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (204, {}, Done),
        (302, {"Location": "/elsewhere"}, Refused),
        (400, {}, Refused),
        (401, {}, Blocked),
        (404, {}, Blocked),
        (408, {}, Unknown),
        (429, {"Retry-After": "7"}, NotDone),
        (429, {"Retry-After": "\u00b2"}, NotDone),
        (429, {}, NotDone),
        (500, {}, Unknown),
    ],
)
async def test_each_answer_has_its_class(
    session: aiohttp.ClientSession,
    receiver: Receiver,
    status: int,
    headers: dict[str, str],
    kind: type,
) -> None:
    receiver.status, receiver.headers = status, headers
    config = a_config(webhooks={"pager": a_hook(receiver.url)})
    report = await told(session, config, "webhook:pager")
    assert isinstance(report, kind)
    assert receiver.asked == 1, "no redirect is followed, nothing is repeated here"
    assert "hunter2" not in str(report)
    if isinstance(report, NotDone):
        assert report.retry_after == (7 if headers.get("Retry-After") == "7" else 30)


async def test_a_receiver_that_hangs_is_in_doubt_and_one_that_is_gone_is_not(
    session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    receiver.hang = 5.0
    config = a_config(webhooks={"pager": a_hook(receiver.url)})
    assert isinstance(await told(session, config, "webhook"), Unknown)
    gone = a_config(webhooks={"pager": a_hook("http://127.0.0.1:1/")})
    assert isinstance(await told(session, gone, "webhook"), NotDone)


async def test_of_several_receivers_only_those_left_out_are_called_again(
    session: aiohttp.ClientSession, receiver: Receiver
) -> None:
    async with a_receiver() as other:
        other.status = 500
        hooks = {"one": a_hook(receiver.url), "other": a_hook(other.url)}
        performer = NotifyPerformer(a_config(webhooks=hooks), session, SystemClock())
        attempt = Attempt(number=1, at=datetime.now(UTC))
        effect, case = an_effect("webhook"), a_case()
        assert isinstance(await performer.perform(effect, case, attempt), Unknown)
        assert await performer.lookup(effect, case, since=datetime.now(UTC)) is None
        other.status = 200
        assert isinstance(await performer.perform(effect, case, attempt), Done)
        assert (receiver.asked, other.asked) == (1, 2)
        assert {key for key, _ in other.calls} == {"notify:e7"}, "the same id each time"


async def test_a_mail_goes_to_all_readers_of_a_group_with_a_lasting_id(
    session: aiohttp.ClientSession, mailbox: Mailbox
) -> None:
    readers = ("duty@acme.example", "boss@acme.example")
    config = a_config(mail={"duty": readers, "else": ("x@y.example",)}, smtp=a_server(mailbox))
    first = await told(session, config, "mail:duty")
    again = await told(session, config, "mail:duty")
    assert isinstance(first, Done)
    assert first == again
    assert mailbox.readers == [*readers, *readers]
    message = email.message_from_string(mailbox.mails[0], policy=email.policy.default)
    assert message["Message-ID"] == first.native_id
    assert "escalated" in str(message["Subject"])
    assert "careline case claim" in mailbox.mails[0]


@pytest.mark.parametrize(
    ("command", "answer", "kind"),
    [
        ("MAIL", "451 later", NotDone),
        ("MAIL", "550 no", Refused),
        ("RCPT", "550 nobody", Refused),
        ("TAKEN", "554 no", Refused),
        ("TAKEN", "452 full", NotDone),
        ("TAKEN", "cut", Unknown),
    ],
)
async def test_each_answer_of_a_mail_server_has_its_class(
    session: aiohttp.ClientSession, mailbox: Mailbox, command: str, answer: str, kind: type
) -> None:
    mailbox.answers[command] = answer
    config = a_config(mail={"duty": ("duty@acme.example",)}, smtp=a_server(mailbox))
    assert isinstance(await told(session, config, "mail"), kind)


async def test_a_reader_whom_the_server_refuses_is_logged_and_the_others_are_told(
    session: aiohttp.ClientSession, mailbox: Mailbox
) -> None:
    mailbox.answers["RCPT boss@acme.example"] = "550 nobody"
    readers = ("duty@acme.example", "boss@acme.example")
    config = a_config(mail={"duty": readers}, smtp=a_server(mailbox))
    with capture_logs() as logs:
        report = await told(session, config, "mail")
    assert isinstance(report, Done)
    assert len(mailbox.mails) == 1
    assert [(each["event"], each["readers"]) for each in logs] == [
        ("mail not taken for some readers", 1)
    ]
    assert "boss" not in str(logs)


async def test_a_mail_server_that_is_away_has_taken_nothing(
    session: aiohttp.ClientSession,
) -> None:
    gone = Smtp(host="127.0.0.1", port=1, security=MailSecurity.NONE, sender="a@b.example")
    config = a_config(mail={"duty": ("duty@acme.example",)}, smtp=gone)
    assert isinstance(await told(session, config, "mail"), NotDone)


async def test_a_step_that_names_nobody_is_refused_with_a_reason(
    session: aiohttp.ClientSession,
) -> None:
    report = await told(session, a_config(), "webhook:pager")
    assert report == Refused("webhook:pager: nobody has that name under notify: in careline.yaml")


@pytest.mark.parametrize("visibility", ["public", "direct"])
def test_an_alert_holds_no_word_of_a_customer(visibility: str) -> None:
    story = Story()
    story.hear(a_mention(text=WORDS, visibility=visibility, author="jane-doe-77"))
    alert = alert_of(an_effect("mail"), story.current, case_link="")
    for shown in (alert.body(), alert.text()):
        assert "4929" not in shown
        assert "card" not in shown
        assert "jane" not in shown
    assert json.loads(alert.body())["visibility"] == visibility


def test_a_mail_says_why_the_deadline_is_when_it_is() -> None:
    alert = alert_of(an_effect("mail"), a_case(), case_link="")
    assert "Due:      2026-11-02 13:00 UTC = first response 4 h for P3, 24x7\n" in alert.text()


def test_a_missed_resolution_is_what_an_alert_is_about() -> None:
    policy = Policy(resolution={Priority.P3: timedelta(hours=1)})
    story = Story(policy)
    story.hear(a_mention(text=WORDS))
    for _ in range(2):
        story.next_step()
    alert = alert_of(an_effect("mail"), story.current, case_link="")
    assert (alert.data["target"], alert.data["breached"]) == ("resolution", True)
    assert alert.headline.startswith("careline: P3 deadline missed")
    assert "Due:      2026-11-02 10:00 UTC = resolution 1 h for P3, 24x7\n" in alert.text()


def test_a_case_that_needs_nobody_has_no_deadline_to_explain() -> None:
    case = replace(a_case(), obligations=())
    alert = alert_of(an_effect("mail"), case, case_link="")
    assert "Due:      -\n" in alert.text()
    assert (alert.data["due_at"], alert.data["because"]) == (None, None)


@pytest.mark.parametrize(
    "url",
    [
        "http://alerts.example.com/",
        "ftp://127.0.0.1/",
        "https://user:pass@alerts.example.com/",
        "https:///nowhere",
        "file:///etc/passwd",
        "http://169.254.169.254/latest/meta-data",
    ],
)
def test_an_address_that_may_not_be_called_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        a_hook(url)
    shown = str(refused.value.errors(include_input=False, include_url=False))
    assert "pass@" not in shown
    assert "meta-data" not in shown


def test_a_weak_secret_and_open_mail_are_refused() -> None:
    for secret in ("whsec_c2hvcnQ=", "hunter2", "whsec_!!!"):
        with pytest.raises(ValidationError, match="signing secret"):
            Webhook(url=SecretStr("https://a.example/"), secret=SecretStr(secret))
    with pytest.raises(ValidationError, match="this machine only"):
        Smtp(host="mail.example", security=MailSecurity.NONE, sender="a@b.example")
    with pytest.raises(ValidationError, match="no server"):
        a_config(mail={"duty": ("a@b.example",)})
    with pytest.raises(ValidationError, match="is no address"):
        a_config(mail={"duty": ("nobody",)}, smtp=None)
