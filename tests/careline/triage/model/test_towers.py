"""The towers by themselves: a batch adds up to what one text after another says, in plain loops."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from careline.triage.model.classifier import Model
from careline.triage.model.file import PAIR_BUCKETS, Table, Tower, read, save, shipped
from careline.triage.model.ngrams import BUCKETS, LENGTHS, NOWHERE, grams
from careline.triage.model.towers import SubwordTower, lay_out, pair_places

WIDTH = 8
HIDDEN = 12
TEXTS = [
    "where is my parcel",
    "",
    "x",
    "thanks a lot, it works again 😊 and again",
    "a b",
    "\u4f60\u597d",
]


@pytest.fixture(scope="module")
def tower() -> Tower:
    words = ["where", "is", "my", "parcel", "thanks", "a", "lot", "it", "works", "again", "and"]
    rng = np.random.default_rng(3)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(rng.permutation(words)) for _ in range(200)]),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    size = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()).get_piece_size()

    def dense(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.3, shape).astype(np.float32)

    return Tower(
        subwords=model.getvalue(),
        pieces=Table(
            rng.integers(-127, 128, (size, WIDTH)).astype(np.int8), np.array([0.01], np.float32)
        ),
        pairs=Table(
            rng.integers(-127, 128, (PAIR_BUCKETS, WIDTH)).astype(np.int8),
            np.array([0.004], np.float32),
        ),
        dense={
            "conv": dense(3 * WIDTH, WIDTH),
            "conv_bias": dense(WIDTH),
            "hidden": dense(4 * WIDTH, HIDDEN),
            "hidden_bias": dense(HIDDEN),
            "out": dense(HIDDEN, 3),
            "out_bias": dense(3),
        },
    )


def slowly(tower: Tower, ids: list[int]) -> np.ndarray:
    """One text, in floating point and plain loops."""
    pieces = tower.pieces.rows.astype(np.float64) * tower.pieces.step
    pairs = tower.pairs.rows.astype(np.float64) * tower.pairs.step
    w = tower.dense
    nothing = np.zeros(WIDTH)
    vectors = [nothing, *(pieces[number] for number in ids), nothing]
    heard = [
        np.maximum(np.concatenate(vectors[at - 1 : at + 2]) @ w["conv"] + w["conv_bias"], 0)
        for at in range(1, len(vectors) - 1)
    ]
    flat = np.array([*ids, -1, -1])
    places = pair_places(flat, flat < 0)[: len(ids) - 1]
    root = np.sqrt(len(ids))
    joined = np.concatenate(
        [
            sum(vectors) / root,
            sum((pairs[place] for place in places), nothing) / root,
            sum(heard) / len(ids),
            np.max(heard, axis=0),
        ]
    )
    layer = np.maximum(joined @ w["hidden"] + w["hidden_bias"], 0)
    found: np.ndarray = layer @ w["out"] + w["out_bias"]
    return found


def test_a_batch_of_the_subword_tower_is_each_text_alone(tower: Tower) -> None:
    quick = SubwordTower(tower)
    logits, hidden = quick(TEXTS)
    assert hidden.shape == (len(TEXTS), HIDDEN)
    for ids, found in zip(quick.tokenise(TEXTS), logits, strict=True):
        assert np.abs(slowly(tower, ids) - found).max() < 2e-3


def test_a_model_with_both_towers_survives_the_file(tower: Tower, tmp_path: Path) -> None:
    plain = shipped()
    signs = plain.dense["heads"][-22:]
    heads = np.concatenate([np.zeros((HIDDEN, 4), np.float32), signs])
    mix = np.array([0.5, 0.5, *plain.dense["mix"][2:]], np.float32)
    whole = replace(plain, tower=tower, dense={**plain.dense, "heads": heads, "mix": mix})
    path = tmp_path / "model.npz"
    save(whole, path)
    first = path.read_bytes()
    save(whole, path)
    assert path.read_bytes() == first
    texts = [text for text in TEXTS if text]
    again = Model(read(first)).classify(texts)
    assert [str(each) for each in again] == [str(each) for each in Model(whole).classify(texts)]
    assert np.allclose(Model(whole).sentiments(texts).sum(axis=1), 1, atol=1e-4)


def test_texts_stand_apart_in_a_batch() -> None:
    flat, starts, lengths = lay_out([[5, 6], [7], [8, 9, 10]], 99)
    assert flat.tolist() == [99, 5, 6, 99, 7, 99, 8, 9, 10, 99]
    assert starts.tolist() == [1, 4, 6]
    assert lengths.tolist() == [2, 1, 3]
    places = pair_places(flat, flat == 99)
    assert (places == PAIR_BUCKETS).tolist() == [n not in {1, 6, 7} for n in range(9)]


def test_an_n_gram_has_one_place_wherever_it_stands() -> None:
    alone = grams(["hello world"])
    among = grams(["zzz", "hello world", "yyy"])
    start, end = among.starts[1], among.starts[2]
    inside = among.places[:, start : end - 1]
    assert (inside == alone.places[:, : inside.shape[1]]).all()


def test_n_grams_stay_within_words_and_buckets() -> None:
    found = grams(["ab cd"]).places
    assert found.shape == (len(LENGTHS) + 2, len(" ab cd "))
    real = found[found != NOWHERE]
    assert ((real >= 0) & (real < BUCKETS)).all()
    three = [place != NOWHERE for place in found[1].tolist()]
    assert three == [True, True, False, True, True, False, False]
    words = [place != NOWHERE for place in found[-2].tolist()]
    assert words == [False, True, False, False, True, False, False]
    assert sum(place != NOWHERE for place in found[-1].tolist()) == 1
