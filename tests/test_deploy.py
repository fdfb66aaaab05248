"""Compose file and image are sound without a Docker: schema, hardening, durability, settings."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from careline.config import load_config
from careline.sandbox.slack.workspace import Workspace
from careline.sandbox.x.model import APP_BEARER
from careline.sandbox.x.store import XStore
from careline.settings import RedisSettings, Settings, effective
from schemas.topics import DEFAULT_PARTITIONS

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
VARIABLE = re.compile(r"\bCARELINE_[A-Z_]+\b")
ROLES = {
    "topics": ["topics", "apply"],
    "connector-x": ["run", "connector", "x"],
    "worker": ["run", "worker"],
    "responder-slack": ["run", "responder", "slack"],
    "responder-notify": ["run", "responder", "notify"],
    "auditor": ["run", "auditor"],
}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    services: dict[str, Any] = loaded["services"]
    return services


@pytest.mark.parametrize(
    "command",
    [
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml"],
        ["hadolint", "Dockerfile"],
    ],
    ids=["compose", "dockerfile"],
)
def test_the_linters_find_nothing(command: list[str]) -> None:
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_role_of_the_spine_is_a_service(services: dict[str, Any]) -> None:
    assert {name: services[name]["command"] for name in ROLES} == ROLES
    for name in ROLES.keys() - {"topics"}:
        needs = services[name]["depends_on"]
        assert needs["topics"]["condition"] == "service_completed_successfully"
        assert needs["redis"]["condition"] == "service_healthy"
        assert services[name]["restart"] == "unless-stopped"


def test_ports_are_published_on_loopback_only(services: dict[str, Any]) -> None:
    published = [port for each in services.values() for port in each.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_service_runs_with_as_little_power_as_it_needs(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        if name != "kafka":  # its start script writes its own configuration, as an ordinary user
            assert service["read_only"] is True, name
            assert service["user"].split(":")[0] != "0", name


def test_redis_keeps_what_it_acknowledges(services: dict[str, Any]) -> None:
    arguments = services["redis"]["command"]
    settings = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    assert settings["--appendonly"] == "yes"
    assert settings["--appendfsync"] == "always"
    assert settings["--maxmemory-policy"] == "noeviction"
    assert services["redis"]["volumes"]


def test_kafka_makes_no_topic_by_itself_and_keeps_its_records(services: dict[str, Any]) -> None:
    assert services["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert services["kafka"]["volumes"] == ["kafka-data:/var/lib/kafka/data"]


def test_the_number_of_partitions_is_the_tables(services: dict[str, Any]) -> None:
    chosen = services["worker"]["environment"]["CARELINE_KAFKA__PARTITIONS"]
    assert chosen == f"${{CARELINE_KAFKA__PARTITIONS:-{DEFAULT_PARTITIONS}}}"


def test_every_variable_of_the_compose_file_is_explained() -> None:
    used = set(VARIABLE.findall((ROOT / "docker-compose.yml").read_text("utf-8")))
    explained = set(VARIABLE.findall((ROOT / ".env.example").read_text("utf-8")))
    assert used <= explained


def test_every_variable_that_is_explained_is_a_setting() -> None:
    explained = VARIABLE.findall((ROOT / ".env.example").read_text("utf-8"))
    known = {name.removesuffix("__") for name in effective(Settings())}
    assert set(explained) - known == set()


def test_the_example_shows_the_defaults() -> None:
    defaults = effective(Settings())
    text = (ROOT / ".env.example").read_text("utf-8")
    shown = dict(re.findall(r"^# (CARELINE_[A-Z_]+)=(.+)$", text, re.MULTILINE))
    assert shown.pop("CARELINE_REDIS__URL") == RedisSettings().url.get_secret_value()
    assert {name: defaults[name] for name in shown} == shown


def test_the_mounted_configuration_is_one_and_names_the_sandboxs_brand_and_channels(
    services: dict[str, Any],
) -> None:
    config = load_config(ROOT / "deploy" / "careline.yaml")
    arguments = services["sandbox"]["command"]
    given = {value for name, value in pairwise(arguments) if name.startswith("--")}
    named = {config.channels.mentions, config.channels.direct_messages, config.ops_channel}
    assert named | {account.handle for account in config.accounts("x")} <= given


def test_without_an_account_the_roles_have_the_sandboxs_credentials(
    services: dict[str, Any],
) -> None:
    account = XStore().account("acme", brand=True).to_json()
    environment = services["connector-x"]["environment"]
    for name in ("consumer_key", "consumer_secret", "access_token", "access_token_secret"):
        variable = f"CARELINE_X__{name.upper()}"
        assert environment[variable] == f"${{{variable}:-{account[name]}}}"
    assert APP_BEARER in environment["CARELINE_X__BEARER_TOKEN"]
    slack = services["responder-slack"]["environment"]
    assert Workspace().bot_token in slack["CARELINE_SLACK__BOT_TOKEN"]
    assert Workspace().app_token in slack["CARELINE_SLACK__APP_TOKEN"]


def test_the_image_holds_only_what_is_locked_and_runs_as_nobody() -> None:
    image = (ROOT / "Dockerfile").read_text("utf-8")
    installs = [line for line in image.splitlines() if "pip install" in line]
    assert installs
    assert all("--require-hashes" in line or "--no-deps" in line for line in installs)
    assert image.index("USER 10001:10001") > image.rindex("FROM ")


def test_the_build_context_is_an_allow_list() -> None:
    rules = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert rules[0] == "*"
    copied = {"schemas", "connectors", "streams", "responders", "careline", "requirements"}
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} >= copied
    assert "!.env" not in rules
