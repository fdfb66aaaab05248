"""`careline run`: one role in this process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

from typing import Annotated

import typer

from careline import wiring
from careline.cli import output
from careline.config import load_config
from careline.runtime.errors import ConfigurationError
from careline.settings import effective, load_settings


def run(
    role: Annotated[str, typer.Argument(help="worker, connector, responder or auditor.")],
    name: Annotated[
        str | None,
        typer.Argument(help="Which connector (x, replay) or responder (slack, notify)."),
    ] = None,
) -> None:
    """Run one role in this process until SIGTERM or Ctrl-C.

    Roles: worker | connector x | connector replay | responder slack | responder notify | auditor

    Settings come from CARELINE_… variables (see "careline doctor"), the brand's own rules from
    careline.yaml.

    Example: careline run connector x
    """
    known = {role.words: role for role in wiring.ROLES}
    wanted = known.get((role, name) if name else (role,))
    if wanted is None:
        asked = f"{role} {name}" if name else role
        raise ConfigurationError(
            f"unknown role {asked!r}",
            hint="use one of: " + ", ".join(" ".join(words) for words in known),
        )
    settings = load_settings()
    config = load_config(settings.config)
    output.tell(f"careline run {' '.join(wanted.words)}, with")
    for variable, shown in effective(settings).items():
        output.tell(f"  {variable}={shown}")
    raise typer.Exit(wiring.run_role(wanted, settings, config))
