"""The console script of a command: typer around a function, one-line errors, exit statuses.

Every command imports this module, also for ``--help``, so nothing that is slow to import (torch, cv2) is imported here.
"""

import dataclasses
import functools
import inspect
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import typer

from dd_tools.cli.options import Debug, Quiet, Version
from dd_tools.cli.printing import printable
from dd_tools.cli.session import Session
from dd_tools.errors import DataError, UsageError

# The exception of typer's parser for a wrong command line. It is not always click's: newer versions of typer contain
# their own copy of click.
_ParsingError = typer.BadParameter.__bases__[0]

EXIT_DATA, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def console_command(name: str, function: Callable[..., None]) -> Callable[[], None]:
    """The console script of the command `name`.

    `function` takes a `Session` as its first argument, named ``session``; its other parameters are the options. A
    parameter whose type is a dataclass stands for a group of options, its fields. Every command also gets ``--quiet``,
    ``--debug`` and ``--version``.
    """

    @functools.wraps(function, assigned=("__doc__",), updated=())
    def command(quiet: Quiet = False, debug: Debug = False, version: Version = False, **options: Any) -> None:
        session = Session(name)
        session.quiet = quiet
        try:
            function(session, **_grouped(function, options))
        except (DataError, UsageError) as error:
            if debug:
                traceback.print_exc()
            typer.echo(f"{name}: {printable(str(error))}", err=True)
            raise typer.Exit(EXIT_USAGE if isinstance(error, UsageError) else EXIT_DATA) from None
        except RuntimeError as error:
            if (
                type(error).__name__ != "OutOfMemoryError"
            ):  # torch's, from networks outside `dd_tools.nn.device.computing`; torch is not imported here
                raise
            typer.echo(f"{name}: out of GPU memory; use --device cpu", err=True)
            raise typer.Exit(EXIT_DATA) from error
        except KeyboardInterrupt:
            typer.echo(f"{name}: interrupted", err=True)
            raise typer.Exit(EXIT_INTERRUPTED) from None
        if session.failures:
            raise typer.Exit(EXIT_DATA)

    # typer reads the options from both.
    command.__signature__ = _signature_for_typer(function, command)
    command.__annotations__ = {key: parameter.annotation for key, parameter in command.__signature__.parameters.items()}

    def run() -> None:
        # SIGTERM unwinds the stack as Ctrl-C does, so that no half-written file remains.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.command(name)(command)
        try:
            sys.exit(app(standalone_mode=False))
        except _ParsingError as error:
            message = error.format_message()
            typer.echo(f"{name}: {message[:1].lower()}{message[1:].rstrip('.')}; see {name} --help", err=True)
            sys.exit(EXIT_USAGE)

    return run


def _signature_for_typer(function: Callable[..., None], command: Callable[..., None]) -> inspect.Signature:
    """The parameters that typer sees: those of `function` without the session, then the three of every command.

    Groups of options are replaced by their fields.
    """
    own = [option for parameter in _parameters(function) for option in _fields(parameter) or [parameter]]
    shared = [
        p for p in inspect.signature(command, follow_wrapped=False).parameters.values() if p.kind is not p.VAR_KEYWORD
    ]
    return inspect.Signature([parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in own + shared])


def _grouped(function: Callable[..., None], options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `function`: single options as they are, groups of options as dataclass instances."""
    arguments = {}
    for parameter in _parameters(function):
        fields = {field.name: options[field.name] for field in _fields(parameter)}
        arguments[parameter.name] = parameter.annotation(**fields) if fields else options[parameter.name]
    return arguments


def _parameters(function: Callable[..., None]) -> Iterator[inspect.Parameter]:
    """The parameters of a command's function, without the session."""
    return (one for name, one in inspect.signature(function).parameters.items() if name != "session")


def _fields(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """The options that a group stands for; none if the parameter is an option itself."""
    if not dataclasses.is_dataclass(parameter.annotation):
        return []
    return list(inspect.signature(parameter.annotation).parameters.values())
