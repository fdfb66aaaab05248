"""What follows from what is heard: a mention, its edit or delete, or the brand's own post.

Promises: every query becomes an obligation with a deadline of its own, however often, late or out
of order it is heard; an own post answers the mention it replies to and that author's earlier ones
in the thread, never a later one (design section 2).
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from careline.domain.case import Case, CaseStatus, Line, Obligation, Order, ReplyInFlight
from careline.domain.draft import Cause, Decision, Draft
from careline.domain.policy import Policy
from careline.domain.routing import queue_of
from careline.domain.sla import response
from careline.domain.targeting import facts_of, kind_of, run_on, target_again
from schemas import events as e
from schemas.commands import Actor, ActorKind, CorrectTriage, Disposition
from schemas.identity import case_id
from schemas.mentions import BrandPosted, MentionDeleted, MentionEdited, MentionReceived
from schemas.triage import Triage, Urgency

Mention = MentionReceived | MentionEdited
_LEADING_HANDLES = re.compile(r"^(\s*@\w+)+\s*")
_DIGEST_LENGTH = 12
_LINK = re.compile(r"https?://\S+")


def text_digest(text: str) -> str:
    """Return the digest by which our own reply is known again when it is heard from the network.

    Leading handles, links (networks shorten them) and white space are left out.
    """
    bare = _LINK.sub("", _LEADING_HANDLES.sub("", text))
    return hashlib.sha256(" ".join(bare.split()).casefold().encode("utf-8", "replace")).hexdigest()


def decide_mention(  # noqa: PLR0913 - the facts of one decision
    mention: Mention,
    triage: Triage,
    *,
    case: Case | None,
    line: Line,
    awaited: str | None,
    cause: Cause,
    now: datetime,
    policy: Policy,
) -> Decision:
    """Decide on a mention or its edit; ``awaited`` is the own post that already answered it."""
    author = Actor(kind=ActorKind.AUTHOR, id=mention.author.id)
    known = case.obligation(mention.mention_id) if case else None
    if case is not None and known is not None:
        draft = Draft(case, case_id=case.case_id, cause=cause, now=now, actor=author)
        return _edited(draft, mention, triage, known, policy)
    if not triage.query:
        return _noted(mention, case=case, cause=cause, now=now, policy=policy)
    draft = _in_front(mention, author, case=case, line=line, cause=cause, now=now, policy=policy)
    _add_obligation(draft, mention, triage, policy, since=_runs_from(mention, now))
    _answer_if_covered(draft, mention, awaited, line, policy)
    return _decision(draft, case, line)


def decide_overlooked(  # noqa: PLR0913 - the facts of one decision
    command: CorrectTriage,
    mention: Mention,
    triage: Triage,
    *,
    case: Case | None,
    line: Line,
    cause: Cause,
    now: datetime,
    policy: Policy,
) -> Decision:
    """Decide on a mention that triage took for no query, and a person takes for one.

    Its time runs from now, as of all that a correction opens: nobody was told of it before.
    """
    if command.not_after is not None and now > command.not_after:
        case_id = case.case_id if case is not None else command.case_id
        late = Draft(case, case_id=case_id, cause=cause, now=now, actor=command.actor)
        return late.refuse(command.type, e.Refusal.TOO_LATE)
    draft = _in_front(
        mention,
        command.actor,
        case=case,
        line=line,
        cause=cause,
        now=now,
        policy=policy,
        found=True,
    )
    draft.add(
        e.TriageCorrected,
        mention_id=mention.mention_id,
        query=True,
        sentiment=command.sentiment,
        urgency=command.urgency,
    )
    said = Triage(
        query=True,
        sentiment=command.sentiment or triage.sentiment,
        urgency=command.urgency or Urgency.NORMAL,
        language=triage.language,
        model="person",
    )
    _add_obligation(draft, mention, said, policy, since=draft.now)
    _answer_if_covered(draft, mention, None, line, policy)
    return _decision(draft, case, line)


def _decision(draft: Draft, case: Case | None, line: Line) -> Decision:
    """Return the decision, with the line's new episode if a case was opened."""
    if draft.case is None or (case is not None and draft.case_id == case.case_id):
        return draft.decision()
    opened = Line(
        case_id=draft.case_id,
        episode=draft.case.episode,
        answered_up_to=line.answered_up_to,
    )
    return draft.decision(line=opened)


def _in_front(  # noqa: PLR0913
    mention: Mention,
    author: Actor,
    *,
    case: Case | None,
    line: Line,
    cause: Cause,
    now: datetime,
    policy: Policy,
    found: bool = False,
) -> Draft:
    """Return a draft whose case can take one more query: the live, a re-opened or a new one.

    It is the author's word, or one that a person ``found`` to be a query.
    """
    reopened: dict[str, str] = {"reason": "corrected"} if found else {}
    if case is not None:
        draft = Draft(case, case_id=case.case_id, cause=cause, now=now, actor=author)
        if case.status in (CaseStatus.ANSWERED, CaseStatus.WAITING):
            draft.add(e.CaseReopened, **reopened)
            return draft
        if case.is_live:
            draft.wake("agent_acted" if found else "author_wrote", policy)
            return draft
        closed = case.resolved_at or case.last_event_at
        if mention.heard_at - closed <= policy.reopen_window:
            draft.add(e.CaseReopened, **reopened)
            return draft
    episode = line.episode + 1
    new_id = case_id(
        mention.line,
        episode,
        conversation=mention.conversation.key,
        partitions=policy.partitions,
    )
    draft = Draft(None, case_id=new_id, cause=cause, now=now, actor=author)
    draft.add(
        e.CaseOpened,
        conversation=mention.conversation,
        account=mention.account,
        author_id=mention.author.id,
        line=mention.line,
        episode=episode,
        queue=queue_of(mention.account, mention.conversation.visibility),
    )
    return draft


def _add_obligation(
    draft: Draft, mention: Mention, triage: Triage, policy: Policy, *, since: datetime
) -> None:
    facts = facts_of(mention, triage, policy)
    target = response(kind_of(draft.current), facts, since=since, policy=policy)
    draft.add(
        e.ObligationAdded,
        mention_id=mention.mention_id,
        revision=mention.revision,
        order=mention.order,
        priority=triage.priority,
        sentiment=triage.sentiment,
        urgency=triage.urgency,
        heard_at=min(mention.heard_at, since),
        created_at=mention.created_at,
        at_risk_at=target.at_risk_at,
        due_at=target.due_at,
        because=target.because,
        terms=target.terms,
    )
    run_on(draft, facts, since=since, policy=policy)


def _runs_from(mention: Mention, now: datetime) -> datetime:
    """Return when a query was heard: a connector whose clock is ahead puts no deadline off."""
    return min(mention.heard_at, now)


def _answer_if_covered(
    draft: Draft, mention: Mention, awaited: str | None, line: Line, policy: Policy
) -> None:
    """Answer a query at once that an own post, heard before it, already covers."""
    up_to = max(
        (
            found
            for found in (line.answered_up_to, draft.current.answered_up_to)
            if found is not None
        ),
        default=None,
    )
    if awaited is None and (up_to is None or mention.order > up_to):
        return
    brand = Actor(kind=ActorKind.BRAND, id=mention.account)
    earlier = tuple(
        found.mention_id for found in draft.current.open_obligations if found.order <= mention.order
    )
    covers = earlier if awaited is not None else (mention.mention_id,)
    draft.add(
        e.ObligationsAnswered,
        covers=covers,
        native_id=awaited or "",
        up_to=mention.order if awaited is not None else None,
        actor=brand,
    )
    draft.settle(policy, disposition=Disposition.ANSWERED)


def _noted(
    mention: Mention, *, case: Case | None, cause: Cause, now: datetime, policy: Policy
) -> Decision:
    """Keep a word that expects no answer with a live case; without one it is only counted."""
    if case is None or not case.is_live or mention.mention_id in case.noted:
        return Decision(case=case)
    author = Actor(kind=ActorKind.AUTHOR, id=mention.author.id)
    draft = Draft(case, case_id=case.case_id, cause=cause, now=now, actor=author)
    draft.add(
        e.MentionNoted,
        mention_id=mention.mention_id,
        revision=mention.revision,
        order=mention.order,
    )
    draft.wake("author_wrote", policy)
    return draft.decision()


def _is_older(revision: str, than: str) -> bool:
    """Compare places in an edit history; text digests have no order, the last one heard wins."""
    if revision.isdigit() and than.isdigit() and max(len(revision), len(than)) < _DIGEST_LENGTH:
        return int(revision) < int(than)
    return False


def _edited(
    draft: Draft, mention: Mention, triage: Triage, known: Obligation, policy: Policy
) -> Decision:
    """Take over a new revision of a known query; re-open it if it had been settled."""
    if mention.revision == known.revision or _is_older(mention.revision, known.revision):
        return Decision(case=draft.case)
    reopened = not known.is_open and triage.query
    facts = facts_of(mention, triage, policy)
    since = _runs_from(mention, draft.now) if reopened else None
    target = target_again(draft, known, facts, since=since, policy=policy)
    if reopened and draft.current.status not in (CaseStatus.NEW, CaseStatus.OPEN):
        if draft.current.status in (CaseStatus.ANSWERED, CaseStatus.WAITING, CaseStatus.RESOLVED):
            draft.add(e.CaseReopened, reason="edited")
        else:
            draft.wake("author_wrote", policy)
    draft.add(
        e.ObligationChanged,
        mention_id=mention.mention_id,
        revision=mention.revision,
        priority=triage.priority,
        sentiment=triage.sentiment,
        urgency=triage.urgency,
        at_risk_at=target.at_risk_at,
        due_at=target.due_at,
        because=target.because,
        reopened=reopened,
        terms=target.terms,
    )
    if reopened:
        run_on(draft, facts, since=_runs_from(mention, draft.now), policy=policy)
    return draft.decision()


def decide_delete(
    deleted: MentionDeleted, *, case: Case | None, cause: Cause, now: datetime, policy: Policy
) -> Decision:
    """Close the obligation of a mention that its author withdrew."""
    known = case.obligation(deleted.mention_id) if case else None
    if case is None or known is None or not known.is_open:
        return Decision(case=case)
    author = Actor(kind=ActorKind.AUTHOR, id=deleted.author.id)
    draft = Draft(case, case_id=case.case_id, cause=cause, now=now, actor=author)
    draft.add(
        e.ObligationsClosed,
        covers=(known.mention_id,),
        disposition=Disposition.WITHDRAWN_BY_AUTHOR,
    )
    draft.settle(policy, disposition=Disposition.WITHDRAWN_BY_AUTHOR)
    return draft.decision()


def decide_brand_post(  # noqa: PLR0913 - the facts of one decision
    post: BrandPosted,
    *,
    target: Order,
    case: Case | None,
    line: Line,
    cause: Cause,
    now: datetime,
    policy: Policy,
) -> Decision:
    """Decide on the brand's own post: our reply heard again, or an answer typed elsewhere."""
    later = max(found for found in (line.answered_up_to, target) if found is not None)
    new_line = Line(case_id=line.case_id, episode=line.episode, answered_up_to=later)
    if case is None:
        return Decision(line=new_line)
    if post.native_id in (*case.delivered, *case.own_posts):
        return Decision(case=case)
    brand = Actor(kind=ActorKind.BRAND, id=post.account)
    draft = Draft(case, case_id=case.case_id, cause=cause, now=now, actor=brand)
    if case.reply is not None and text_digest(post.text) == case.reply.text_sha256:
        delivered(draft, case.reply, post.native_id, policy)
        return draft.decision()
    covers = tuple(found.mention_id for found in case.open_obligations if found.order <= target)
    known_up_to = case.answered_up_to
    if not covers and known_up_to is not None and target <= known_up_to:
        return Decision(case=case)
    draft.add(e.ObligationsAnswered, covers=covers, native_id=post.native_id, up_to=target)
    if covers:
        draft.settle(policy, disposition=Disposition.ANSWERED)
    return draft.decision(line=new_line)


def delivered(draft: Draft, reply: ReplyInFlight, native_id: str, policy: Policy) -> None:
    """Take over that the reply in flight is on the network: it answers what it covers."""
    draft.add(
        e.ReplyDelivered,
        effect_id=reply.effect_id,
        native_id=native_id,
        **draft.renewed(policy),
    )
    covers = tuple(
        found.mention_id
        for found in draft.current.open_obligations
        if found.mention_id in reply.covers
    )
    if covers:
        draft.add(e.ObligationsAnswered, covers=covers, effect_id=reply.effect_id)
    draft.settle(policy, disposition=Disposition.ANSWERED, waiting=reply.expects_answer)
