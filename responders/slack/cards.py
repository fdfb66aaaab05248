"""A case as one Slack card: who, what, how it feels, until when and why, who has it, what to do.

Promise: pure; every word of a customer stands in plain_text or rich_text, which neither ping nor
link; a direct message shows its words only where the channel is private; a card that would be too
big is made shorter, then plain, never refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from careline.domain.case import Case, CaseStatus, Obligation
from careline.domain.operations import Trouble, trouble_of
from careline.domain.reasons import derivation, pressing
from responders.slack import kit, wording
from responders.slack.buttons import actions
from responders.slack.escape import cut, mrkdwn, one_line, safe
from responders.slack.links import open_link
from schemas.commands import Disposition
from schemas.events import CaseKind
from schemas.mentions import MentionEdited, MentionReceived, Visibility
from schemas.triage import MentionTriaged, Triage

SHOWN_MAX: Final = 5
"""Queries with their words on one card; a click covers these and no others."""
QUOTE_MAX: Final = 2500
QUOTES_MAX: Final = 1200
"""Of each, where there are several."""
SHORT_QUOTE_MAX: Final = 280
HANDLE_MAX: Final = 60
HEADER_MAX: Final = 150
REASONS_MAX: Final = 3
CHARACTERS_MAX: Final = 12_000
"""Below the sum at which Slack answers `msg_blocks_too_long` (about 13,200)."""
FALLBACK_MAX: Final = 180

Texts = Mapping[str, MentionTriaged]
"""What the ledger still holds of the case's mentions, by mention id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CardView:
    """A card ready to be posted."""

    blocks: list[kit.Piece]
    text: str
    """For notifications and screen readers; of a direct message without a customer's word."""
    covers: tuple[str, ...]
    """The open queries that it shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    case: Case
    texts: Texts
    open_words: bool
    """Whether customers' words may be shown in this channel."""
    shown: tuple[Obligation, ...]
    more: int

    def mention(self, mention_id: str) -> MentionReceived | MentionEdited | None:
        found = self.texts.get(mention_id)
        heard = found.heard if found is not None else None
        return heard if isinstance(heard, MentionReceived | MentionEdited) else None

    def triage(self, mention_id: str) -> Triage | None:
        found = self.texts.get(mention_id)
        return found.triage if found is not None else None


def card_of(case: Case, texts: Texts, *, private: bool) -> CardView:
    """Return the card of a case for a channel that is private or not."""
    scene = _scene(case, texts, private=private)
    quote = QUOTE_MAX if len(scene.shown) == 1 else QUOTES_MAX
    for limit in (quote, SHORT_QUOTE_MAX):
        blocks = _blocks(scene, limit)
        if len(str(blocks)) <= CHARACTERS_MAX:
            return _view(scene, blocks)
    return minimal_card(case, texts, private=private)


def minimal_card(case: Case, texts: Texts, *, private: bool) -> CardView:
    """Return a card so plain that Slack has no reason to refuse it."""
    scene = _scene(case, texts, private=private)
    blocks = [kit.header(_title(scene)), kit.section(_facts_line(case)), _status(case)]
    return _view(scene, [*blocks, *_tail(scene)])


def title_of(case: Case, texts: Texts, *, private: bool) -> str:
    """Return the one line that names the case: `🕒 P2 · @jane on X`."""
    return _title(_scene(case, texts, private=private))


def quoted(text: str, limit: int = QUOTE_MAX) -> kit.Piece:
    """Return customers' words as a quotation that can do nothing."""
    return kit.quote(kit.words(safe(text, limit) or "(no words)"))


def _scene(case: Case, texts: Texts, *, private: bool) -> _Scene:
    still = case.open_obligations
    leading = wording.leading(case)
    shown = still[:SHOWN_MAX] or ((leading,) if leading is not None else ())
    return _Scene(
        case=case,
        texts=texts,
        open_words=private or case.visibility is Visibility.PUBLIC,
        shown=shown,
        more=max(0, len(still) - SHOWN_MAX),
    )


def _view(scene: _Scene, blocks: list[kit.Piece]) -> CardView:
    covers = tuple(found.mention_id for found in scene.shown if found.is_open)
    return CardView(blocks=blocks, text=_fallback(scene), covers=covers)


def _blocks(scene: _Scene, limit: int) -> list[kit.Piece]:
    case = scene.case
    if case.kind is CaseKind.OPERATIONS:
        middle = [_operations(case)]
    else:
        middle = [*_queries(scene, limit), _fields(case), *_small(scene)]
    return [kit.header(_title(scene)), *middle, _status(case), *_tail(scene)]


def _title(scene: _Scene) -> str:
    case = scene.case
    sign = wording.DEADLINE_SIGNS[wording.deadline(case)[0]]
    if case.kind is CaseKind.OPERATIONS:
        sign = "☑️" if not case.is_live else "🛠"
        return cut(f"{sign} {wording.operations_title(case)}", HEADER_MAX)
    if case.status is CaseStatus.SNOOZED:
        sign = f"💤 {sign}"
    leading = wording.leading(case)
    priority = f"{leading.priority} · " if leading is not None else ""
    where = wording.network(case.network)
    how = f"direct message on {where}" if case.visibility is Visibility.DIRECT else f"on {where}"
    return cut(f"{sign} {priority}{_who(scene)} {how}", HEADER_MAX)


def _who(scene: _Scene) -> str:
    if not scene.open_words:
        return "a customer,"
    for found in reversed(scene.case.obligations):
        mention = scene.mention(found.mention_id)
        if mention is not None and (mention.author.handle or mention.author.name):
            name = one_line(mention.author.handle or mention.author.name, HANDLE_MAX)
            return f"@{name.removeprefix('@')}"
    return f"author {one_line(scene.case.author_id, HANDLE_MAX)}"


def _fields(case: Case) -> kit.Piece:
    leading = wording.leading(case)
    still, whole = case.open_obligations, case.resolution
    if leading is None or not still:
        due = wording.deadline_line(case)
    else:
        due = wording.clock_line(leading)
    if still and whole is not None:
        due = f"{due}\n{wording.clock_line(whole)} (resolution)"
    rows = [("Deadline", due)]
    if case.open_obligations or case.claim is not None:
        rows.append(("Holder", wording.holder_line(case)))
    if leading is not None:
        rows.append(("Sentiment", wording.SENTIMENTS[leading.sentiment]))
        if case.open_obligations:
            urgency = f"{wording.URGENCIES[leading.urgency]} · {leading.priority}"
            rows.append(("Urgency", urgency))
    return kit.fields(rows)


def _facts_line(case: Case) -> str:
    known = pressing(case)
    why = f" ({wording.reason_line(known)})" if known is not None else ""
    return f"{wording.deadline_line(case)}{why} · holder: {wording.holder_line(case)}"


def _operations(case: Case) -> kit.Piece:
    if trouble_of(case) is Trouble.BALANCE:
        return kit.section(f"{mrkdwn(case.subject, QUOTE_MAX)}. Nothing to do.")
    review = f"\nNext look: {wording.date(case.review_at)}" if case.review_at else ""
    again = "it comes back on its own" if case.is_live else "nothing more to do"
    text = (
        f"*{case.count}* {wording.operations_words(case)} since {wording.date(case.opened_at)}. "
        f"{wording.operations_hint(case)} Until this is resolved, {again}."
        f"{review}\nHolder: {wording.holder_line(case)}"
    )
    return kit.section(text)


def _queries(scene: _Scene, limit: int) -> list[kit.Piece]:
    elements: list[kit.Piece] = []
    if not scene.open_words:
        why = "🔒 The words of a direct message are not shown here: this channel is not private."
        return [_plain_context(why)]
    explained = wording.leading(scene.case)
    for number, found in enumerate(scene.shown, start=1):
        if len(scene.shown) > 1 or scene.more:
            total = len(scene.shown) + scene.more
            elements.append(_numbered(number, found, explained, total=total))
        elements.append(_quote(scene, found, limit))
    if scene.more:
        note = f"+{scene.more} more: they are shown, and can be answered, once these are settled"
        elements.append(kit.line(kit.words(note, italic=True)))
    return [kit.rich_text(elements)] if elements else []


def _numbered(
    number: int, found: Obligation, explained: Obligation | None, *, total: int
) -> kit.Piece:
    """Return the line above one of several queries; its reason only if it is one of its own."""
    state = wording.state_words(wording.state_of(found))
    why = derivation(found)
    other = explained is None or why != derivation(explained)
    return kit.line(
        kit.words(f"{number} of {total}", bold=True),
        kit.words(f" · {found.priority} · {state} "),
        kit.moment(found.due_at),
        *([kit.words(f" = {one_line(why, wording.REASON_MAX)}")] if other else []),
    )


def _quote(scene: _Scene, found: Obligation, limit: int) -> kit.Piece:
    mention = scene.mention(found.mention_id)
    if _withdrawn(found):
        return kit.line(kit.words("The author has deleted this.", italic=True))
    if mention is None:
        gone = "The words are no longer kept here; the network still has them."
        return kit.line(kit.words(gone, italic=True))
    element = quoted(mention.text, limit)
    extras = []
    if mention.media:
        extras.append(f"📎 {len(mention.media)} attached")
    if mention.truncated:
        extras.append("✂️ cut, the rest is on the network")
    if mention.kind == "edited":
        extras.append("✏️ edited")
    if extras:
        element["elements"].append(kit.words("\n" + " · ".join(extras), italic=True))
    return element


def _small(scene: _Scene) -> list[kit.Piece]:
    """Return the small print: why the deadlines are when they are, and why it is so urgent."""
    case = scene.case
    leading = wording.leading(case)
    if leading is None or not case.open_obligations:
        return _why(scene)
    reasons = [wording.reason_line(leading)]
    if case.resolution is not None:
        reasons.append(wording.reason_line(case.resolution))
    return [kit.context(kit.mrkdwn("\n".join(reasons))), *_why(scene)]


def _why(scene: _Scene) -> list[kit.Piece]:
    leading = wording.leading(scene.case)
    triage = scene.triage(leading.mention_id) if leading is not None else None
    if triage is None or not scene.open_words or not scene.case.is_live:
        return []
    reasons = [one_line(reason, 120) for reason in triage.reasons[:REASONS_MAX]]
    if triage.unsure:
        reasons.insert(0, "unsure whether it is a query")
    parts = ["Why: " + "; ".join(filter(None, reasons))] if reasons else []
    if triage.topics:
        parts.append("About: " + ", ".join(one_line(topic, 40) for topic in triage.topics[:3]))
    if triage.language not in {"und", "en"}:
        parts.append(f"Language: {one_line(triage.language, 12)}")
    return [_plain_context(" · ".join(parts))] if parts else []


def _plain_context(text: str) -> kit.Piece:
    return kit.context(kit.plain(cut(text, 600)))


def _status(case: Case) -> kit.Piece:
    return kit.section(wording.status_line(case))


def _tail(scene: _Scene) -> list[kit.Piece]:
    """Return the buttons, and the line of where it came from."""
    case = scene.case
    covers = tuple(found.mention_id for found in scene.shown if found.is_open)
    parts = [f"`{case.case_id}`"]
    if case.kind is CaseKind.CARE:
        parts.insert(0, f"to {mrkdwn('@' + case.account.removeprefix('@'), HANDLE_MAX)}")
    leading = wording.leading(case)
    if leading is not None:
        parts.insert(1, f"heard {wording.date(leading.heard_at, '{date_short_pretty} {time}')}")
        mention = scene.mention(leading.mention_id) if scene.open_words else None
        link = open_link(case.network, mention.url if mention is not None else "")
        if link:
            parts.insert(0, link)
    row = actions(case, covers)
    footer = kit.context(kit.mrkdwn(" · ".join(parts)))
    return [row, footer] if row is not None else [footer]


def _fallback(scene: _Scene) -> str:
    state = wording.deadline(scene.case)[0]
    line = f"{mrkdwn(_title(scene), HEADER_MAX)} ({state})"
    leading = wording.leading(scene.case)
    mention = scene.mention(leading.mention_id) if leading is not None else None
    hidden = leading is None or _withdrawn(leading) or scene.case.visibility is Visibility.DIRECT
    if mention is None or hidden:
        return line
    return f"{line}: {mrkdwn(mention.text, FALLBACK_MAX)}"


def _withdrawn(found: Obligation) -> bool:
    return found.disposition is Disposition.WITHDRAWN_BY_AUTHOR
