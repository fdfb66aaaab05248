"""Every connector keeps the contract of `connectors.contract`."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from connectors.contract import Features, connector_contract
from tests.connectors.stages import FileStage, file_stage, x_stage


@asynccontextmanager
async def replayed() -> AsyncIterator[FileStage]:
    with tempfile.TemporaryDirectory() as folder:
        async with file_stage(Path(folder)) as stage:
            yield stage


TestX = connector_contract("TestX", x_stage)
TestReplay = connector_contract("TestReplay", replayed, Features(live=False, source="file"))
