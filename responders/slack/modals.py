"""The forms behind the buttons: reply, resolve, snooze, correct.

Promise: pure; a form says who will read what is written (public or private), how long it may be,
and exactly which queries it covers; it carries those queries with it, so that a word that arrives
while somebody types is never taken for answered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

from slack_sdk.models.blocks import (
    Block,
    CheckboxesElement,
    ContextBlock,
    InputBlock,
    MarkdownTextObject,
    Option,
    PlainTextInputElement,
    PlainTextObject,
    RadioButtonsElement,
    RichTextBlock,
    SectionBlock,
    StaticSelectElement,
)
from slack_sdk.models.views import View

from careline.domain.case import Case
from responders.slack import kit, wording
from responders.slack.cards import QUOTES_MAX, Texts, quoted
from responders.slack.lengths import limit_of
from schemas.commands import Disposition
from schemas.events import CaseKind
from schemas.mentions import MentionEdited, MentionReceived, Visibility

REPLY_MODAL: Final = "case_reply_modal"
RESOLVE_MODAL: Final = "case_resolve_modal"
SNOOZE_MODAL: Final = "case_snooze_modal"
CORRECT_MODAL: Final = "case_correct_modal"
EXPECTS: Final = "expects_answer"

SNOOZES: Final = MappingProxyType(
    {
        "15m": ("15 minutes", timedelta(minutes=15)),
        "1h": ("1 hour", timedelta(hours=1)),
        "3h": ("3 hours", timedelta(hours=3)),
        "8h": ("8 hours", timedelta(hours=8)),
        "24h": ("24 hours", timedelta(hours=24)),
    }
)
_CHOICES: Final = (
    (Disposition.HANDLED_ELSEWHERE, "Answered by another channel, such as the telephone"),
    (Disposition.NO_ANSWER_NEEDED, "Read, and nothing is to be said"),
    (Disposition.NOT_A_QUERY, "Triage was wrong: it expects no answer"),
    (Disposition.DUPLICATE, "Answered in another case of the same author"),
    (Disposition.SPAM, "Advertising or abuse"),
)
_ANSWERED: Final = (Disposition.ANSWERED, "Every query is answered and no further word is due")
_OPERATIONS: Final = ((Disposition.REPAIRED, "The cause was mended"),)
_QUOTED_MAX: Final = 5
KEEP: Final = "keep"
"""The choice that leaves what triage said."""
YES: Final = "yes"
NO: Final = "no"
_IS_QUERY: Final = (
    (YES, "It is a query", "Somebody expects an answer"),
    (NO, "It is no query", "Nothing is to be said: its deadline ends"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memo:
    """What a form carries from the card it was opened on to the command it becomes."""

    case_id: str
    version: int
    covers: tuple[str, ...]
    network: str
    direct: bool
    fence: int | None = None
    """The claim that whoever opened it held then; None: they held none."""

    def dump(self) -> str:
        """Write it for `private_metadata` (at most 3000 characters)."""
        return json.dumps(asdict(self), separators=(",", ":"))


def read_memo(text: str) -> Memo | None:
    """Read what `Memo.dump` wrote; None if it is not ours."""
    try:
        body = json.loads(text)
        return Memo(**{**body, "covers": tuple(body["covers"])})
    except (KeyError, TypeError, ValueError):
        return None


def reply_modal(case: Case, texts: Texts, memo: Memo, *, private: bool) -> View:
    """Return the form in which an agent writes to the author."""
    name = wording.network(case.network)
    direct = case.visibility is Visibility.DIRECT
    badge = (
        f"🔒 *Private*: only the author reads it, as a direct message on {name}"
        if direct
        else f"🌍 *Public*: everybody on {name} can read it"
    )
    limit = limit_of(case.network, direct=direct)
    hint = f"{name} takes up to {limit.characters} characters{limit.note}"
    blocks: list[Block] = [
        ContextBlock(elements=[MarkdownTextObject(text=badge, verbatim=True)]),
        *_covered(case, texts, memo, private=private, verb="answers"),
        InputBlock(
            block_id="reply",
            label=PlainTextObject(text="Your reply"),
            hint=PlainTextObject(text=hint),
            element=PlainTextInputElement(
                action_id="text",
                multiline=True,
                focus_on_load=True,
                placeholder=PlainTextObject(text=f"Up to {limit.characters} characters"),
                max_length=min(3000, limit.input_max),
            ),
        ),
        InputBlock(
            block_id=EXPECTS,
            optional=True,
            label=PlainTextObject(text="Afterwards"),
            element=CheckboxesElement(
                action_id="choice",
                options=[Option(value="yes", label="I asked something: wait for the author")],
            ),
        ),
    ]
    return _modal(
        REPLY_MODAL, "Reply", "Send privately" if direct else "Reply publicly", memo, blocks
    )


def resolve_modal(case: Case, texts: Texts, memo: Memo, *, private: bool) -> View:
    """Return the form in which a case is closed with a reason."""
    known = _OPERATIONS if case.kind is CaseKind.OPERATIONS else _CHOICES
    if case.kind is CaseKind.CARE and not case.open_obligations:
        known = (_ANSWERED, *known)
    options = [
        Option(
            value=choice.value,
            text=PlainTextObject(text=wording.DISPOSITIONS[choice].capitalize()),
            description=PlainTextObject(text=why),
        )
        for choice, why in known
    ]
    blocks: list[Block] = [
        *_covered(case, texts, memo, private=private, verb="closes"),
        InputBlock(
            block_id="disposition",
            label=PlainTextObject(text="Why it is closed"),
            element=RadioButtonsElement(action_id="choice", options=options),
        ),
    ]
    return _modal(RESOLVE_MODAL, "Resolve", "Resolve", memo, blocks)


def snooze_modal(case: Case, memo: Memo) -> View:
    """Return the form in which a case is put aside for a while."""
    _, due = wording.deadline(case)
    note = "It comes back earlier if the author writes."
    if due is not None:
        note += f" The deadline keeps running: {wording.date(due)}."
    options = [Option(value=value, label=label) for value, (label, _) in SNOOZES.items()]
    blocks: list[Block] = [
        InputBlock(
            block_id="until",
            label=PlainTextObject(text="Put it aside for"),
            element=StaticSelectElement(
                action_id="choice", options=options, initial_option=options[0]
            ),
        ),
        ContextBlock(elements=[MarkdownTextObject(text=note, verbatim=True)]),
    ]
    return _modal(SNOOZE_MODAL, "Snooze", "Snooze", memo, blocks)


def correct_modal(case: Case, texts: Texts, memo: Memo, *, private: bool) -> View:
    """Return the form in which somebody says what a message really is."""
    leading = wording.leading(case)
    if not memo.covers and leading is not None:
        memo = replace(memo, covers=(leading.mention_id,))
    options = [
        Option(
            value=value,
            text=PlainTextObject(text=label),
            description=PlainTextObject(text=why),
        )
        for value, label, why in _IS_QUERY
    ]
    radio = RadioButtonsElement(action_id="choice", options=options, initial_option=options[0])
    blocks: list[Block] = [*_quotes(case, texts, memo, private=private)]
    if len(memo.covers) > 1:
        which = {str(place): f"Message {place + 1}" for place in range(len(memo.covers))}
        blocks.append(_select("mention", "Which message", which))
    sentiments = {each.value: name for each, name in wording.SENTIMENTS.items()}
    urgencies = {each.value: name for each, name in wording.URGENCIES.items()}
    kept = {KEEP: "As triage said"}
    blocks += [
        InputBlock(block_id="query", label=PlainTextObject(text="What it is"), element=radio),
        _select("sentiment", "How the author feels", kept | sentiments),
        _select("urgency", "How soon harm comes of waiting", kept | urgencies),
    ]
    return _modal(CORRECT_MODAL, "Correct the triage", "Correct", memo, blocks)


def _select(block: str, label: str, choices: Mapping[str, str]) -> InputBlock:
    options = [Option(value=value, label=name) for value, name in choices.items()]
    element = StaticSelectElement(action_id="choice", options=options, initial_option=options[0])
    return InputBlock(block_id=block, label=PlainTextObject(text=label), element=element)


def _modal(callback: str, title: str, submit: str, memo: Memo, blocks: Sequence[Block]) -> View:
    return View(
        type="modal",
        callback_id=callback,
        title=PlainTextObject(text=title),
        submit=PlainTextObject(text=submit),
        close=PlainTextObject(text="Cancel"),
        private_metadata=memo.dump(),
        blocks=list(blocks),
    )


def _covered(case: Case, texts: Texts, memo: Memo, *, private: bool, verb: str) -> list[Block]:
    """Say which queries a form is about, in the author's words where they may be shown."""
    number = len(memo.covers)
    rest = len(case.open_obligations) - number
    if not case.open_obligations:
        says = "No query is open."
    else:
        says = f"This {verb} *{number} {'query' if number == 1 else 'queries'}*"
        says += f"; {rest} more stay open." if rest > 0 else ", all that are open."
    said = SectionBlock(text=MarkdownTextObject(text=says, verbatim=True))
    return [said, *_quotes(case, texts, memo, private=private)]


def _quotes(case: Case, texts: Texts, memo: Memo, *, private: bool) -> list[Block]:
    """Return the author's words, where they may be shown."""
    if case.visibility is Visibility.DIRECT and not private:
        return []
    quotes: list[kit.Piece] = []
    for mention_id in memo.covers[:_QUOTED_MAX]:
        found = texts.get(mention_id)
        heard = found.heard if found is not None else None
        if isinstance(heard, MentionReceived | MentionEdited):
            quotes.append(quoted(heard.text, QUOTES_MAX))
    return [RichTextBlock(elements=quotes)] if quotes else []


def values_of(view: dict[str, Any], block: str, action: str) -> dict[str, Any]:
    """Return the state of one input of a submitted form, {} if it is not there."""
    state = view.get("state", {}).get("values", {}).get(block, {}).get(action)
    return state if isinstance(state, dict) else {}
