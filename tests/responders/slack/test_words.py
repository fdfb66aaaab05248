"""What people are told: alerts name who and until when, refusals say why, settings cannot ping."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError

from careline.domain.effects import Intent
from careline.runtime.errors import Unavailable
from careline.sandbox.slack.blocks import faults_of
from careline.sandbox.slack.pings import count
from responders.slack import wording
from responders.slack.alerts import alert_of
from responders.slack.commanding import Commands, NotStored, agent, command_id, slack_user
from responders.slack.notices import refusal_text
from schemas.commands import Actor, ActorKind, ClaimCase
from schemas.envelope import Packed
from schemas.events import FrozenStep, Refusal
from tests.responders.slack.builders import (
    ANA,
    BEN,
    NOW,
    Story,
    a_config,
    a_mention,
    an_operations_story,
    states,
)
from tests.responders.slack.test_logview import refused

HOSTILE_HANDLE = "<!channel> *x* https://evil.example"


def alert(
    story: Story, subject: str, notify: str = "", *, about: str = "", **config: object
) -> tuple[str, dict[str, object]]:
    intent = Intent(
        effect_id="alert:1",
        executor="slack",
        kind="alert",
        case_id=story.case.case_id,
        event_id="1",
        subject=subject,
        notify=notify,
        about=about,
    )
    blocks, text = alert_of(intent, story.case, story.texts, a_config(**config), private=False)
    assert faults_of(blocks) == ("", [])
    return str(blocks) + text, count({"blocks": blocks, "text": text}, {"U0ANA", "U0BEN"})


def test_a_warning_goes_to_the_holder() -> None:
    shown, pings = alert(Story().claimed().obligations(warned=True), "at_risk", "holder")
    assert "⚠️ *At risk*: an answer is due <!date^" in shown
    assert pings["targets"] == ["U0ANA"]


def test_an_alert_says_why_the_deadline_is_when_it_is() -> None:
    for name, subject in (("at_risk", "at_risk"), ("breached", "step"), ("claimed", "reminder")):
        shown, _ = alert(states()[name], subject, "backup")
        assert re.search(
            r"due <!date\S+ \S+ UTC> = first response 1 h for P2, business hours", shown
        )
    assert " = " not in alert(states()["answered"], "at_risk", "holder")[0]


def test_a_warning_is_about_its_own_deadline_and_no_other() -> None:
    story = Story(a_mention(1), a_mention(2)).to_be_settled(because="resolution 8 h, due 20:00 UTC")
    second = story.case.obligations[1]
    shown, _ = alert(story, "at_risk", "holder", about=second.mention_id)
    assert f"an answer is due {wording.date(second.due_at)}" in shown
    shown, _ = alert(story, "at_risk", "holder", about="resolution")
    assert "everything here is to be settled by <!date^" in shown
    assert "= resolution 8 h'" in shown
    shown, _ = alert(story, "at_risk", "holder", about="x:acme:gone")
    assert f"an answer is due {wording.date(story.case.obligations[0].due_at)}" in shown


def test_a_missed_resolution_is_said_to_be_what_was_missed() -> None:
    missed = Story().to_be_settled(breached=True).but(ladder=states()["breached"].case.ladder)
    shown, _ = alert(missed, "step", "backup")
    assert "🔴 *Deadline missed*: everything here was to be settled by <!date^" in shown
    assert "= resolution 8 h for P2, 24x7" in shown


def test_a_step_goes_to_its_group_and_says_what_to_do() -> None:
    groups = {"backup": ("U0BEN", "S0TEAM")}
    shown, pings = alert(states()["breached"], "step", "backup", groups=groups)
    assert "🔴 *Deadline missed*" in shown
    assert "press Claim on the card above" in shown
    assert "<@U0BEN> <!subteam^S0TEAM>" in shown
    assert pings["targets"] == ["subteam^S0TEAM", "U0BEN"]


def test_a_group_without_people_is_named_and_pings_nobody() -> None:
    shown, pings = alert(states()["breached"], "step", "<!channel>")
    assert "no one in Slack is configured" in shown
    assert pings["targets"] == []


def test_a_reminder_asks_the_holder_and_says_until_when() -> None:
    shown, pings = alert(Story().claimed(), "reminder", "holder")
    assert "⏰ *Still yours?* Without a reply it goes back to its queue at <!date^" in shown
    assert pings["targets"] == ["U0ANA"]


def test_a_reminder_that_nobody_needs_any_more_pings_nobody() -> None:
    shown, pings = alert(Story(), "reminder", "holder")
    assert "⏰ *Back in its queue*" in shown
    assert pings["targets"] == []


def test_a_step_may_remind_whoever_holds_the_case() -> None:
    shown, pings = alert(Story().claimed(), "step", "holder")
    assert "📣 *Escalated*" in shown
    assert pings["targets"] == ["U0ANA"]
    assert "Nobody holds it" in alert(states()["breached"], "step", "holder")[0]


@pytest.mark.parametrize(
    ("notify", "words"),
    [
        ("channel", "For everybody in this channel."),
        ("webhook:pager", "*webhook:pager* is told by a webhook."),
        ("mail:boss", "*mail:boss* is told by mail."),
        ("bot:helper", "*bot:helper* is told by a bot."),
    ],
)
def test_a_step_that_names_no_group_says_how_it_is_told(notify: str, words: str) -> None:
    shown, pings = alert(states()["breached"], "step", notify)
    assert words in shown
    assert (pings["targets"], pings["broadcast"]) == ([], 0)


def test_a_group_may_be_called_channel() -> None:
    shown, pings = alert(states()["breached"], "step", "channel", groups={"channel": ("U0BEN",)})
    assert "*channel*: <@U0BEN>" in shown
    assert pings["targets"] == ["U0BEN"]


def test_the_alarm_of_an_exhausted_ladder_says_that_everybody_was_told() -> None:
    shown, _ = alert(states()["exhausted"], "step", "manager")
    assert "🚨 *Still unanswered*: everybody was told; an answer was due <!date^" in shown


def test_the_next_step_is_named_on_the_card() -> None:
    step = FrozenStep(name="duty <!channel> lead", notify="lead", after=timedelta(0))
    story = states()["breached"]
    assert story.case.ladder is not None
    ladder = replace(story.case.ladder, next_step=0, steps=(step,))
    line = wording.status_line(replace(story.case, ladder=ladder))
    assert "📣 duty &lt;!channel&gt; lead is told <!date^" in line


@pytest.mark.parametrize("subject", ["at_risk", "reminder", "step", "reopened", "unheard_of"])
@pytest.mark.parametrize("name", states())
def test_an_alert_on_any_state_quotes_nobody_and_pings_no_channel(name: str, subject: str) -> None:
    shown, pings = alert(states()[name], subject, "backup")
    assert "parcel" not in shown
    assert pings["broadcast"] == 0


def test_a_hostile_handle_pings_nobody_in_an_alert() -> None:
    _, pings = alert(Story(a_mention(1, "x", handle=HOSTILE_HANDLE)), "step", "backup")
    assert (pings["targets"], pings["links"]) == ([], [])


def test_an_operations_alert_says_what_to_mend() -> None:
    shown, _ = alert(an_operations_story(), "step", "backup")
    assert "redrive the records" in shown


def test_the_loser_learns_who_and_how_long_ago() -> None:
    event = refused("r").model_copy(update={"holder": BEN, "since": NOW - timedelta(seconds=12)})
    assert refusal_text(event, NOW) == "Sorry, already claimed by @ben 12 s ago."


@pytest.mark.parametrize("reason", Refusal)
def test_every_refusal_is_said_but_the_same_click_heard_twice(reason: Refusal) -> None:
    event = refused("r").model_copy(update={"reason": reason, "holder": BEN, "since": NOW})
    assert bool(refusal_text(event, NOW)) is (reason is not Refusal.SAME_KEY_OTHER_BODY)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (-5, "0 s"),
        (59, "59 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7200, "2 h"),
        (864_000, "10 days"),
    ],
)
def test_spans_are_said_as_people_say_them(span: int, words: str) -> None:
    assert wording.ago(timedelta(seconds=span)) == words


def test_everybody_has_a_name_that_pings_nobody() -> None:
    for kind in ActorKind:
        name = wording.person(Actor(kind=kind, id="x", name="<!channel>"))
        assert name
        assert "<" not in name
    assert slack_user(agent("U1", "ana")) == "U1"
    assert slack_user(Actor(kind=ActorKind.BOT, id="bot")) == ""


def test_a_configuration_without_operations_or_with_a_broadcast_is_refused() -> None:
    with pytest.raises(ValidationError, match="ops"):
        a_config(channels={"acme:public": "care"})
    for name in ("channel", "here", "!everyone", "ana"):
        with pytest.raises(ValidationError, match="no Slack id"):
            a_config(groups={"backup": (name,)})


def test_a_configuration_shows_no_secret() -> None:
    config = a_config()
    assert "xoxb" not in repr(config) + str(config) + config.model_dump_json()
    assert config.channel_of("unheard:of") == "ops"
    assert config.may_settle("U1")


class _Slow:
    """A broker's front that answers when it is told to."""

    def __init__(self) -> None:
        self.sent: list[Packed] = []
        self.answer = asyncio.Event()
        self.fails = False

    async def send(self, topic: str, partition: int, packed: Packed) -> int:
        assert (topic, partition) == ("cases.commands.v1", 3)
        self.sent.append(packed)
        await self.answer.wait()
        if self.fails:
            raise Unavailable("no broker")
        return len(self.sent)


def a_claim(key: str = "k") -> ClaimCase:
    return ClaimCase(
        command_id=command_id(key), case_id="s03-f43ccab9756d1ad8-1", issued_at=NOW, actor=ANA
    )


async def test_a_command_in_time_is_stored_once_however_often_it_is_asked_for() -> None:
    broker = _Slow()
    commands = Commands(broker)
    broker.answer.set()
    await asyncio.gather(*(commands.send(a_claim()) for _ in range(5)))
    await commands.send(a_claim())
    assert len(broker.sent) == 1


async def test_a_slow_command_is_not_cut_off_and_not_sent_again() -> None:
    broker = _Slow()
    commands = Commands(broker, budget=0.05)
    with pytest.raises(NotStored):
        await commands.send(a_claim())
    broker.answer.set()
    await commands.send(a_claim())
    await commands.close()
    assert len(broker.sent) == 1


async def test_a_failed_command_is_sent_again_with_the_same_bytes() -> None:
    broker = _Slow()
    commands = Commands(broker, budget=1.0)
    broker.fails = True
    broker.answer.set()
    with pytest.raises(NotStored):
        await commands.send(a_claim())
    broker.fails = False
    later = a_claim().model_copy(update={"issued_at": NOW + timedelta(seconds=3)})
    await commands.send(later)
    assert broker.sent[0] == broker.sent[1]


def test_ids_follow_from_the_interaction_alone() -> None:
    assert command_id("a", "b") == command_id("a", "b")
    assert command_id("a", "b") != command_id("ab")
