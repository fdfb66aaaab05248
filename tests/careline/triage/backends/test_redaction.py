"""What leaves the house names nobody by handle, address, number or code."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careline.triage.backends.redaction import TEXT_MAX, redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@acme where is it?", "[handle] where is it?"),
        ("mail jane.doe+x@mail.example.co.uk now", "mail [email] now"),
        ("mail jane @ example.com", "mail [email]"),
        ("see https://t.co/abc?x=1 please", "see [link] please"),
        ("see www.example.com/me please", "see [link] please"),
        ("see example.com/order/5", "see [link]"),
        ("call +49 (170) 123-45 67", "call [number]"),
        ("card 4929 1234 5678 9012!", "card [number]!"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN DE[number]"),
        ("order AB12345XY is late", "order [code] is late"),
        ("I waited 20 minutes", "I waited 20 minutes"),
        ("it is late.Where is it? 20min", "it is late.Where is it? 20min"),
        ("Nummer ١٢٣٤٥٦", "Nummer [number]"),
        ("ab\uff20example\uff0ecom", "[email]"),
        ("a\u202eb\u200bc\x00d", "a b c d"),
        ("", ""),
    ],
)
def test_what_names_somebody_is_taken_out(text: str, shown: str) -> None:
    assert redacted(text) == shown


@given(st.text(max_size=300), st.from_regex(r"\d{4,20}", fullmatch=True))
def test_no_long_number_is_left(before: str, number: str) -> None:
    assert re.search(r"\d{4}", redacted(f"{before} {number}")) is None


@given(st.text(max_size=200))
def test_no_handle_and_no_link_is_left(before: str) -> None:
    shown = redacted(f"{before} @somebody https://example.com/x")
    assert "@somebody" not in shown
    assert "example.com" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "1" * 1_000_000,
        "a." * 500_000,
        "@" * 1_000_000,
        "a@" * 300_000,
        "x1" * 300_000,
        "\ud800" * 9,
    ],
)
def test_hostile_text_is_short_work(text: str) -> None:
    began = time.process_time()
    assert len(redacted(text)) <= TEXT_MAX
    assert time.process_time() - began < 1
