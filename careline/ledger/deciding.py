"""From a record to its commit: the domain's decision on what the ledger holds, as one change.

Promises: no I/O; each record is decided on what the earlier ones of its batch left. A repeat is
told by its cause id and changes nothing but the stores of text, which a replay must refill.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from careline.domain.decide import (
    decide_brand_post,
    decide_command,
    decide_delete,
    decide_mention,
    decide_overlooked,
)
from careline.domain.draft import Cause, Decision
from careline.domain.effects import Intent, reply_effect
from careline.domain.policy import Policy
from careline.ledger.bare import bared, is_erased, target_of, withdrawn
from careline.ledger.commits import Commit, Put, commit_of
from careline.ledger.items import Item
from careline.ledger.keeping import CAUSES_KEPT
from careline.ledger.snapshot import Snapshot
from careline.ledger.store import mention_raw, to_ms
from schemas.commands import Command, CorrectTriage, EraseAuthor, ReplyToCase
from schemas.events import AuthorErased, CommandRefused, Refusal
from schemas.identity import event_id
from schemas.mentions import (
    BrandPosted,
    ConnectorCursor,
    MentionDeleted,
    MentionEdited,
    MentionReceived,
)
from schemas.triage import MentionTriaged, failed_triage

_REPLY_INDEXES = 3
"""`ReplyRequested` is at most the second event of its cause; one more for good measure."""

_HASH_DIGITS = 12


@dataclass(slots=True)
class Decider:
    """Decides the records of one shard's batch, one after the other."""

    snapshot: Snapshot
    policy: Policy
    settled_up_to: int = -1
    """A recovery knows that up to here every record was decided: one whose cause left no trace in
    the log changed nothing, and must change nothing now that later records' cases stand already."""
    puts: list[Put] = field(default_factory=list)

    def decide(self, item: Item) -> Commit | None:
        """Return the commit of a record, or None if it changes nothing."""
        if item.cause is None or item.elsewhere is not None:
            return None
        known = self.snapshot.causes.get(item.cause.id)
        if known is not None:
            return self._repeated(item, item.cause, known)
        settled = item.record.offset <= self.settled_up_to
        body = item.body
        if isinstance(body, MentionTriaged):
            commit = self._heard(item, body, item.cause, settled=settled)
        elif body is None or settled:
            commit = None
        else:
            commit = self._asked(body, item.cause)
        if commit is not None:
            commit.offset = item.record.offset
            self.snapshot.causes[item.cause.id] = item.cause.digest.encode() + b"|"
        return commit

    # -- what was heard ---------------------------------------------------------------------------

    def _heard(
        self, item: Item, triaged: MentionTriaged, cause: Cause, *, settled: bool
    ) -> Commit | None:
        heard = triaged.heard
        match heard:
            case MentionReceived() | MentionEdited():
                forgotten = self._is_forgotten(heard)
                self._store(item, triaged)
                if settled or (forgotten and self._is_taken_care_of(item, heard, triaged)):
                    return None
                return self._mention(heard, triaged, cause)
            case MentionDeleted():
                self._withdraw(heard)
                return None if settled else self._deleted(heard, cause)
            case BrandPosted():
                self._store(item, triaged)
                return self._brand_post(heard, cause, settled=settled)
            case ConnectorCursor():
                return None
            case _:
                assert_never(heard)

    def _mention(
        self, heard: MentionReceived | MentionEdited, triaged: MentionTriaged, cause: Cause
    ) -> Commit | None:
        slot = self.snapshot.line(heard.line)
        case = self.snapshot.case(slot.line.case_id)
        now = self._now(case.case)
        decision = decide_mention(
            heard,
            triaged.triage or failed_triage("the record carries none"),
            case=case.case,
            line=slot.line,
            awaited=self.snapshot.awaited.get(heard.mention_id),
            cause=cause,
            now=now,
            policy=self.policy,
        )
        return self._commit(decision, cause, expected=case.head, line=heard.line, now=now)

    def _deleted(self, heard: MentionDeleted, cause: Cause) -> Commit | None:
        slot = self.snapshot.line(heard.line)
        case = self.snapshot.case(slot.line.case_id)
        now = self._now(case.case)
        decision = decide_delete(heard, case=case.case, cause=cause, now=now, policy=self.policy)
        return self._commit(decision, cause, expected=case.head, line=heard.line, now=now)

    def _brand_post(self, post: BrandPosted, cause: Cause, *, settled: bool) -> Commit | None:
        if post.in_reply_to is None:
            return None
        target_id = f"{post.conversation.network}:{post.account}:{post.in_reply_to}"
        target = self.snapshot.mention(target_id)
        if target is None:
            self.puts.append(Put("awaited", target_id, post.native_id.encode()))
            self.snapshot.awaited[target_id] = post.native_id
            return None
        replied = target.heard
        if not isinstance(replied, (MentionReceived, MentionEdited)):
            return None
        slot = self.snapshot.line(replied.line)
        case = self.snapshot.case(slot.line.case_id)
        now = self._now(case.case)
        decision = decide_brand_post(
            post,
            target=replied.order,
            case=None if settled else case.case,
            line=slot.line,
            cause=cause,
            now=now,
            policy=self.policy,
        )
        if decision.line == slot.line:
            decision = replace(decision, line=None)
        return self._commit(decision, cause, expected=case.head, line=replied.line, now=now)

    def _store(self, item: Item, triaged: MentionTriaged) -> None:
        """Keep the latest revision of what was heard; never an older one, never over an erasure."""
        heard = triaged.heard
        if isinstance(heard, ConnectorCursor):
            return
        stored = self.snapshot.mention(heard.mention_id)
        if stored is not None and not _newer(heard, stored.heard):
            return
        target = target_of(heard) if isinstance(heard, BrandPosted) else None
        said_to = self.snapshot.mention(target) if target else None
        raw = mention_raw(triaged, item.record.value)
        if is_erased(triaged, self.snapshot.erased, said_to):
            triaged = bared(triaged)
            raw = mention_raw(triaged)
        self.snapshot.put_mention(heard.mention_id, triaged)
        self.puts.append(Put("mentions", heard.mention_id, raw))

    def _withdraw(self, heard: MentionDeleted) -> None:
        """Erase the text of a message that its author withdrew; its place in the thread stays."""
        stored = self.snapshot.mention(heard.mention_id)
        if stored is None or not isinstance(stored.heard, (MentionReceived, MentionEdited)):
            return
        erased = withdrawn(stored)
        self.snapshot.put_mention(heard.mention_id, erased)
        self.puts.append(Put("mentions", heard.mention_id, mention_raw(erased)))

    def _is_forgotten(self, heard: MentionReceived | MentionEdited) -> bool:
        """Whether this was heard so long ago that its cause may have been forgotten since."""
        stored = self.snapshot.mention(heard.mention_id)
        if stored is None or isinstance(stored.heard, _WITHOUT_TEXT):
            return False
        known_for = self.snapshot.now - stored.heard.heard_at
        return known_for >= CAUSES_KEPT and not _newer(heard, stored.heard)

    def _is_taken_care_of(
        self, item: Item, heard: MentionReceived | MentionEdited, triaged: MentionTriaged
    ) -> bool:
        """Take a repeat whose cause is forgotten: its case knows it, or a person is told."""
        case = self.snapshot.case(self.snapshot.line(heard.line).line.case_id).case
        known = case is not None and (
            case.obligation(heard.mention_id) is not None or heard.mention_id in case.noted
        )
        if not known and (triaged.triage is None or triaged.triage.query):
            item.unreadable = "repeated_too_late"
        return True

    # -- what was asked ---------------------------------------------------------------------------

    def _asked(self, command: Command, cause: Cause) -> Commit:
        if isinstance(command, EraseAuthor):
            return self._erase(command, cause)
        if isinstance(command, CorrectTriage):
            commit = self._overlooked(command, cause)
            if commit is not None:
                return commit
        case = self.snapshot.case(command.case_id)
        now = self._now(case.case)
        decision = decide_command(command, case=case.case, cause=cause, now=now, policy=self.policy)
        commit = commit_of(decision, cause, case_id=command.case_id, expected=case.head, now=now)
        self._take_over(commit, decision)
        if isinstance(command, ReplyToCase):
            for effect in decision.effects:
                if isinstance(effect, Intent) and effect.kind in ("reply", "direct_message"):
                    commit.add("T", effect.effect_id, command.text)
        return commit

    def _overlooked(self, command: CorrectTriage, cause: Cause) -> Commit | None:
        """Return what follows if a person finds a query where triage found none; else None."""
        triaged = self.snapshot.mention(command.mention_id) if command.query else None
        if triaged is None or triaged.triage is None or triaged.triage.query:
            return None
        heard = triaged.heard
        if not isinstance(heard, (MentionReceived, MentionEdited)):
            return None
        slot = self.snapshot.line(heard.line)
        case = self.snapshot.case(slot.line.case_id)
        named = self.snapshot.case(command.case_id).case
        if any(each and each.obligation(command.mention_id) for each in (case.case, named)):
            return None
        now = self._now(case.case)
        decision = decide_overlooked(
            command,
            heard,
            triaged.triage,
            case=case.case,
            line=slot.line,
            cause=cause,
            now=now,
            policy=self.policy,
        )
        if decision.refusal is not None:
            return commit_of(decision, cause, case_id="", expected="", now=now)
        return self._commit(decision, cause, expected=case.head, line=heard.line, now=now)

    def _erase(self, command: EraseAuthor, cause: Cause) -> Commit:
        """Remember that an author is erased; what is stored of them is swept out behind it."""
        now = self.snapshot.now
        event = AuthorErased(
            event_id=event_id(cause.id, command.case_id, 0),
            case_id=command.case_id,
            cause_id=cause.id,
            cause_digest=cause.digest,
            author_hash=command.author_hash,
            at=now,
            actor=command.actor,
        )
        commit = Commit(cause=cause, result=event.event_id)
        commit.add("O", event.model_dump_json().encode(), 1)
        self.puts.append(Put("erased", command.author_hash, str(to_ms(now)).encode()))
        self.snapshot.erased[command.author_hash] = now
        return commit

    # -- what was known ---------------------------------------------------------------------------

    def _repeated(self, item: Item, cause: Cause, known: bytes) -> Commit | None:
        digest = known.partition(b"|")[0].decode()
        if isinstance(item.body, MentionTriaged):
            return self._heard_again(item, item.body, cause)
        if isinstance(item.body, ReplyToCase) and digest == cause.digest:
            text = item.body.text.encode()
            for index in range(_REPLY_INDEXES):
                effect = reply_effect(event_id(cause.id, item.body.case_id, index))
                self.puts.append(Put("texts", effect, text, if_pending=True))
        if digest == cause.digest or item.repeats_freely or item.body is None:
            return None
        return self._same_key_other_body(item.body, cause, item.record.offset)

    def _heard_again(self, item: Item, triaged: MentionTriaged, cause: Cause) -> Commit | None:
        """Take a repeat: it changes nothing, unless triage now finds a query in what it did not."""
        heard = triaged.heard
        if isinstance(heard, MentionDeleted):
            self._withdraw(heard)
            return None
        self._store(item, triaged)
        if not isinstance(heard, (MentionReceived, MentionEdited)):
            return None
        case = self.snapshot.case(self.snapshot.line(heard.line).line.case_id).case
        if case is None or heard.mention_id not in case.noted:
            return None
        again = Cause(id=f"{cause.id}#again", digest=cause.digest)
        if triaged.triage is None or not triaged.triage.query or again.id in self.snapshot.causes:
            return None
        commit = self._mention(heard, triaged, again)
        if commit is not None:
            commit.offset = item.record.offset
            self.snapshot.causes[again.id] = again.digest.encode() + b"|"
        return commit

    def _same_key_other_body(self, command: Command, cause: Cause, offset: int) -> Commit | None:
        """Refuse a key that was used for something else; said once for each other body."""
        own = Cause(id=f"{cause.id}#{cause.digest[:16]}", digest=cause.digest)
        if own.id in self.snapshot.causes:
            return None
        case = self.snapshot.case(command.case_id).case
        refusal = CommandRefused(
            event_id=event_id(own.id, command.case_id, 0),
            case_id=command.case_id,
            cause_id=own.id,
            cause_digest=own.digest,
            at=self._now(case),
            actor=command.actor,
            command=command.type,
            reason=Refusal.SAME_KEY_OTHER_BODY,
        )
        # It depends on nothing but the key: no case is named, so nothing can conflict.
        commit = commit_of(
            Decision(refusal=refusal), own, case_id="", expected="", now=self.snapshot.now
        )
        commit.offset = offset
        self.snapshot.causes[own.id] = own.digest.encode() + b"|"
        return commit

    # -- both -------------------------------------------------------------------------------------

    def _commit(
        self, decision: Decision, cause: Cause, *, expected: str, line: str, now: datetime
    ) -> Commit | None:
        if not decision.events and decision.line is None:
            return None
        slot = self.snapshot.line(line)
        case_id = slot.line.case_id or ""
        if decision.case is not None and decision.case.case_id != case_id:
            case_id, expected = decision.case.case_id, ""
        commit = commit_of(decision, cause, case_id=case_id, expected=expected, now=now)
        commit.line, commit.old_line = line, slot.raw
        if decision.line is not None:
            commit.new_line = self.snapshot.put_line(line, decision.line)
        self._take_over(commit, decision)
        return commit

    def _take_over(self, commit: Commit, decision: Decision) -> None:
        if decision.events and decision.case is not None:
            slot = self.snapshot.case(commit.case_id)
            slot.head, slot.loaded = commit.head, decision.case

    def _now(self, case: object) -> datetime:
        last: datetime | None = getattr(case, "last_event_at", None)
        now = self.snapshot.now
        return now if last is None else max(now, last)


_Stored = MentionReceived | MentionEdited | MentionDeleted | BrandPosted | ConnectorCursor
_WITHOUT_TEXT = (MentionDeleted, ConnectorCursor)


def _is_index(revision: str) -> bool:
    """Whether a revision is an index of an edit history, and no hash of 12 hex digits."""
    return revision.isdigit() and len(revision) < _HASH_DIGITS


def _newer(heard: _Stored, old: _Stored) -> bool:
    if isinstance(heard, _WITHOUT_TEXT) or isinstance(old, _WITHOUT_TEXT):
        return False
    if _is_index(heard.revision) and _is_index(old.revision):
        return int(heard.revision) > int(old.revision)
    # Hashes have no order: an edit that is heard later is newer.
    return isinstance(heard, MentionEdited) and heard.revision != old.revision
