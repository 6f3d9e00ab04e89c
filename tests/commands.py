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


def command_names() -> list[str]:
    """The console scripts of the installed package, sorted."""
    scripts = importlib.metadata.distribution("dd-tools").entry_points.select(group="console_scripts")
    return sorted(script.name for script in scripts)


def console_script(name: str) -> Callable[[], None]:
    """The function behind the command `name`."""
    scripts = importlib.metadata.distribution("dd-tools").entry_points.select(group="console_scripts", name=name)
    return next(iter(scripts)).load()


def parameters(name: str) -> list:
    """Every option and argument of the command `name` as typer's own click sees them, without ``--help``."""
    parsers = []
    with mock.patch.object(typer.Typer, "__call__", lambda app, **_: parsers.append(typer.main.get_command(app))):
        call(name)
    return parsers[0].params


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
    """Run a command inside this process, as a shell would start it."""
    outputs, errors = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    status = 0
    try:
        with (
            mock.patch.object(sys, "argv", [name, *map(str, arguments)]),
            mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin))),
            contextlib.redirect_stdout(outputs),
            contextlib.redirect_stderr(errors),
        ):
            console_script(name)()
    except SystemExit as end:
        status = end.code or 0
    outputs.flush()
    return Outcome(status, outputs.buffer.getvalue().decode(errors="replace"), errors.getvalue())
