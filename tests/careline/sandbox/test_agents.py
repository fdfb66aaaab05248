"""Scripted agents against a small real Bolt app."""

from __future__ import annotations

from careline.sandbox import Sandbox
from careline.sandbox.agents import AgentPlan, Agents
from tests.careline.sandbox.conftest import Case, Control, card


async def worked(sandbox: Sandbox, case_app: Case, channel: str, plan: AgentPlan) -> Agents:
    for number in range(30):
        await case_app.client.chat_postMessage(channel=channel, **card(f"s07-{number}"))
    async with Agents(sandbox.control_url, plan) as agents:
        assert await agents.drain(30, quiet_s=0.5)
    return agents


async def test_agents_claim_reply_and_resolve_their_share(
    sandbox: Sandbox, case_app: Case, channel: str, control: Control
) -> None:
    plan = AgentPlan(agents=3, share=0.5, resolve_share=1.0, snooze_share=0, patience_s=0.05,
                     poll_s=0.02)  # fmt: skip
    agents = await worked(sandbox, case_app, channel, plan)
    counts = agents.counts
    assert counts["seen"] == 30
    assert 5 < counts["replies"] < 25
    assert counts["replies"] + counts["left"] == 30
    assert counts["case_claim_presses"] == counts["resolves"] == counts["replies"]
    replies = [case for case, text in case_app.replies if text != "solved"]
    assert len(replies) == len(set(replies)) == counts["replies"]
    texts = [text for _, text in case_app.replies if text != "solved"]
    assert len(set(texts)) == len(texts)
    summary = (await control.get("summary"))["slack"]
    assert summary["interactions"]["acked"] == summary["interactions"]["all"]


async def test_the_same_seed_takes_up_the_same_cases(
    sandbox: Sandbox, case_app: Case, channel: str
) -> None:
    plan = AgentPlan(share=0.3, resolve_share=0, snooze_share=0, poll_s=0.02, seed=3)
    await worked(sandbox, case_app, channel, plan)
    first = sorted(case_app.replies)
    case_app.replies.clear()
    async with Agents(sandbox.control_url, plan) as agents:
        await agents.drain(30, quiet_s=0.3)
    assert sorted(case_app.replies) == first


async def test_without_a_share_everything_is_left(
    sandbox: Sandbox, case_app: Case, channel: str
) -> None:
    plan = AgentPlan(share=0, snooze_share=0, poll_s=0.02)
    agents = await worked(sandbox, case_app, channel, plan)
    assert agents.counts == {"seen": 30, "left": 30}
