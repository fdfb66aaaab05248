"""Scripts are loaded again when the server forgot them, and failures are told by what to do."""

from __future__ import annotations

import pytest

from careline.ledger.fence import LedgerUnavailable, ScriptFailed
from careline.ledger.scripts import packed
from careline.ledger.store import Ledger, key
from careline.runtime.embedded_valkey import EmbeddedValkey
from careline.runtime.redis import connect


async def test_a_forgotten_script_is_loaded_again(valkey: EmbeddedValkey) -> None:
    client = connect(valkey.url)
    ledger = Ledger(client, partitions=4)
    await ledger.fence(0)
    await client.script_flush()
    assert (await ledger.fence(0)).n is None
    await client.aclose()


async def test_a_server_that_is_gone_is_an_unknown_outcome(valkey: EmbeddedValkey) -> None:
    client = connect(valkey.url)
    ledger = Ledger(client, partitions=4)
    await ledger.fence(0)
    await valkey.kill()
    with pytest.raises(LedgerUnavailable):
        await ledger.fence(0)
    await valkey.restart()
    assert (await ledger.fence(0)).value == ""
    await client.aclose()


async def test_a_full_server_is_to_be_waited_for_and_not_judged(valkey: EmbeddedValkey) -> None:
    client = connect(valkey.url)
    ledger = Ledger(client, partitions=4)
    await client.config_set("maxmemory", "1")
    with pytest.raises(LedgerUnavailable):
        await ledger.scripts.run("set_epoch", 0, "", "1", 0)
    await client.config_set("maxmemory", "0")
    answer, _ = await ledger.scripts.run("set_epoch", 0, "", "1", 0)
    assert answer == b"ok"
    await client.aclose()


async def test_refused_arguments_fail_without_quoting_them(valkey: EmbeddedValkey) -> None:
    client = connect(valkey.url)
    ledger = Ledger(client, partitions=4)
    await ledger.scripts.run("set_epoch", 0, "", "1", 0)
    await client.set(key(0, "in"), "not a hash")
    epoch = (await ledger.fence(0)).value
    with pytest.raises(ScriptFailed) as failed:
        await ledger.script("seed", 0, epoch, "secret words", -1)
    assert "secret" not in str(failed.value)
    await client.aclose()


def test_packed_arguments_keep_their_bytes() -> None:
    lengths, values = packed(["ä", b"\x00,1", 12, ""])
    assert lengths == b"2,3,2,0"
    assert values == "ä".encode() + b"\x00,112"
