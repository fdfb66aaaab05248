"""Which triager runs: the chosen one, or the word lists where the model cannot be read."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path

import pytest

from careline.runtime.errors import ConfigurationError
from careline.triage.choice import TriageChoice, chosen_decision, chosen_triager
from careline.triage.lexicon.triager import MODEL, RuleTriager
from careline.triage.model.file import shipped_bytes
from careline.triage.model.triager import ModelTriager


def test_the_default_is_the_trained_model() -> None:
    assert isinstance(chosen_triager(TriageChoice()), ModelTriager)


def test_the_word_lists_can_be_chosen() -> None:
    assert isinstance(chosen_triager(TriageChoice(classifier="rules")), RuleTriager)


def test_the_build_without_non_commercial_sources_ships_too() -> None:
    found = chosen_triager(TriageChoice(artefact="free"))
    assert isinstance(found, ModelTriager)
    assert found.model != ModelTriager().model
    assert found.triage("@acme my parcel is lost, where is it?").query


def test_another_artefact_is_read_from_its_path(tmp_path: Path) -> None:
    file = tmp_path / "model.npz"
    file.write_bytes(shipped_bytes())
    found = chosen_triager(TriageChoice(artefact=str(file)))
    assert isinstance(found, ModelTriager)
    assert found.model == ModelTriager().model


@pytest.mark.parametrize("content", [b"", b"no archive", shipped_bytes()[:5000]])
def test_an_artefact_that_cannot_be_read_costs_the_model_and_not_the_triage(
    tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "model.npz"
    file.write_bytes(content)
    decision = chosen_decision(TriageChoice(artefact=str(file)))
    assert decision.model == MODEL
    assert decision.triage("@acme my account was hacked").query
    assert chosen_triager(TriageChoice(artefact=str(tmp_path / "none"))).model == MODEL


def test_wrong_rules_are_told_and_not_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("workflows: {refund: {floor: loud}}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="refund"):
        chosen_decision(TriageChoice(classifier="rules", rules=file))


def test_what_makes_a_decision_travels_to_another_process() -> None:
    make = partial(chosen_decision, TriageChoice(classifier="rules"), RuleTriager)
    assert pickle.loads(pickle.dumps(make))().model == MODEL  # noqa: S301 - our own bytes
