"""Which target a query of a case has, in a decision: what the policy is asked, and when again.

Promises: a query waits for a first response until the brand has answered in its case, for a next
response after that; a word that is no query asks for nothing, so it never restarts a clock. The
policy is asked again only when a person or an edit makes a query another one.
"""

from __future__ import annotations

from datetime import datetime

from careline.domain.case import Case, Obligation, ObligationStatus
from careline.domain.draft import Draft
from careline.domain.pauses import resuming
from careline.domain.policy import Policy, QueryFacts
from careline.domain.routing import queue_of
from careline.domain.sla import Target, response, retarget, target_of
from schemas import events as e
from schemas.commands import POLICY
from schemas.mentions import MentionEdited, MentionReceived
from schemas.targets import TargetKind
from schemas.triage import Priority, Triage


def facts_of(
    mention: MentionReceived | MentionEdited, triage: Triage, policy: Policy
) -> QueryFacts:
    """Return what the policy may look at; one without rules looks at the priority alone."""
    if not policy.rules:
        return QueryFacts(triage.priority)
    return QueryFacts(
        priority=triage.priority,
        account=mention.account,
        queue=queue_of(mention.account, mention.conversation.visibility),
        language=triage.language,
        vip=policy.vips.include(mention.author),
    )


def facts_again(case: Case, known: Obligation, priority: Priority, policy: Policy) -> QueryFacts:
    """Return what the policy may look at when a query gets another priority."""
    if not policy.rules:
        return QueryFacts(priority)
    return QueryFacts(
        priority=priority,
        account=case.account,
        queue=case.queue,
        language=known.terms.language if known.terms else "",
        vip=known.terms.vip if known.terms else False,
    )


def kind_of(case: Case) -> TargetKind:
    """Return what a new query of a case waits for: the brand has answered in it, or not yet."""
    if any(found.status is ObligationStatus.ANSWERED for found in case.obligations):
        return TargetKind.NEXT_RESPONSE
    return TargetKind.FIRST_RESPONSE


def target_again(
    draft: Draft, known: Obligation, facts: QueryFacts, *, since: datetime | None, policy: Policy
) -> Target:
    """Return the target of a known query: anew if it is open again ``since`` then, else as it was.

    A change that alters nothing which the policy looks at leaves the deadline as it stands.
    """
    if since is not None:
        return response(kind_of(draft.current), facts, since=since, policy=policy)
    return retarget(known, facts, now=draft.now, policy=policy)


def run_on(draft: Draft, facts: QueryFacts, *, since: datetime, policy: Policy) -> None:
    """Let time run for a case that has a query: its resolution too, if the policy has one."""
    draft.move(resuming(draft.current, now=draft.now, policy=policy))
    if draft.current.resolution is not None:
        return
    target = target_of(TargetKind.RESOLUTION, facts, since=since, policy=policy)
    if target is not None:
        draft.add(
            e.ResolutionTargeted,
            actor=POLICY,
            priority=facts.priority,
            heard_at=since,
            at_risk_at=target.at_risk_at,
            due_at=target.due_at,
            because=target.because,
            terms=target.terms,
        )
