"""What the auditor and the second path are told: complete, or refused by the name of a setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from careline import wiring
from careline.cli.stage import ROLES, SECOND_PATH, WATCHING
from careline.config import CarelineConfig, check_config
from careline.runtime.errors import ConfigurationError
from careline.settings import Settings, XSettings, effective, load_settings
from careline.wiring_roles import auditor_config, notify_config
from connectors.config import ConnectorsConfig
from connectors.x.config import XConfig
from streams.config import WORKERS, WorkerConfig

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0"


def a_config(**parts: Any) -> CarelineConfig:
    base = {
        "brands": [{"name": "Acme", "accounts": [{"handle": "acme"}]}],
        "channels": {"mentions": "care", "direct_messages": "care-dms"},
        "ops_channel": "ops",
    }
    return check_config(base | parts, Path("careline.yaml"))


def a_ladder(notify: str) -> dict[str, Any]:
    return {"ladder": [{"name": "second path", "notify": notify, "after": "0s"}]}


def settings(**parts: Any) -> Settings:
    return load_settings(**parts)


def test_every_role_of_a_stage_can_be_run() -> None:
    known = {role.words for role in wiring.ROLES}
    for roles in (ROLES, WATCHING, SECOND_PATH):
        assert {tuple(words) for words in roles.values()} <= known


def test_the_auditor_looks_at_the_workers_group_and_listens_nowhere() -> None:
    config = auditor_config(settings())
    worker = WorkerConfig(bootstrap="", redis_url=SecretStr("redis://127.0.0.1"))
    assert config.group == worker.group == WORKERS
    assert config.metrics_port is None
    assert config.heartbeat_url is None
    assert config.nightly_at is not None


@pytest.mark.parametrize(
    ("part", "variable"),
    [
        ({"heartbeat_url": "http://ping.example/t0ken"}, "CARELINE_AUDITOR__HEARTBEAT_URL"),
        ({"nightly_at": "noon"}, "CARELINE_AUDITOR__NIGHTLY_AT"),
        ({"metrics_port": 70000}, "CARELINE_AUDITOR__METRICS_PORT"),
    ],
)
def test_a_wrong_setting_of_the_auditor_is_named(part: dict[str, Any], variable: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(auditor=part)
    assert variable in refused.value.message
    assert "t0ken" not in refused.value.message


def test_the_second_path_gets_its_addresses_from_the_file_and_its_secrets_from_settings() -> None:
    config = a_config(
        notify={
            "webhooks": {"pager": "https://alerts.example/x"},
            "mail": {"duty": ["duty@acme.example"]},
            "case_link": "https://c.example/{case}",
        },
        service_levels=a_ladder("webhook:pager"),
    )
    given = settings(
        notify={
            "webhook_secrets": {"pager": SECRET},
            "smtp_host": "mail.example",
            "smtp_sender": "careline@acme.example",
        }
    )
    told = notify_config(given, config)
    assert told.webhooks_of("webhook").keys() == {"pager"}
    assert told.readers_of("mail:duty") == ("duty@acme.example",)
    assert told.smtp is not None
    assert SECRET not in repr(told)
    assert SECRET not in str(effective(given))
    assert effective(given)["CARELINE_NOTIFY__WEBHOOK_SECRETS"] == "of pager"


def test_a_webhook_without_a_secret_and_mail_without_a_server_are_refused() -> None:
    config = a_config(notify={"webhooks": {"pager": "https://alerts.example/x"}})
    with pytest.raises(ConfigurationError) as refused:
        notify_config(settings(), config)
    assert "CARELINE_NOTIFY__WEBHOOK_SECRETS__PAGER" in refused.value.hint
    config = a_config(notify={"mail": {"duty": ["duty@acme.example"]}})
    with pytest.raises(ConfigurationError, match="SMTP_HOST"):
        notify_config(settings(), config)


@pytest.mark.parametrize("notify", ["webhook:nobody", "mail", "mail:duty"])
def test_a_step_that_tells_nobody_is_refused(notify: str) -> None:
    with pytest.raises(ConfigurationError, match="does not define"):
        a_config(
            notify={"webhooks": {"pager": "https://a.example/"}}, service_levels=a_ladder(notify)
        )


def test_an_address_that_may_not_be_called_is_refused_with_the_file() -> None:
    with pytest.raises(ConfigurationError, match=r"notify\.webhooks\.pager: it must begin with"):
        a_config(notify={"webhooks": {"pager": "http://alerts.example/"}})


def test_a_connector_reads_at_the_same_pace_whoever_makes_its_configuration() -> None:
    keys = {"consumer_key": "k", "consumer_secret": "s"}
    token = {"access_token": "t", "access_token_secret": "s"}
    (wired,) = wiring.x_configs(settings(x=keys | token), a_config())
    alone = XConfig(account="acme", bearer_token=SecretStr("b"))
    paces = [name for name in XConfig.model_fields if name.endswith("_s")]
    assert len(paces) > 5
    assert {name: getattr(wired, name) for name in paces} == {
        name: getattr(alone, name) for name in paces
    }


def test_a_reply_in_doubt_waits_as_long_whoever_makes_the_configuration() -> None:
    x = XSettings()
    alone = ConnectorsConfig(kafka_bootstrap="", redis_url="")
    assert x.landing_seconds == alone.reply_landing_s
    assert x.reply_unsettled_seconds == alone.reply_unsettled_s


def test_large_dead_letters_go_where_the_settings_say(tmp_path: Path) -> None:
    told = settings(state_dir=tmp_path, replay={"file": __file__})
    worker = wiring.worker_config(told, a_config())
    connector = wiring.connectors_config(told, a_config(), network="replay")
    assert worker.spool == connector.spool == tmp_path / "dead-letters"
    relative = wiring.worker_config(settings(), a_config()).spool
    assert relative is not None
    assert relative.is_absolute()
