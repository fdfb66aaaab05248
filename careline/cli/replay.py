"""`careline replay`: a file of real posts into `mentions.received.v1`, as a connector would."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from careline import wiring
from careline.cli import output
from careline.config import load_config
from careline.runtime.errors import ConfigurationError
from careline.settings import load_settings, speed_of


def replay(
    file: Annotated[Path, typer.Argument(help="Posts as .jsonl, .csv or .tsv, plain or .gz.")],
    speed: Annotated[str, typer.Option(help="1, 60 or any factor; max: as fast as it goes.")] = "1",
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N lines.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="Another name of a column: OURS=THEIRS, such as text=body."),
    ] = None,
) -> None:
    """Publish the posts of a file as heard mentions, then end. Running it again adds nothing new.

    Example: careline replay posts.csv --speed 60 --column text=body --column author_id=user
    """
    try:
        speed_of(speed)
    except ValueError as error:
        raise ConfigurationError(str(error), hint="see: careline replay --help") from None
    columns = {}
    for each in column or ():
        ours, found, theirs = each.partition("=")
        if not found or not ours or not theirs:
            raise ConfigurationError(
                f"--column {each!r} is not OURS=THEIRS", hint="such as text=body"
            )
        columns[ours] = theirs
    settings = load_settings(
        replay={"file": file, "speed": speed, "limit": limit, "columns": columns}
    )
    config = load_config(settings.config)
    wiring.check_readable(file)
    code = wiring.run_replay(settings, config)
    if code == output.OK:
        output.tell(f"✓ {file}: everything is in {settings.kafka.bootstrap_servers}")
    raise typer.Exit(code)
