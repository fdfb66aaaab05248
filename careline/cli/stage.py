"""Every process of careline on one machine: the roles, and what they need, where wanted.

Promise: the roles are the product's own processes, started as an operator would start them, by
settings and a careline.yaml; nothing of them runs in here. What the stage started it stops, roles
first and within a bound, and it dies with its starter.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from careline import wiring
from careline.cli.sandbox_process import Furniture, SandboxProcess
from careline.config import CarelineConfig, write_config
from careline.runtime import topics_admin
from careline.runtime.embedded_kafka import EmbeddedKafka
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.errors import ConfigurationError
from careline.runtime.supervisor import OnLine, Role, Supervisor
from careline.settings import Settings, child_environment, load_settings
from schemas.topics import TOPICS

_STOP_WITHIN_S: Final = 20.0
EMBEDDED_SESSION_S: Final = "6"
"""librdkafka's cluster waits a whole session after a dead worker's successor has joined; Kafka
counts from the dead one's last heartbeat."""
ROLES: Final[Mapping[str, Sequence[str]]] = {
    "worker": ("worker",),
    "connector": ("connector", "x"),
    "responder": ("responder", "slack"),
}
"""The name of each role on a stage, and how `careline run` calls it."""
WATCHING: Final[Mapping[str, Sequence[str]]] = {"auditor": ("auditor",)}
"""Roles that look after the others: where careline is to stay."""
SECOND_PATH: Final[Mapping[str, Sequence[str]]] = {"notify": ("responder", "notify")}
"""For a brand that is told by webhook or mail too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePlan:
    """What is to run. What is empty is taken from the environment."""

    config: CarelineConfig | None = None
    furniture: Furniture | None = None
    """What the sandbox holds; None: no sandbox, the real X and Slack."""
    partitions: int = 0
    kafka: str = ""
    redis: str = ""
    embedded_kafka: bool = False
    embedded_redis: bool = False
    roles: Mapping[str, Sequence[str]] = field(default_factory=lambda: dict(ROLES))
    late: frozenset[str] = frozenset()
    """Roles that wait for `start_late`."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """More settings of the roles, by variable."""


class Stage:
    """The running whole; use as `async with`."""

    settings: Settings
    """What the roles see."""
    supervisor: Supervisor
    directory: Path

    def __init__(
        self, plan: StagePlan, *, say: Callable[[str], None], on_line: OnLine | None = None
    ) -> None:
        """Take a plan; `say` is told what is up, `on_line` (else files) what roles write."""
        self.plan = plan
        self._say = say
        self._on_line = on_line or self._keep_line
        self._stack = AsyncExitStack()
        self._sandbox: SandboxProcess | None = None
        self._valkey: EmbeddedValkey | None = None
        self._late: list[Role] = []
        self._bootstrap = plan.kafka
        self._redis_url = plan.redis

    @property
    def sandbox(self) -> SandboxProcess:
        """The stand-in X and Slack."""
        if self._sandbox is None:
            raise ConfigurationError("there is no sandbox on this stage")
        return self._sandbox

    async def __aenter__(self) -> Self:
        """Start everything, infrastructure first."""
        try:
            await self._build()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything, roles first."""
        await self._stack.aclose()

    def log_of(self, name: str) -> Path:
        """The file that a process writes to."""
        return self.directory / f"{name}.log"

    def start_late(self) -> None:
        """Start the roles that were to wait."""
        while self._late:
            self.supervisor.add(self._late.pop())

    async def kill(self, name: str) -> None:
        """SIGKILL a role, or Valkey, which comes back with the same data."""
        if name != "valkey":
            self.supervisor.kill(name)
        elif self._valkey is not None:
            await self._valkey.kill()
            await self._valkey.start()
        else:
            raise ConfigurationError(
                "only the embedded Valkey can be killed", hint="leave --redis out"
            )

    async def _build(self) -> None:
        self.directory = Path(
            self._stack.enter_context(
                tempfile.TemporaryDirectory(prefix="careline-", ignore_cleanup_errors=True)
            )
        )
        overrides = self._overrides()
        partitions = load_settings(**overrides).kafka.partitions
        await asyncio.gather(self._start_kafka(partitions), self._start_valkey())
        variables = await self._start_sandbox() | dict(self.plan.settings)
        if self.plan.config is not None:
            path = self.directory / "careline.yaml"
            write_config(self.plan.config, path)
            variables["CARELINE_CONFIG"] = str(path)
        self.settings = load_settings(**self._overrides())
        variables |= {
            "CARELINE_KAFKA__BOOTSTRAP_SERVERS": self.settings.kafka.bootstrap_servers,
            "CARELINE_KAFKA__PARTITIONS": str(partitions),
            "CARELINE_REDIS__URL": self.settings.redis.url.get_secret_value(),
        }
        if self.plan.embedded_kafka:
            variables.setdefault("CARELINE_KAFKA__SESSION_SECONDS", EMBEDDED_SESSION_S)
        environment = child_environment(variables)
        roles = {
            name: Role(
                name=name,
                argv=("-m", "careline", "run", *words),
                environment=environment,
                may_end=words[-1] == "replay",
            )
            for name, words in self.plan.roles.items()
        }
        self._late = [role for name, role in roles.items() if name in self.plan.late]
        first = [role for name, role in roles.items() if name not in self.plan.late]
        self.supervisor = await self._stack.enter_async_context(
            Supervisor(first, on_line=self._on_line, stop_within=_STOP_WITHIN_S)
        )
        self._say(f"✓ roles: {', '.join(' '.join(words) for words in self.plan.roles.values())}")

    def _overrides(self) -> dict[str, Any]:
        kafka: dict[str, object] = {}
        if self._bootstrap:
            kafka["bootstrap_servers"] = self._bootstrap
        if self.plan.partitions:
            kafka["partitions"] = self.plan.partitions
        return ({"kafka": kafka} if kafka else {}) | (
            {"redis": {"url": self._redis_url}} if self._redis_url else {}
        )

    async def _start_kafka(self, partitions: int) -> None:
        if not self.plan.embedded_kafka:
            settings = load_settings(**self._overrides())
            await topics_admin.apply(wiring.topics_on_broker(settings))
            self._say(f"✓ Kafka at {settings.kafka.bootstrap_servers}")
            return
        topics = {topic.name: partitions for topic in TOPICS}
        cluster = await self._stack.enter_async_context(EmbeddedKafka(topics))
        self._bootstrap = cluster.bootstrap
        self._say(f"✓ Kafka, embedded (forgets): {len(topics)} topics, {partitions} partitions")

    async def _start_valkey(self) -> None:
        if not self.plan.embedded_redis:
            return
        valkey = EmbeddedValkey(self.directory / "valkey")
        self._redis_url = (await self._stack.enter_async_context(valkey)).url
        self._valkey = valkey
        self._say("✓ Valkey, embedded: every write on disk before it is acknowledged")

    async def _start_sandbox(self) -> dict[str, str]:
        """Start the stand-ins, if wanted, and return the settings by which roles find them."""
        if self.plan.furniture is None:
            return {}
        sandbox = await self._stack.enter_async_context(
            SandboxProcess(self.plan.furniture, log=self.log_of("sandbox"))
        )
        self._sandbox = sandbox
        self._say(f"✓ sandbox: X at {sandbox['x_url']}, Slack at {sandbox['slack_url']}")
        accounts = (await sandbox.get("x/accounts"))["accounts"]
        tokens = ("access_token", "access_token_secret")
        keys = {
            account["username"].lower(): {name: account[name] for name in tokens}
            for account in accounts
        }
        first = accounts[0] if accounts else {}
        return {
            "CARELINE_STATE_DIR": str(self.directory / "state"),
            "CARELINE_SLACK__BASE_URL": sandbox["slack_api_url"],
            "CARELINE_SLACK__BOT_TOKEN": sandbox["slack_bot_token"],
            "CARELINE_SLACK__APP_TOKEN": sandbox["slack_app_token"],
            "CARELINE_SLACK__PACED": "false",
            "CARELINE_X__BASE_URL": sandbox["x_url"],
            "CARELINE_X__CONSUMER_KEY": first.get("consumer_key", ""),
            "CARELINE_X__CONSUMER_SECRET": first.get("consumer_secret", ""),
            "CARELINE_X__ACCOUNTS": json.dumps(keys),
        }

    def _keep_line(self, role: str, line: str) -> None:
        with self.log_of(role).open("a", encoding="utf-8") as log:
            log.write(line + "\n")
