"""The product's commands as tests see them: which there are, their real options, and one run inside this process."""

import contextlib
import importlib
import importlib.metadata
import io
import sys
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock

import typer


def script_names() -> list[str]:
    """The console scripts of the installed package, sorted."""
    scripts = importlib.metadata.distribution("dd-tools").entry_points.select(group="console_scripts")
    return sorted(script.name for script in scripts)


def command_names() -> list[str]:
    """The commands as they are typed, sorted: console scripts, in place of one with subcommands each of them."""
    return [name for script in script_names() for name in _commands_of(script)]


def _commands_of(script: str) -> list[str]:
    subcommands = getattr(_parser(script), "commands", None)
    return [f"{script} {name}" for name in sorted(subcommands)] if subcommands else [script]


def console_script(name: str) -> Callable[[], None]:
    """The function behind the console script `name`."""
    scripts = importlib.metadata.distribution("dd-tools").entry_points.select(group="console_scripts", name=name)
    return next(iter(scripts)).load()


def parameters(name: str) -> list:
    """Every option and argument of the command `name` as typer's own click sees them, without ``--help``."""
    script, *subcommand = name.split()
    parser = _parser(script)
    return (parser.commands[subcommand[0]] if subcommand else parser).params


def _parser(script: str) -> object:
    """The parser of a console script's command line, of typer's own click."""
    parsers = []
    with mock.patch.object(typer.Typer, "__call__", lambda app, **_: parsers.append(typer.main.get_command(app))):
        call(script)
    return parsers[0]


def options(name: str) -> dict[str, object]:
    """The options of the command `name`: long name (``--output``) to click's parameter, without ``--help``."""
    return {
        next(opt for opt in part.opts if opt.startswith("--")): part for part in parameters(name) if is_option(part)
    }


def is_option(parameter: object) -> bool:
    """Whether a click parameter is an option, not an argument; told by its name, as typer may bring its own click."""
    return parameter.param_type_name == "option"


class Outcome(NamedTuple):
    """What a command left: exit status, standard output, standard error."""

    status: int
    output: str
    errors: str


def call(name: str, *arguments: object, stdin: bytes = b"") -> Outcome:
    """Run a command, such as ``dd-dub`` or ``dd-study score``, inside this process, as a shell would start it."""
    script, *subcommand = name.split()
    outputs, errors = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    status = 0
    try:
        with (
            mock.patch.object(sys, "argv", [script, *subcommand, *map(str, arguments)]),
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
            contextlib.redirect_stdout(outputs),
            contextlib.redirect_stderr(errors),
        ):
            console_script(script)()
    except SystemExit as end:
        status = end.code or 0
    outputs.flush()
    return Outcome(status, outputs.buffer.getvalue().decode(errors="replace"), errors.getvalue())
