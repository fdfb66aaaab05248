"""Stand-ins for the networks and for Slack, spoken to over real HTTP and WebSocket.

They are honest peers: they import nothing of ours, keep a history of what they accepted, and can be
told to misbehave. Used by `careline demo` and by tests.
"""

from __future__ import annotations

from careline.sandbox.common.pace import Pace
from careline.sandbox.server import Sandbox, SandboxConfig, serve

__all__ = ["Pace", "Sandbox", "SandboxConfig", "serve"]
