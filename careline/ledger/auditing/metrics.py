"""The auditor's figures for Prometheus, on a loopback port that is closed unless asked for.

Promises: `careline_promises_broken_total` counts each finding once, when it is confirmed, and must
stay 0; every invariant is shown from the start; no label holds a case or a customer.
"""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from careline.runtime.errors import ConfigurationError

LOOPBACK: Final = "127.0.0.1"


class AuditMetrics:
    """What the auditor counts."""

    def __init__(self, invariants: Iterable[str]) -> None:
        """Show all invariants as holding."""
        self.registry = CollectorRegistry()
        self._broken = Counter(
            "careline_promises_broken_total",
            "Findings of the auditor that a second look confirmed. Must stay 0.",
            ("invariant",),
            registry=self.registry,
        )
        self._standing = Gauge(
            "careline_audit_findings",
            "Findings that stand now.",
            ("invariant",),
            registry=self.registry,
        )
        self._rounds = Counter(
            "careline_audit_rounds_total",
            "Rounds of the auditor by how they ended.",
            ("result",),
            registry=self.registry,
        )
        self._seconds = Gauge(
            "careline_audit_round_seconds", "How long the last round took.", registry=self.registry
        )
        self._late = Gauge(
            "careline_deadline_late_seconds",
            "How long the step that waits longest to be fired had been due, at the last look.",
            registry=self.registry,
        )
        self._clean_at = Gauge(
            "careline_audit_last_clean_timestamp_seconds",
            "When the last round ended that found nothing.",
            registry=self.registry,
        )
        self._invariants = tuple(invariants)
        for name in self._invariants:
            self._broken.labels(name)
            self._standing.labels(name)
        for result in ("clean", "broken", "failed"):
            self._rounds.labels(result)

    def broken(self, invariant: str) -> None:
        """Count a promise that was broken."""
        self._broken.labels(invariant).inc()

    def standing(self, findings: Iterable[str]) -> None:
        """Show what stands now, by invariant."""
        tally = Tally(findings)
        for name in {*self._invariants, *tally}:
            self._standing.labels(name).set(tally[name])

    def late(self, seconds: float) -> None:
        """Show how late the latest step is; 0: nothing is due that was not fired."""
        self._late.set(max(0.0, seconds))

    def round_ended(self, result: str, *, seconds: float, at: float) -> None:
        """Count a round: clean, broken or failed."""
        self._rounds.labels(result).inc()
        self._seconds.set(seconds)
        if result == "clean":
            self._clean_at.set(at)

    def value(self, name: str, **labels: str) -> float:
        """Return a figure as Prometheus would read it."""
        found = self.registry.get_sample_value(name, labels)
        return 0.0 if found is None else found


@contextmanager
def served(metrics: AuditMetrics, port: int | None) -> Iterator[int | None]:
    """Serve the figures on loopback; None: not at all. Yield the port. 0 takes any free one.

    Raises ``ConfigurationError``: the port is taken.
    """
    if port is None:
        yield None
        return
    try:
        server, thread = start_http_server(port, addr=LOOPBACK, registry=metrics.registry)
    except OSError as error:
        raise ConfigurationError(
            f"auditor: port {port} for the metrics is not free ({type(error).__name__})",
            hint="set CARELINE_AUDITOR__METRICS_PORT to another one",
        ) from error
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
