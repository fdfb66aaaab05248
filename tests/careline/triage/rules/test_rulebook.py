"""The rules as a file: the shipped one is whole, a brand's own is laid over it, faults are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from careline.runtime.errors import ConfigurationError
from careline.triage.lexicon import words as reading
from careline.triage.lexicon.lists import LANGUAGES
from careline.triage.rules.findings import Finder
from careline.triage.rules.rulebook import Rulebook, load_rulebook


@pytest.fixture(scope="module")
def shipped() -> Rulebook:
    return load_rulebook()


def brand(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "rules.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_workflow_is_known_in_every_language_of_the_lists(shipped: Rulebook) -> None:
    missing = [
        (name, language)
        for name, workflow in shipped.workflows.items()
        for language in LANGUAGES
        if not workflow.words.get(language)
    ]
    assert missing == []
    assert len(shipped.workflows) >= 12


def test_every_phrase_of_the_shipped_rules_is_found_in_its_own_language(shipped: Rulebook) -> None:
    finder = Finder(shipped)
    deaf = []
    for name, workflow in shipped.workflows.items():
        for language, phrases in workflow.words.items():
            for phrase in phrases:
                said = phrase.replace("..", "zzz").replace("*", "")
                found = finder.find(reading.read(f"xyzzy {said} xyzzy"), language)
                if found is None or name not in found.workflows:
                    deaf.append((name, language, phrase))
    assert deaf == []


def test_a_brands_file_changes_adds_and_takes_out_by_name(tmp_path: Path) -> None:
    file = brand(
        tmp_path,
        """
        workflows:
          press: null
          refund: {floor: high}
          bikes: {floor: normal, says: asks for a bike, words: {en: [bicycle*, bike]}}
        tiers: {followers: [{from: 1000, floor: critical}]}
        """,
    )
    book = load_rulebook(file)
    assert "press" not in book.workflows
    assert book.workflows["refund"].floor == "high"
    assert book.workflows["refund"].words == load_rulebook().workflows["refund"].words
    assert book.workflows["bikes"].says == "asks for a bike"
    assert [step.from_ for step in book.tiers.followers] == [1000]
    assert book.tiers.vip == "high"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("workflows:\n  refund: {floor: urgent}\n", 2, "workflows.refund.floor"),
        ("workflows:\n  x:\n    floor: high\n    says: s\n    words: {en: ['']}\n", 5, "is empty"),
        (
            "workflows:\n  x: {floor: high, says: s, words: {en: [a* b]}}\n",
            2,
            "before `*` there must be 3 to 14 letters",
        ),
        ("workflows:\n  x: {floor: high, says: s, words: {en: [u.s.]}}\n", 2, "no single word"),
        ("workflows:\n  x: {floor: high, says: s, words: {en: [.. a]}}\n", 2, "begins or ends"),
        ("workflows:\n  x: {floor: high, says: s, words: {english: [a]}}\n", 2, "two letters"),
        ("\nmoney:\n  floor: high\n", 3, "money.floor"),
        ("waiting: {floors: [{from: soon, floor: high}]}\n", 1, "write 30m, 3h or 2d"),
        ("unheard: ['(']\n", 1, "no regular expression"),
        ("topics:\n  bikes: {}\n", 2, "neither words nor examples"),
        ("topics:\n  a: {words: {en: [x]}}\n  a: {words: {en: [y]}}\n", 3, "stands there twice"),
        ("version: 1\nworkflows: [\n", 3, ""),
    ],
)
def test_what_is_wrong_is_told_with_file_line_key_and_next_step(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    file = brand(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        load_rulebook(file)
    assert str(file) in raised.value.message
    assert f"line {line}:" in raised.value.message
    assert says in raised.value.message
    assert "docs/triage.md" in raised.value.hint


@pytest.mark.parametrize("text", ["- a\n- b\n", ""])
def test_a_file_that_holds_no_rules_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="holds no mapping"):
        load_rulebook(brand(tmp_path, text))


def test_a_file_that_cannot_be_read_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_rulebook(tmp_path / "none.yaml")
    assert "CARELINE_TRIAGE__RULES" in raised.value.hint
