"""What people do in Slack: clicks, forms, commands.

Promise: each is acknowledged within three seconds, and one that changes a case only after its
command is stored; what cannot be stored shows an error to whoever did it.
"""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp

from responders.slack.desk import Desk
from responders.slack.listeners import actions, commands, views


def register(app: AsyncApp, desk: Desk) -> None:
    """Listen to all of it."""
    actions.register(app, desk)
    views.register(app, desk)
    commands.register(app, desk)
