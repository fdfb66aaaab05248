"""From a case in the ledger to what is shown in one channel, and the way back to plainer forms.

Promise: a direct message's words are shown only where Slack itself says that the channel is
private, asked no longer than a minute ago.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from careline.domain.case import Case
from responders.slack.cards import CardView, card_of, minimal_card
from responders.slack.client import Channel
from responders.slack.errors import Scope, SlackFailed
from responders.slack.texts import TextStore, shown_texts
from schemas.mentions import Visibility

T = TypeVar("T")
_log = structlog.get_logger(__name__)


async def show(
    case: Case, store: TextStore, channel: Channel, put: Callable[[CardView], Awaitable[T]]
) -> T:
    """Put a case's card somewhere; if Slack refuses its form, put the plainest one there."""
    texts = await shown_texts(store, case)
    if case.visibility is Visibility.DIRECT and not channel.private:
        _log.warning("direct message shown without its words", channel=channel.id)
    try:
        return await put(card_of(case, texts, private=channel.private))
    except SlackFailed as error:
        if error.verdict.scope is not Scope.FORM:
            raise
        # A refusal of the form is definite: nothing was posted, so posting again is safe.
        _log.warning("card refused, shown plainly", reason=error.verdict.reason, case=case.case_id)
        return await put(minimal_card(case, texts, private=channel.private))
