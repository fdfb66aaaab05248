"""The fault matrix of the promise names tests that exist, and says where there is none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "promise.md").read_text(encoding="utf-8")
ROW: Final = re.compile(r"^\| (\d+) \|(.*)\|$", re.MULTILINE)
NAMED: Final = re.compile(r"(tests/[^\s`|]+\.py)::([^\s`|<]+)")
NUMBERS: Final = list(range(1, 37))
PROOFS: Final = sorted(set(NAMED.findall(PAGE)))


def rows() -> list[tuple[int, list[str]]]:
    """Return each row's number, and its cells behind it."""
    return [
        (int(number), [cell.strip() for cell in rest.split("|")])
        for number, rest in ROW.findall(PAGE)
    ]


@pytest.mark.parametrize(("file", "name"), PROOFS)
def test_every_test_that_the_page_names_is_there(file: str, name: str) -> None:
    path = ROOT / file
    assert path.is_file()
    source = path.read_text(encoding="utf-8")
    assert name.startswith("test_")
    defined = re.findall(rf"^\s*(?:async )?def {re.escape(name)}\(", source, re.MULTILINE)
    assert len(defined) == 1


def test_every_row_of_the_matrix_is_there_once() -> None:
    assert [number for number, _ in rows()] == NUMBERS


def test_a_row_without_a_test_says_so() -> None:
    for number, cells in rows():
        component, fault, proof, left = cells
        assert component, number
        assert fault, number
        if NAMED.search(proof) is None:
            assert "no test yet" in left, number
