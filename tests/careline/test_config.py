"""careline.yaml: what it says reaches the domain; what is wrong is said with its place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from careline.config import check_config, load_config, write_config
from careline.domain.policy import Policy
from careline.runtime.errors import ConfigurationError
from schemas.triage import Priority

EXAMPLE = Path(__file__).parents[2] / "careline.example.yaml"
SMALLEST = {
    "brands": [{"name": "Acme", "accounts": [{"handle": "acme"}]}],
    "channels": {"mentions": "care", "direct_messages": "care-dms"},
    "ops_channel": "ops",
}


def refused(**changes: object) -> str:
    with pytest.raises(ConfigurationError) as error:
        check_config({**SMALLEST, **changes}, Path("careline.yaml"))
    assert "careline.example.yaml" in error.value.hint
    return error.value.message


def test_the_example_shows_the_defaults_of_the_policy() -> None:
    config = load_config(EXAMPLE)
    assert config.service_levels.policy(16) == Policy(partitions=16)
    assert config.slack_ids("backup") == ("U012AB3CD", "U023BC4DE")


def test_the_smallest_file_is_enough() -> None:
    config = check_config(SMALLEST, Path("careline.yaml"))
    assert [account.handle for account in config.accounts("x")] == ["acme"]
    assert config.channels_of("ACME").direct_messages == "care-dms"
    assert config.service_levels.policy(4) == Policy(partitions=4)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    config = load_config(EXAMPLE)
    write_config(config, tmp_path / "careline.yaml")
    assert load_config(tmp_path / "careline.yaml") == config


def test_targets_and_ladder_reach_the_policy() -> None:
    levels = {
        "targets": {"P1": "90s"},
        "at_risk_share": 0.5,
        "ladder": [{"name": "boss", "notify": "boss", "after": "1.5h"}],
    }
    policy = check_config(
        {**SMALLEST, "service_levels": levels}, Path("careline.yaml")
    ).service_levels.policy(16)
    assert policy.first_response[Priority.P1] == timedelta(seconds=90)
    assert policy.first_response[Priority.P2] == timedelta(hours=1)
    assert [(step.notify, step.after) for step in policy.ladder] == [
        ("boss", timedelta(minutes=90))
    ]


def test_a_brand_may_have_channels_of_its_own() -> None:
    own = {"Acme": {"mentions": "acme", "direct_messages": "acme-dms"}}
    config = check_config({**SMALLEST, "brand_channels": own}, Path("careline.yaml"))
    assert config.channels_of("acme").mentions == "acme"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ops_channel": None}, "ops_channel"),
        ({"opps_channel": "x"}, "opps_channel"),
        ({"groups": {"backup": ["nobody"]}}, "nobody is called 'nobody'"),
        ({"brand_channels": {"Acne": SMALLEST["channels"]}}, "no brand is called 'Acne'"),
        (
            {"service_levels": {"targets": {"P1": "15 minutes"}}},
            "service_levels.targets.P1: '15 minutes' is no duration",
        ),
        ({"service_levels": {"at_risk_share": 2}}, "service_levels.at_risk_share"),
        (
            {"brands": [{"name": "A", "accounts": [{"handle": "a"}, {"handle": "A"}]}]},
            "account A stands there twice",
        ),
        (
            {"brands": [{"name": "A", "accounts": [{"network": "myspace", "handle": "a"}]}]},
            "network 'myspace' of a is not one of: x",
        ),
        (
            {"people": {"ana": {"slack": "U1"}}, "groups": {"backup": ["ana"]}},
            "no group is called 'manager'",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, object], says: str) -> None:
    assert says in refused(**changes)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"brands: [", "in line 1"),
        (b"\xff\xfe\xfa", "cannot be read"),
        (b"", "file: Input should be"),
    ],
)
def test_a_file_that_is_no_yaml_is_said_to_be_none(
    content: bytes, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "careline.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as error:
        load_config(path)
    assert says in error.value.message
    assert str(path) in error.value.message
