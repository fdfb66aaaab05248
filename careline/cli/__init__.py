"""The command line: `careline NOUN VERB`, one file for each command.

Promise: exit code 0 says done, 1 says that the answer is no, 2 says that it could not be done as
asked; every error is one line on standard error with the next step.
"""

from __future__ import annotations

import sys

import typer
from typer._click.exceptions import ClickException

from careline.cli import cases, demo, doctor, ledger, output, replay, run, topics, up, version
from careline.runtime.errors import CarelineError, ConfigurationError

_HELP = """Hears every mention of your brand and carries each query to a person in Slack,
and on until it is answered.

Try it without any account:  careline demo
"""

app = typer.Typer(
    name="careline",
    help=_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
app.command()(demo.demo)
app.command()(up.up)
app.command()(run.run)
app.command()(replay.replay)
app.command()(doctor.doctor)
app.command()(version.version)
app.add_typer(topics.app, name="topics")
app.add_typer(ledger.app, name="ledger")
app.add_typer(cases.app, name="case")


def main(arguments: list[str] | None = None) -> None:
    """Run one command and leave with its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(args=given, prog_name="careline", standalone_mode=False)
    except ClickException as error:
        output.tell(f"careline: {error.format_message()} → see: careline {_command(given)}--help")
        sys.exit(output.CANNOT)
    except CarelineError as error:
        output.tell_error(error)
        sys.exit(output.CANNOT if isinstance(error, ConfigurationError) else output.NO)
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python must not complain at exit either.
        sys.stderr.close()
        sys.exit(output.NO)
    sys.exit(code if isinstance(code, int) else output.OK)


def _command(given: list[str]) -> str:
    known = {"topics", "ledger", "case"}
    words = [word for word in given if not word.startswith("-")][
        : 2 if given[:1] and given[0] in known else 1
    ]
    names = {
        command.name or getattr(command.callback, "__name__", "")
        for command in app.registered_commands
    }
    return "".join(f"{word} " for word in words[:1] if word in names | known)
