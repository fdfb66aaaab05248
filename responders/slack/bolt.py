"""The Bolt app: who it speaks for, and nothing that Bolt would do on its own.

Promise: no request is made for authorisation at a click (the identity was learned at the start),
and Bolt's own retries and verbose logs are off.
"""

from __future__ import annotations

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from responders.slack import listeners
from responders.slack.client import Identity, quiet_logger
from responders.slack.config import SlackConfig
from responders.slack.desk import Desk


def build_app(config: SlackConfig, desk: Desk, identity: Identity) -> AsyncApp:
    """Return the app with all listeners of the desk."""

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None,
            team_id=identity.team_id,
            bot_id=identity.bot_id,
            bot_user_id=identity.user_id,
            bot_token=config.bot_token.get_secret_value(),
        )

    app = AsyncApp(
        logger=quiet_logger("slack_bolt.careline"),
        client=AsyncWebClient(base_url=config.base_url, logger=quiet_logger(), retry_handlers=[]),
        authorize=authorize,
        # Socket Mode: Slack is authenticated by the connection that we opened.
        request_verification_enabled=False,
        ssl_check_enabled=False,
        url_verification_enabled=False,
    )
    listeners.register(app, desk)
    return app
