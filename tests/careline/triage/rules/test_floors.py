"""What the rules find, in which language, and which urgency a message then has at least."""

from __future__ import annotations

import pytest

from careline.triage.context import NO_CONTEXT, Context
from careline.triage.lexicon import words as reading
from careline.triage.rules.findings import Finder, Found
from careline.triage.rules.floors import RANK, floors
from careline.triage.rules.rulebook import Rulebook, load_rulebook
from schemas.triage import Urgency


@pytest.fixture(scope="module")
def book() -> Rulebook:
    return load_rulebook()


@pytest.fixture(scope="module")
def finder(book: Rulebook) -> Finder:
    return Finder(book)


def found_in(finder: Finder, text: str, language: str) -> Found:
    return finder.find(reading.read(text), language) or Found({}, {})


@pytest.mark.parametrize(
    ("text", "language", "workflow"),
    [
        ("my son was injured by your toy", "en", "injury"),
        ("meine Tochter hat sich verletzt", "de", "injury"),
        ("ma fille est aux urgences", "fr", "injury"),
        ("mi hijo está en urgencias", "es", "injury"),
        ("mia figlia è al pronto soccorso", "it", "injury"),
        ("meu filho se machucou", "pt", "injury"),
        ("the charger caught fire", "en", "danger"),
        ("das Ladegerät ist explodiert", "de", "danger"),
        ("I want to kill myself", "en", "despair"),
        ("somebody logged into my account", "en", "account takeover"),
        ("mein Konto wurde gehackt", "de", "account takeover"),
        ("mon compte a été piraté", "fr", "account takeover"),
        ("hackearon mi cuenta", "es", "account takeover"),
        ("mi hanno hackerato il profilo", "it", "account takeover"),
        ("invadiram a minha conta", "pt", "account takeover"),
        ("there is a payment I never authorised", "en", "fraud"),
        ("me estafaron con una compra", "es", "fraud"),
        ("you sent me someone else's details", "en", "privacy"),
        ("das geht jetzt an meinen Anwalt", "de", "legal"),
        ("je vais porter plainte", "fr", "legal"),
        ("vado dai carabinieri", "it", "legal"),
        ("vou no procon", "pt", "legal"),
        ("our whole team is blocked", "en", "standstill"),
        ("I use a wheelchair and the lift is broken", "en", "accessibility"),
        ("I am a journalist writing about this", "en", "press"),
        ("the website is down", "en", "outage"),
        ("kein Internet seit heute früh", "de", "outage"),
        ("I am locked out", "en", "locked out"),
        ("no puedo entrar en mi cuenta", "es", "locked out"),
        ("you charged me twice", "en", "wrong charge"),
        ("doppelt abgebucht!", "de", "wrong charge"),
        ("we are stranded in Rome", "en", "stranded"),
        ("when do I get my refund", "en", "refund"),
        ("ich möchte den Vertrag kündigen", "de", "cancel"),
        ("je veux résilier", "fr", "cancel"),
        ("voglio fare la disdetta", "it", "cancel"),
    ],
)
def test_a_workflow_is_known_by_its_words(
    finder: Finder, text: str, language: str, workflow: str
) -> None:
    assert workflow in found_in(finder, text, language).workflows


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the brand new phone is a gift", "en"),
        ("die Lieferung ist da, oder", "de"),
        ("the app is nice and the colours are too", "en"),
        ("el pan está rico", "es"),
        ("I was in Bath for the day", "en"),
        ("good morning everybody", "en"),
    ],
)
def test_everyday_words_of_one_language_are_no_harm_of_another(
    finder: Finder, text: str, language: str
) -> None:
    assert found_in(finder, text, language).workflows == {}


def test_english_trouble_is_understood_in_any_language(finder: Finder) -> None:
    text = "Hallo, my account was hacked, was nun?"
    assert "account takeover" in found_in(finder, text, "de").workflows


@pytest.mark.parametrize("language", ["und", "nl", "ca", "xx"])
def test_a_text_of_an_unknown_language_is_searched_for_all(finder: Finder, language: str) -> None:
    assert "injury" in found_in(finder, "est aux urgences", language).workflows
    assert "account takeover" in found_in(finder, "wurde gehackt", language).workflows


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("you owe me $1,234.50", 1234),
        ("1.234,50 \u20ac zu viel", 1234),
        ("that was 800 dollars", 800),
        ("R$ 900 sumiram", 900),
        ("\u00a3 1 500 gone", 1500),
        ("costs 12 euros, then 700 euros", 700),
        ("order 123456789 has 3 parts", 0),
        ("call 0800 123456", 0),
        ("$", 0),
    ],
)
def test_sums_of_money_are_read(finder: Finder, text: str, money: float) -> None:
    assert found_in(finder, text, "en").money == money


@pytest.mark.parametrize(
    ("text", "language", "hours"),
    [
        ("I have been waiting for 3 weeks", "en", 504),
        ("waiting two days now", "en", 48),
        ("ich warte seit zehn Tagen", "de", 240),
        ("j'attends depuis 2 semaines", "fr", 336),
        ("llevo 15 días esperando", "es", 360),
        ("aspetto da due mesi", "it", 1440),
        ("estou esperando há três semanas", "pt", 504),
        ("I booked two weeks in Spain", "en", 0),
    ],
)
def test_what_the_author_says_of_the_wait(
    finder: Finder, text: str, language: str, hours: float
) -> None:
    assert found_in(finder, text, language).waited == hours


@pytest.mark.parametrize(
    ("text", "language", "within"),
    [
        ("my flight leaves in 2 hours", "en", 2),
        ("flight in 45 minutes!", "en", 0.75),
        ("boarding in 2h", "en", 2),
        ("my flight is tomorrow", "en", 24),
        ("mein Flug geht in zwei Stunden", "de", 2),
        ("notre train part dans 3 heures", "fr", 3),
        ("mi vuelo sale en dos horas", "es", 2),
        ("il volo parte tra un ora", "it", 1),
        ("meu voo sai daqui 2 horas", "pt", 2),
        ("I need an answer in 2 hours", "en", None),
        ("a flight of 2 hours", "en", None),
        ("waiting for my flight for 5 hours", "en", None),
    ],
)
def test_a_deadline_is_an_event_with_a_time_to_come(
    finder: Finder, text: str, language: str, within: float | None
) -> None:
    found = found_in(finder, text, language)
    assert found.within == (within if within is None else pytest.approx(within))


@pytest.mark.parametrize(
    ("context", "urgency"),
    [
        (Context(vip=True), Urgency.HIGH),
        (Context(followers=60_000), Urgency.HIGH),
        (Context(contacts=3), Urgency.HIGH),
        (Context(waiting=90_000), Urgency.HIGH),
        (Context(followers=10, contacts=2, waiting=3600), None),
        (NO_CONTEXT, None),
    ],
)
def test_who_writes_and_how_often_raises_a_floor(
    book: Rulebook, context: Context, urgency: Urgency | None
) -> None:
    made = floors(None, context, book)
    assert [floor.urgency for floor in made] == ([] if urgency is None else [urgency])
    assert not any(floor.sure for floor in made)


def test_floors_come_highest_first_and_say_which_rule(book: Rulebook, finder: Finder) -> None:
    text = "waiting 3 weeks for my refund, $900, and now my account was hacked"
    made = floors(found_in(finder, text, "en"), Context(contacts=4), book)
    assert [RANK[floor.urgency] for floor in made] == sorted(
        (RANK[floor.urgency] for floor in made), reverse=True
    )
    told = [floor.reason.partition(":")[0] for floor in made]
    assert told[0] == "account takeover"
    assert {"refund", "money", "wait", "contact"} <= set(told)


def test_a_reason_quotes_the_rule_and_nothing_else_of_the_text(
    book: Rulebook, finder: Finder
) -> None:
    text = "Mrs Example of 12 Secret Road says her account was hacked for $9,999"
    for floor in floors(found_in(finder, text, "en"), NO_CONTEXT, book):
        assert not {"Example", "Secret", "9,999", "9999"} & set(floor.reason.split())
