"""The command line: `careline NOUN VERB`, one file for each command.

Promise: exit code 0 says done, 1 says that the answer is no, 2 says that it could not be done as
asked; every error is one line on standard error with the next step. Only the command that runs is
imported, so that a role starts without the demo's code and `--help` without any role's.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from importlib import import_module
from typing import Final

import typer
from typer._click.exceptions import ClickException

from careline.cli import output
from careline.runtime.errors import CarelineError, ConfigurationError

_HELP = """Hears every mention of your brand and carries each query to a person in Slack,
and on until it is answered.

Try it without any account: careline demo
"""
_COMMANDS: Final = ("demo", "up", "run", "replay", "erase", "doctor", "version")
_GROUPS: Final = {
    "topics": "topics",
    "ledger": "ledger",
    "case": "cases",
    "dead-letters": "dead_letters",
    "policy": "policy",
    "triage": "triage",
}
"""Nouns with verbs, and the module of each."""
_INTERRUPTED: Final = 130


def build(given: list[str]) -> typer.Typer:
    """Return the command line, with only the command that is asked for if there is one."""
    app = typer.Typer(
        name="careline",
        help=_HELP,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    # One command alone would swallow its own name.
    app.callback(help=_HELP)(_nothing)
    asked = given[:1] if given[:1] and given[0] in (*_COMMANDS, *_GROUPS) else None
    for name in _COMMANDS:
        if asked is None or name in asked:
            module = import_module(f"careline.cli.{name}")
            app.command(name)(getattr(module, name))
    for name, place in _GROUPS.items():
        if asked is None or name in asked:
            app.add_typer(import_module(f"careline.cli.{place}").app, name=name)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    # Libraries' warnings would stand between a person and the one line; roles set up their own log.
    logging.getLogger().addHandler(logging.NullHandler())
    sys.exit(_code_of(given))


def _code_of(given: list[str]) -> int:
    try:
        code = build(given)(args=given, prog_name="careline", standalone_mode=False)
    except ClickException as error:
        if not error.format_message():  # no command at all: the help is shown already
            return output.CANNOT
        known = given[:1] and given[0] in (*_COMMANDS, *_GROUPS)
        where = f"{given[0]} " if known else ""
        output.tell(f"careline: {error.format_message()} → see: careline {where}--help")
        return output.CANNOT
    except CarelineError as error:
        output.tell_error(error)
        return output.CANNOT if isinstance(error, ConfigurationError) else output.NO
    except (KeyboardInterrupt, asyncio.CancelledError, typer.Abort):
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain at exit either.
        sys.stderr.close()
        return output.NO
    return code if isinstance(code, int) else output.OK


def _nothing() -> None:
    """Hold the options that all commands would share; there are none."""
