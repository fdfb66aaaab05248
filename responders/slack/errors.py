"""What Slack's answers mean for what we do next: one table, one row an error string.

done      it stands there                              → its outcome is reported
not_done  certainly not carried out                    → again, after `retry_after`
blocked   not until somebody mends access              → another channel, or wait and alarm
refused   certainly not, and not in this form          → another form, or a person is told
unknown   nobody can say whether it was carried out    → wait it out, then look

Promise: what is not in the table and `ok: false` is a refusal; what is no answer of Slack's Web API
(a timeout, a cut connection, a 5xx, HTML) is unknown. No text of a message and no token ever stands
in a reason.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from careline.runtime.errors import CarelineError

DEFAULT_RETRY_S: Final = 1.0
BLOCKED_RETRY_S: Final = 30.0


class Answer(enum.StrEnum):
    """What became of one call that writes."""

    DONE = "done"
    NOT_DONE = "not_done"
    BLOCKED = "blocked"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Scope(enum.StrEnum):
    """How far a block or a refusal reaches."""

    CALL = "call"
    CHANNEL = "channel"
    WORKSPACE = "workspace"
    FORM = "form"
    """The blocks or the text: a plainer message may pass."""
    TARGET = "target"
    """The message, thread or user that the call is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer means."""

    answer: Answer
    reason: str
    scope: Scope = Scope.CALL
    retry_after: float = 0.0


_ROWS: Final[dict[tuple[Answer, Scope], tuple[str, ...]]] = {
    (Answer.NOT_DONE, Scope.CALL): (
        "ratelimited",
        "rate_limited",
        "message_limit_exceeded",
        "external_channel_migrating",
        "update_failed",
    ),
    (Answer.NOT_DONE, Scope.WORKSPACE): ("team_added_to_org", "org_login_required"),
    (Answer.BLOCKED, Scope.WORKSPACE): (
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "ekm_access_denied",
        "access_denied",
        "two_factor_setup_required",
        "team_access_not_granted",
        "app_missing_action_url",
        "accesslimited",
        "team_not_found",
    ),
    (Answer.BLOCKED, Scope.CHANNEL): (
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
        "restricted_action_non_threadable_channel",
        "restricted_action_thread_locked",
        "channel_type_not_supported",
        "cannot_reply_to_message",
        "is_inactive",
    ),
    (Answer.REFUSED, Scope.FORM): (
        "invalid_blocks",
        "invalid_blocks_format",
        "msg_blocks_too_long",
        "msg_too_long",
        "too_many_attachments",
        "invalid_attachments",
        "no_text",
        "markdown_text_conflict",
        "metadata_too_large",
        "metadata_must_be_sent_from_app",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "invalid_metadata_filter_keys",
        "block_mismatch",
    ),
    (Answer.REFUSED, Scope.TARGET): (
        "message_not_found",
        "cant_update_message",
        "cant_delete_message",
        "edit_window_closed",
        "thread_not_found",
        "user_not_found",
        "user_not_in_channel",
        "messages_tab_disabled",
        "expired_trigger_id",
        "exchanged_trigger_id",
        "invalid_trigger_id",
        "trigger_expired",
        "trigger_exchanged",
        "hash_conflict",
        "not_found",
        "view_too_large",
        "duplicate_external_id",
        "push_limit_reached",
    ),
    (Answer.REFUSED, Scope.CALL): (
        "invalid_arguments",
        "invalid_arg_name",
        "invalid_array_arg",
        "invalid_charset",
        "invalid_form_data",
        "invalid_post_type",
        "invalid_json",
        "json_not_object",
        "missing_post_type",
        "deprecated_endpoint",
        "method_deprecated",
        "unknown_method",
    ),
    (Answer.UNKNOWN, Scope.CALL): (
        "fatal_error",
        "internal_error",
        "service_unavailable",
        "request_timeout",
    ),
}
TABLE: Final[dict[str, tuple[Answer, Scope]]] = {
    error: meaning for meaning, errors in _ROWS.items() for error in errors
}


def verdict_of(error: Exception) -> Verdict:
    """Return what a failed call means."""
    if isinstance(error, SlackApiError):
        return _of_answer(error)
    if isinstance(error, aiohttp.ClientConnectorError):
        # The connection was never made, so nothing was sent.
        return Verdict(answer=Answer.NOT_DONE, reason="unreachable", retry_after=DEFAULT_RETRY_S)
    if isinstance(error, TimeoutError):
        return Verdict(answer=Answer.UNKNOWN, reason="timeout")
    # Whatever else went wrong after the request left, nobody can say that it was not carried out.
    return Verdict(answer=Answer.UNKNOWN, reason=f"no answer: {type(error).__name__}")


def _of_answer(error: SlackApiError) -> Verdict:
    status, code, retry_after = _read(error.response)
    if status == 429 or code in {"ratelimited", "rate_limited"}:  # noqa: PLR2004 - HTTP's own
        return Verdict(
            answer=Answer.NOT_DONE, reason="ratelimited", retry_after=retry_after or DEFAULT_RETRY_S
        )
    if not code:
        return Verdict(answer=Answer.UNKNOWN, reason=f"HTTP {status} without an answer")
    if code in TABLE:
        answer, scope = TABLE[code]
        wait = BLOCKED_RETRY_S if answer is Answer.BLOCKED else retry_after or DEFAULT_RETRY_S
        definite = answer in {Answer.BLOCKED, Answer.NOT_DONE}
        return Verdict(
            answer=answer, reason=code, scope=scope, retry_after=wait if definite else 0.0
        )
    if status >= 500 or status == 408:  # noqa: PLR2004 - HTTP's own
        return Verdict(answer=Answer.UNKNOWN, reason=f"HTTP {status}")
    if status in {401, 403}:
        return Verdict(
            answer=Answer.BLOCKED,
            reason=f"HTTP {status}",
            scope=Scope.WORKSPACE,
            retry_after=BLOCKED_RETRY_S,
        )
    return Verdict(answer=Answer.REFUSED, reason=_short(code))


def _read(response: object) -> tuple[int, str, float]:
    """Return status, error string ("" if it is no answer of the Web API) and Retry-After."""
    code: object = None
    if isinstance(response, AsyncSlackResponse):
        status, headers = response.status_code, dict(response.headers)
        code = response.data.get("error") if isinstance(response.data, dict) else None
    elif isinstance(response, aiohttp.ClientResponse):
        status, headers = response.status, dict(response.headers)
    else:
        return 0, "", 0.0
    waits = {str(name).lower(): str(value) for name, value in headers.items()}
    try:
        retry_after = max(0.0, float(waits.get("retry-after", "0")))
    except ValueError:
        retry_after = 0.0
    return status, code if isinstance(code, str) else "", retry_after


def _short(code: str) -> str:
    return "".join(letter for letter in code[:60] if letter.isalnum() or letter in "_-.")


class SlackFailed(CarelineError):
    """A call did not end well; the verdict says what to do. It holds no answer and no text."""

    code = "slack"

    def __init__(self, method: str, verdict: Verdict) -> None:
        """Remember which method, and what its end means."""
        super().__init__(f"{method}: {verdict.answer} ({verdict.reason})")
        self.method = method
        self.verdict = verdict
