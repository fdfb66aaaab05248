"""What teachers and towers learn from: rows with labels that are theirs, and fragments of texts."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from careline.triage.quality import labelled
from careline.triage.quality.labelled import Row
from training import data
from training.fragments import SPANS, fragments

TEXTS = {
    "de": ["der Bus kommt heute wieder viel zu spät", "das war ein schöner Abend mit euch"],
    "fr": ["merci beaucoup pour votre aide rapide", "le train est encore en retard ce matin"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with three train rows and a val row of each of UMSAB's languages."""
    for name, header in {
        "sentiment_umsab": "split\tlang\tlabel\ttext",
        "sentiment_semeval_en": "split\tsource\tlabel\ttext",
        "sentiment_extra_langs": "split\tlang\tsrc\tlabel\ttext",
        "unlabelled_tweets": "lang\ttext",
    }.items():
        with gzip.open(tmp_path / f"{name}.tsv.gz", "wt", encoding="utf-8") as file:
            file.write(header + "\n")
            if name == "sentiment_umsab":
                for language in labelled.UMSAB:
                    file.write(f"val\t{language}\tpositive\t{language} held back\n")
                    for label in ("negative", "neutral", "positive"):
                        file.write(f"train\t{language}\t{label}\t{language} {label} text\n")
    with gzip.open(tmp_path / "support_conversations_ibm.jsonl.gz", "wt", encoding="utf-8"):
        pass
    return tmp_path


def test_labels_that_are_not_their_texts_are_not_learnt_but_their_texts_are_read(
    folder: Path,
) -> None:
    languages = {row.language for row in data.sentiment_train(folder, nc=False)}
    assert languages == set(labelled.UMSAB.values()) - labelled.MISLABELLED
    assert "hindi neutral text" in data.unlabelled(folder, nc=False)
    assert set(data.scarce(folder)) == set(labelled.UMSAB.values()) - {"en"}


def test_no_text_that_is_held_back_is_learnt(folder: Path) -> None:
    texts = [row.text for row in data.sentiment_train(folder, nc=False)]
    texts += data.unlabelled(folder, nc=False)
    texts += [text for each in data.scarce(folder).values() for text in each]
    assert texts
    assert not [text for text in texts if "held back" in text]


def test_teachers_share_umsab_and_no_other_row() -> None:
    def row(source: str, number: int) -> Row:
        return Row(text=f"{source} {number}", label="neutral", language="en", source=source)

    rows = [row(source, number) for source in ("umsab", "semeval") for number in range(40)]
    one, two = ([each.text for each in data.teacher_rows(rows, n)] for n in (0, 1))
    shared = {row.text for row in rows if row.source == "umsab"}
    assert set(one) & set(two) == shared
    assert set(one) | set(two) == {row.text for row in rows}
    assert all(one.count(text) == two.count(text) == 2 for text in shared)


def test_fragments_are_made_of_the_words_of_one_language() -> None:
    made = fragments(TEXTS)
    words = {
        name: {word for text in texts for word in text.split()} for name, texts in TEXTS.items()
    }
    for text in made:
        assert any(set(text.split()) <= known for known in words.values()), text
    assert len(made) > len(SPANS) * 4


def test_fragments_are_the_same_each_time_and_never_twice() -> None:
    made = fragments(TEXTS)
    assert made == fragments(TEXTS)
    assert len(made) == len(set(made))


def test_texts_of_few_words_make_no_fragments() -> None:
    assert fragments({"it": ["che bello", "no", ""]}) == []
