"""Customers' text can neither ping, nor link, nor disguise itself."""

from __future__ import annotations

import random
import unicodedata

import pytest

from responders.slack.escape import (
    MARKS_MAX,
    characters,
    clean,
    cut,
    defang,
    escape,
    length,
    mrkdwn,
    one_line,
    safe,
)

ALPHABET = [
    *("a", " ", "\n", "<", ">", "&", "@", "!", "channel", "<!here>", "https://a.b/", "\u202e"),
    *("\u200d", "\u0301", "👍🏽", "🇩🇪", "\ud800", "\x00", "&amp;", "<@U1>", "\u3164"),
    "\U0010ffff",
]
"""What generated texts are made of."""
PERSIAN = "\u0645\u06cc\u200c\u062e\u0648"
"""A word that is spelled with a zero-width character."""


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\x00b\x07c", "abc"),
        ("\u202eevil\u202c \u2066x\u2069", "evil x"),
        ("pay\u200bpal\ufeff", "paypal"),
        ("a\u200db", "ab"),
        (PERSIAN, PERSIAN),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("one\r\ntwo\u2028three", "one\ntwo\nthree"),
        ("a\n\n\n\n\nb", "a\n\nb"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("tag\U000e0041\U000e0042", "tag"),
        ("  padded  ", "padded"),
    ],
)
def test_what_is_unseen_is_gone(raw: str, shown: str) -> None:
    assert clean(raw) == shown


def test_a_tower_of_marks_is_cut_down() -> None:
    tower = "h" + "\u0301" * 500
    assert len(clean(tower)) == 1 + MARKS_MAX


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("see https://evil.example/a?b=1.", "see hxxps://evil[.]example/a?b=1."),
        ("http://bank.com@evil.ru/login", "hxxp://evil[.]ru/login"),
        ("https://evil.ru\\@bank.com/x", "hxxps://evil[.]ru/@bank[.]com/x"),
        ("https://\u0430pple.com/", "hxxps://xn--pple-43d[.]com/"),
        ("www.evil.example/x", "www[.]evil[.]example/x"),
        ("go to evil.example/login now", "go to evil[.]example/login now"),
        ("javascript:alert(1)", "javascript[:]alert(1"),
        ("ftp://files.example/x", "ftp[:]//files[.]example/x"),
        ("slack://user?team=T1&id=U1", "slack[:]//user"),
        ("parcelhttps://evil.example/x", "parcelhxxps://evil[.]example/x"),
        ("HTTP://evil.example/x", "hxxp://evil[.]example/x"),
        ("//evil.example/x", "//evil[.]example/x"),
        ("a // b.c", "a // b.c"),
        ("https://a.b/http://c.d", "hxxps://a[.]b/http[:]//c.d"),
        ("https://a.b/www.evil.example", "hxxps://a[.]b/www[.]evil.example"),
        ("javascript:a()javascript:b()", "javascript[:]a()javascript[:]b("),
        ("e.g. this is fine.Really", "e.g. this is fine.Really"),
        ("mail me@example.com", "mail me@example.com"),
    ],
)
def test_a_link_shows_its_real_host_and_opens_nothing(raw: str, shown: str) -> None:
    assert defang(raw).startswith(shown)


def test_the_three_characters_of_markup_are_escaped() -> None:
    assert escape("<!channel> & <@U1>") == "&lt;!channel&gt; &amp; &lt;@U1&gt;"


def test_a_cut_never_lands_inside_an_entity() -> None:
    text = escape("<" * 50)
    for limit in range(1, 80):
        assert cut(text, limit).removesuffix("…").replace("&lt;", "") == ""
        assert length(cut(text, limit)) <= limit


def test_a_cut_never_lands_inside_a_visible_character() -> None:
    family = "👨\u200d👩\u200d👧"
    for limit in range(1, 60):
        kept = cut(family * 10 + "🇩🇪" * 10, limit).removesuffix("…")
        assert set(characters(kept)) <= {family, "🇩🇪"}
        assert length(kept) <= limit


def test_a_short_text_is_left_alone() -> None:
    assert cut("short", 5) == "short"
    assert one_line("two\nlines here", 50) == "two lines here"


def test_generated_texts_are_always_well_formed_and_within_the_limit() -> None:
    rng = random.Random(35)
    for _ in range(5000):
        text = "".join(rng.choices(ALPHABET, k=rng.randint(0, 60)))
        for made in (safe(text, 40), mrkdwn(text, 40), one_line(text, 40)):
            assert length(made) <= 40
            made.encode("utf-8")
            assert not {unicodedata.category(letter) for letter in made} & {"Cc"} - {"Cc"}
            assert "\u202e" not in made
            assert "\x00" not in made
        assert not set("<>") & set(mrkdwn(text, 40))


def test_a_megabyte_is_cleaned_quickly() -> None:
    assert length(safe("<!channel> https://evil.example " * 40_000, 2500)) <= 2500
