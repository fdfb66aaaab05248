"""The rule triager: what is a query, how urgent, in which language, and that nothing breaks it."""

from __future__ import annotations

import random

import pytest

from careline.triage.lexicon.triager import MODEL, RuleTriager
from schemas.triage import Priority, Sentiment, Triage, Urgency


@pytest.fixture(scope="module")
def triager() -> RuleTriager:
    return RuleTriager()


@pytest.mark.parametrize(
    "text",
    [
        "@acme how do I change my address?",
        "@acme my parcel never arrived and nobody answers",
        "@acme please help, the app keeps crashing",
        "@acme ¿cómo puedo cambiar mi contraseña?",
        "@acme mon colis n'est toujours pas arrivé, j'attends depuis lundi",
        "@acme das Internet geht schon wieder nicht",
        "@acme não consigo entrar na minha conta",
        "@acme non riesco ad accedere al mio profilo",
        "@acme 発売日はいつですか\uff1f",
        "@acme iOS 11.0.2",
    ],
)
def test_what_asks_or_complains_is_surely_a_query(triager: RuleTriager, text: str) -> None:
    triage = triager.triage(text)
    assert triage.query
    assert not triage.unsure
    assert triage.reasons


@pytest.mark.parametrize(
    "text",
    [
        "@acme thank you so much, you are great!",
        "@acme gracias, excelente servicio 👍",
        "@acme merci beaucoup, c'est réglé",
        "@acme danke, hat geklappt 😊",
        "@acme obrigado, deu certo!",
        "@acme grazie mille, risolto",
        "@acme https://t.co/abc",
        "@acme @other",
        "😀😀😀",
        "",
    ],
)
def test_thanks_praise_and_bare_links_are_no_query(triager: RuleTriager, text: str) -> None:
    triage = triager.triage(text)
    assert not triage.query
    assert triage.urgency is Urgency.NONE


@pytest.mark.parametrize("text", ["@acme the blue one", "@acme ok, Tuesday then", "qwxz vlorp"])
def test_what_it_cannot_tell_is_a_query_of_low_priority(triager: RuleTriager, text: str) -> None:
    triage = triager.triage(text)
    assert triage.query
    assert triage.unsure
    assert triage.priority is Priority.P4


@pytest.mark.parametrize(
    ("text", "urgency"),
    [
        ("@acme somebody hacked my account and ordered things", Urgency.CRITICAL),
        ("@acme I was injured by your driver", Urgency.CRITICAL),
        ("@acme you will hear from my lawyer", Urgency.CRITICAL),
        ("@acme me estafaron con mi cuenta", Urgency.CRITICAL),
        ("@acme j'ai été victime d'une fraude", Urgency.CRITICAL),
        ("@acme mein Konto wurde gehackt", Urgency.CRITICAL),
        ("@acme clonaram meu cartão", Urgency.CRITICAL),
        ("@acme vado dai carabinieri", Urgency.CRITICAL),
        ("@acme you charged me twice for one order", Urgency.HIGH),
        ("@acme still no refund after three weeks", Urgency.HIGH),
        ("@acme we are stranded at the airport", Urgency.HIGH),
        ("@acme I am locked out of my account", Urgency.HIGH),
        ("@acme the button has the wrong colour", Urgency.NORMAL),
    ],
)
def test_urgency_follows_the_harm(triager: RuleTriager, text: str, urgency: Urgency) -> None:
    triage = triager.triage(text)
    assert triage.urgency is urgency
    assert triage.query
    assert not triage.unsure


@pytest.mark.parametrize(
    ("text", "sentiment"),
    [
        ("@acme your service is terrible and rude", Sentiment.NEGATIVE),
        ("@acme that is not good at all", Sentiment.NEGATIVE),
        ("@acme I love the new app, awesome", Sentiment.POSITIVE),
        ("@acme 😡😡", Sentiment.NEGATIVE),
        ("@acme 😍 nice", Sentiment.POSITIVE),
        ("@acme the parcel is blue", Sentiment.NEUTRAL),
    ],
)
def test_sentiment_knows_negation_and_emoji(
    triager: RuleTriager, text: str, sentiment: Sentiment
) -> None:
    assert triager.triage(text).sentiment is sentiment


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the app does not work and I have tried it", "en"),
        ("la aplicación no funciona desde hace dos días", "es"),
        ("l'application ne marche plus depuis hier soir", "fr"),
        ("die App funktioniert seit gestern nicht mehr", "de"),
        ("o aplicativo não funciona há dois dias", "pt"),
        ("l'applicazione non funziona da due giorni", "it"),
        ("приложение не работает второй день", "ru"),
        ("アプリが動きません、助けてください", "ja"),
        ("?!", "und"),
    ],
)
def test_language_is_told_or_und(triager: RuleTriager, text: str, language: str) -> None:
    assert triager.triage(text).language == language


def test_the_networks_guess_is_used_where_there_is_none_of_ours(triager: RuleTriager) -> None:
    assert triager.triage("?!", language_hint="nl").language == "nl"


def test_german_articles_are_no_threat(triager: RuleTriager) -> None:
    assert triager.triage("@acme die Lieferung ist da, oder?").urgency is Urgency.NORMAL


def test_reasons_name_our_rules_and_not_the_customers_words(triager: RuleTriager) -> None:
    triage = triager.triage("@acme my card 4111-SECRET was charged twice by Mrs Example")
    assert any("charged twice" in reason for reason in triage.reasons)
    assert not any("SECRET" in reason or "Example" in reason for reason in triage.reasons)
    assert "billing" in triage.topics


def test_a_batch_says_the_same_as_one_by_one(triager: RuleTriager) -> None:
    texts = ["@acme why?", "", "thanks", "\x00", "@acme mi pedido no llega"]
    assert triager.triage_batch(texts) == [triager.triage(text) for text in texts]


HOSTILE = [
    "\x00\x01\x02",
    "\ud800 lone \udfff",
    "\u202eevil\u202c",
    "e" + "\u0301" * 5000,
    "😡" * 50_000,
    "a" * 1_000_000,
    "?" * 100_000,
    "@" * 100_000,
    "&lt;" * 50_000,
    "https://" + "x" * 200_000,
    "not " * 100_000,
    ":(" * 100_000,
    "__" * 100_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_get_a_triage_that_can_travel(triager: RuleTriager, text: str) -> None:
    triage = triager.triage(text)
    assert triage.model == MODEL
    assert Triage.model_validate_json(triage.model_dump_json()) == triage


def test_noise_never_breaks_it(triager: RuleTriager) -> None:
    rng = random.Random(7)
    for _ in range(2000):
        text = "".join(chr(rng.randrange(0x11000)) for _ in range(rng.randrange(60)))
        assert triager.triage(text).model == MODEL


def test_a_phrase_that_only_tells_a_feeling_is_judged_too(triager: RuleTriager) -> None:
    assert triager.triage("Your fees are a rip off, why?").query
