"""chat.* and reactions.add of the stand-in Slack.

Promise: an accepted message is in the channel and in the history before the answer goes out, with
its metadata and a count of whom it would ping; a refused one leaves no trace.
"""

from __future__ import annotations

import time

from careline.sandbox.common.wire import Json, truthy
from careline.sandbox.slack import blocks as kit
from careline.sandbox.slack import pings
from careline.sandbox.slack.calls import Call, RefusedError
from careline.sandbox.slack.model import BOT_USER, Channel, Message

TEXT_MAX = 40_000
UPDATE_TEXT_MAX = 4_000
METADATA_MAX = 8_000


async def post_message(call: Call) -> Json:
    """chat.postMessage: no idempotency of its own, as the real one."""
    channel = call.channel(writing=True)
    message = _compose(call, channel)
    thread = call.text("thread_ts")
    if thread:
        parent = channel.by_ts.get(thread)
        if parent is None or parent.deleted:
            raise RefusedError("thread_not_found")
        message.thread_ts = parent.thread_ts or parent.ts
    if call.lands_after:
        message.visible_at = time.time() + call.lands_after
    channel.add(message)
    call.workspace.touch(message)
    if thread and message.thread_ts:
        call.workspace.touch(channel.by_ts[message.thread_ts])
    facts = _facts(call, channel, message)
    facts["client_msg_id"] = call.text("client_msg_id") or None
    call.slack.history.add("slack", "message", facts)
    return {"channel": channel.id, "ts": message.ts, "message": message.to_json(metadata=True)}


async def update(call: Call) -> Json:
    """chat.update: only the app's own messages, by channel id and ts."""
    channel = call.channel()
    message = call.message(channel)
    if message.user != BOT_USER or message.ephemeral_for:
        raise RefusedError("cant_update_message")
    if channel.is_archived:
        raise RefusedError("is_archived")
    args = call.args
    if args.get("blocks") is None and args.get("attachments") is None and not call.text("text"):
        raise RefusedError("no_text")
    _check_blocks(args)
    if len(call.text("text")) > UPDATE_TEXT_MAX:
        raise RefusedError("msg_too_long")
    if args.get("text") is not None:
        message.text = call.text("text")
    if args.get("blocks") is not None:
        message.blocks = _with_ids(args["blocks"], message.ts)
    if args.get("attachments") is not None:
        message.attachments = args["attachments"]
    if args.get("metadata") is not None:
        message.metadata = args["metadata"] or None
    message.edited = call.workspace.next_ts()
    call.workspace.touch(message)
    call.slack.history.add("slack", "update", _facts(call, channel, message))
    return {
        "channel": channel.id,
        "ts": message.ts,
        "text": message.text,
        "message": message.to_json(metadata=True),
    }


async def delete(call: Call) -> Json:
    """chat.delete."""
    channel = call.channel()
    message = call.message(channel)
    if message.user != BOT_USER:
        raise RefusedError("cant_delete_message")
    message.deleted = True
    call.workspace.touch(message)
    facts = {"channel": channel.id, "ts": message.ts, "metadata": message.metadata}
    call.slack.history.add("slack", "delete", facts)
    return {"channel": channel.id, "ts": message.ts}


async def post_ephemeral(call: Call) -> Json:
    """chat.postEphemeral: seen by one user, never in the history of the channel."""
    channel = call.channel(writing=True)
    user = call.user()
    message = _compose(call, channel)
    message.ephemeral_for = user.id
    message.thread_ts = call.text("thread_ts") or None
    show_ephemeral(call, channel, message)
    return {"message_ts": message.ts}


def show_ephemeral(call: Call, channel: Channel, message: Message) -> None:
    """Show a note to one user and record it."""
    call.workspace.ephemerals.append(message)
    call.workspace.touch(message)
    facts = _facts(call, channel, message) | {"user": message.ephemeral_for}
    call.slack.history.add("slack", "ephemeral", facts)


async def permalink(call: Call) -> Json:
    """chat.getPermalink."""
    channel = call.channel()
    message = call.message(channel, "message_ts")
    where = f"{call.slack.url}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    return {"channel": channel.id, "permalink": where}


async def add_reaction(call: Call) -> Json:
    """reactions.add."""
    channel = call.channel()
    message = call.message(channel, "timestamp")
    name = call.text("name").strip(":")
    if not name:
        raise RefusedError("invalid_name")
    users = message.reactions.setdefault(name, [])
    if BOT_USER in users:
        raise RefusedError("already_reacted")
    users.append(BOT_USER)
    call.workspace.touch(message)
    facts = {"channel": channel.id, "ts": message.ts, "name": name}
    call.slack.history.add("slack", "reaction", facts)
    return {}


def compose(call: Call, channel: Channel, args: Json) -> Message:
    """Make a message of the app from arguments, after Slack's checks."""
    _check_blocks(args)
    text = str(args.get("text") or "")[:TEXT_MAX]
    if not text and not args.get("blocks") and not args.get("attachments"):
        raise RefusedError("no_text")
    metadata = args.get("metadata")
    if metadata is not None:
        well_formed = isinstance(metadata, dict) and isinstance(metadata.get("event_type"), str)
        if not well_formed or not isinstance(metadata.get("event_payload"), dict):
            raise RefusedError("invalid_metadata_format")
        if len(str(metadata)) > METADATA_MAX:
            raise RefusedError("metadata_too_large")
    ts = call.workspace.next_ts()
    return Message(
        channel=channel.id,
        ts=ts,
        user=BOT_USER,
        text=text,
        blocks=_with_ids(args.get("blocks") or [], ts),
        attachments=args.get("attachments") or [],
        metadata=metadata,
    )


def _compose(call: Call, channel: Channel) -> Message:
    return compose(call, channel, call.args)


def _check_blocks(args: Json) -> None:
    if not args.get("blocks"):
        return
    code, faults = kit.faults_of(args["blocks"])
    if code:
        raise RefusedError(code, errors=faults, response_metadata={"messages": faults})


def _with_ids(blocks: list[Json], ts: str) -> list[Json]:
    """Give every block an id, as Slack does for those that came without."""
    tail = ts[-6:]
    return [
        block if block.get("block_id") else {**block, "block_id": f"b{index}{tail}"}
        for index, block in enumerate(blocks)
    ]


def _facts(call: Call, channel: Channel, message: Message) -> Json:
    staff = set(call.workspace.users)
    body = {
        "text": message.text,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "parse": call.args.get("parse"),
        "link_names": truthy(call.args.get("link_names")),
    }
    return {
        "request": call.number,
        "channel": channel.id,
        "channel_name": channel.name,
        "ts": message.ts,
        "thread_ts": message.thread_ts,
        "text": message.text,
        "metadata": message.metadata,
        "pings": pings.count(body, staff),
    }
