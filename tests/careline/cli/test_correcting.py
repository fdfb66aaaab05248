"""People teach triage from a shell: a correction, labels out and in, and the figures of it."""

from __future__ import annotations

import asyncio
import json
import stat
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.commands import COMMAND, CorrectTriage
from schemas.envelope import unpack
from schemas.mentions import Visibility
from schemas.topics import CASES_COMMANDS
from schemas.triage import Sentiment
from tests.careline.cli.test_acting import Shell, shell
from tests.support.command import Ran
from tests.support.here import Here
from tests.support.ledger import PARTITIONS
from tests.support.stories import a_mention, a_triage

__all__ = ["shell"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
NO_QUERY = a_triage(query=False, confidence=0.6)
SECRET = "my secret number is 12"


@pytest.fixture
def here(shell: Shell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    found = Here(shell._folder, monkeypatch, capsys)
    found.set(**shell._settings)
    return found


async def correct(here: Here, shell: Shell, *words: str) -> Ran:
    """Correct the only case."""
    case = await shell.world.only_case()
    return await here.beside("case", "correct", case.case_id, "--as", "ana", *words)


async def hear(shell: Shell, native_id: str, **facts: Any) -> None:
    now = datetime.now(UTC)
    facts = {"root": native_id, "heard_at": now, "created_at": now} | facts
    triage = facts.pop("triage", NO_QUERY)
    await shell.world.hear(a_mention(native_id, **facts), triage)
    while f"x:acme:{native_id}" not in await stored(shell):
        await asyncio.sleep(0.05)


async def stored(shell: Shell) -> set[str]:
    return {
        name
        for shard in range(PARTITIONS)
        async for name, _ in shell.world.ledger.stored(shard, "mentions")
    }


async def corrections(shell: Shell) -> list[CorrectTriage]:
    return [
        body
        for shard in range(PARTITIONS)
        for record in await shell.world.records(CASES_COMMANDS.name, shard)
        if isinstance(body := unpack(COMMAND, record.value), CorrectTriage)
    ]


async def test_what_is_no_query_is_closed_and_counts_against_triage(
    here: Here, shell: Shell
) -> None:
    ran = await correct(here, shell, "--not-query", "--sentiment", "positive", "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["result"], ran.json["status"]) == ("done", "resolved")
    ran = await here.beside("triage", "stats", "--json")
    rows = {row["label"]: row for row in ran.json}
    assert (rows["query"]["precision"], rows["query"]["corrected"]) == (0.0, 1)
    assert rows["sentiment:positive"]["recall"] == 0.0
    ran = await here.beside("triage", "stats")
    assert [line.split()[1:3] for line in ran.out.splitlines()[1:2]] == [["query", "0.0%"]]
    ran = await here.beside("triage", "stats", "--prometheus", "--since", "7d")
    assert 'careline_triage_precision_ratio{label="query"} 0.0' in ran.out


async def test_a_message_that_triage_passed_over_becomes_a_case(here: Here, shell: Shell) -> None:
    await hear(shell, "300")
    words = ("case", "correct", "x:acme:300", "--as", "ana", "--urgency", "high", "--key", "k")
    ran = await here.beside(*words, "--json")
    assert ran.code == 0, ran.err
    case = (await shell.world.cases())[ran.json["case"]]
    assert [each.priority.value for each in case.open_obligations] == ["P2"]
    ran = await here.beside(*words)
    assert ran.code == 0
    assert "done already, under this key" in ran.out
    ran = await here.beside("case", "correct", "x:acme:404", "--as", "ana")
    assert ran.code == 2
    assert "neither a case nor a message" in ran.error


async def test_of_several_queries_one_must_be_named(here: Here, shell: Shell) -> None:
    await hear(shell, "101", root="100", triage=a_triage())
    ran = await correct(here, shell, "--not-query")
    assert ran.code == 2
    assert "name one with --mention: x:acme:100, x:acme:101" in ran.error
    ran = await correct(here, shell, "--not-query", "--mention", "x:acme:101", "--json")
    assert ran.code == 0, ran.err
    case = await shell.world.only_case()
    assert [each.mention_id for each in case.open_obligations] == ["x:acme:100"]


async def test_labels_go_out_and_come_back_as_corrections(here: Here, shell: Shell) -> None:
    await hear(shell, "300")
    await hear(shell, "400", text=SECRET, visibility=Visibility.DIRECT)
    ran = await here.beside("triage", "label", "export", "out.jsonl", "--json")
    assert (ran.code, ran.json["rows"]) == (0, 2), ran.err
    file = shell._folder / "out.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET not in file.read_text("utf-8")
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert {row["mention_id"] for row in rows} == {"x:acme:100", "x:acme:300"}
    everybodys = shell._folder / "all.csv"
    everybodys.touch(0o644)
    ran = await here.beside("triage", "label", "export", "all.csv", "--direct-messages")
    assert stat.S_IMODE(everybodys.stat().st_mode) == 0o600
    assert SECRET in (shell._folder / "all.csv").read_text("utf-8")

    labelled = [row | {"query": True, "sentiment": "negative"} for row in rows]
    labelled.append(rows[0] | {"mention_id": "x:acme:999", "query": False})
    file.write_text("\n".join(map(json.dumps, labelled)), encoding="utf-8")
    ran = await here.beside("triage", "label", "import", "out.jsonl", "--as", "ana", "--check")
    assert (ran.code, ran.out) == (0, "✓ out.jsonl: 3 labelled mentions\n")
    words = ("triage", "label", "import", "out.jsonl", "--as", "ana", "--json")
    ran = await here.beside(*words)
    assert ran.code == 1
    assert (ran.json["done"], ran.json["gone"]) == (2, ["x:acme:999"])
    assert {each.sentiment for each in await corrections(shell)} == {Sentiment.NEGATIVE}
    assert len(await shell.world.cases()) == 2, "the one that was missed is a case now"
    again = await here.beside(*words)
    assert again.json["done"] == 2
    assert len(await corrections(shell)) == 2, "nothing is asked for twice"


async def test_a_calibration_needs_more_than_a_few(here: Here) -> None:
    ran = await here.beside("triage", "refit", "--out", "c.json")
    assert ran.code == 2
    assert "0 mentions were dealt with" in ran.error
