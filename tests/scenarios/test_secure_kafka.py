"""careline through TLS and with a password, on a real Apache Kafka: every client is let in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from careline.runtime.embedded_valkey import EmbeddedValkey
from tests.support.command import careline
from tests.support.kafka.secure import PASSWORD, SecureDoor, secure_kafka
from tests.support.servers import require_kafka

pytestmark = [pytest.mark.slow, pytest.mark.kafka, pytest.mark.timeout(240)]

POSTS = 20


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureDoor]:
    require_kafka()
    with secure_kafka(tmp_path_factory.mktemp("secure")) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "careline.yaml").write_text(
        "brands: [{name: Acme, accounts: [{handle: acme}]}]\n"
        "channels: {mentions: care, direct_messages: care-dms}\nops_channel: ops\n",
        encoding="utf-8",
    )
    (tmp_path / "posts.jsonl").write_text(
        "".join(
            json.dumps({"author_id": f"a{n}", "text": f"@acme my order {n} never came, help?"})
            + "\n"
            for n in range(POSTS)
        ),
        encoding="utf-8",
    )
    return tmp_path


async def test_commands_connector_and_worker_are_let_in(
    door: SecureDoor, folder: Path, valkey: EmbeddedValkey
) -> None:
    settings = door.settings(KAFKA__PARTITIONS="4", REDIS__URL=valkey.url)
    applied = careline("topics", "apply", cwd=folder, **settings)
    assert applied.code == 0, applied.err
    replayed = careline("replay", "posts.jsonl", cwd=folder, **settings)
    assert replayed.code == 0, replayed.err
    log = folder / "worker.log"
    with log.open("wb") as to:
        worker = subprocess.Popen(  # noqa: ASYNC220 - it is left to run
            [sys.executable, "-m", "careline", "run", "worker"],
            cwd=folder,
            env=os.environ | {f"CARELINE_{name}": value for name, value in settings.items()},
            stdout=to,
            stderr=to,
        )
    try:
        deadline = time.monotonic() + 90
        balance: dict[str, int] = {}
        while balance.get("queries") != POSTS and time.monotonic() < deadline:
            assert worker.poll() is None, log.read_text()
            audited = careline("ledger", "audit", "--json", cwd=folder, **settings)
            balance = json.loads(audited.out) if audited.out else {}
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait(30)
    assert balance["queries"] == POSTS, (balance, log.read_text())
    assert PASSWORD not in log.read_text()


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"KAFKA__SASL_PASSWORD": "wrong-one"}, "user, password or certificate"),
        ({"KAFKA__SASL_PASSWORD": ""}, "needs a user and a password"),
        ({"KAFKA__SSL_CA_FILE": "nowhere.pem"}, "there is no such file"),
        ({"KAFKA__SECURITY_PROTOCOL": "PLAINTEXT"}, "certificates are set"),
        ({"KAFKA__SECURITY_PROTOCOL": "TLS"}, "CARELINE_KAFKA__SECURITY_PROTOCOL"),
    ],
)
def test_a_closed_door_is_explained_in_one_line(
    changed: dict[str, str], says: str, door: SecureDoor, folder: Path
) -> None:
    ran = careline("topics", "diff", cwd=folder, **(door.settings() | changed))
    assert ran.code == 2, ran.err
    assert says in ran.error
    assert "wrong-one" not in ran.err
    assert PASSWORD not in ran.err


def test_a_broker_that_nobody_vouches_for_is_refused(door: SecureDoor, folder: Path) -> None:
    settings = door.settings()
    del settings["KAFKA__SSL_CA_FILE"]
    ran = careline("topics", "diff", cwd=folder, **settings)
    assert ran.code == 2
    assert "no Kafka answers" in ran.error
