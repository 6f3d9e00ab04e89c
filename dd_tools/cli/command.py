"""The console script of a command: typer around a function, one-line errors, exit statuses.

Every command imports this module, also for ``--help``, so nothing that is slow to import (torch, cv2) is imported here.
"""

import dataclasses
import functools
import inspect
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import typer

from dd_tools.cli.options import Debug, Quiet, Version
from dd_tools.cli.session import Session
from dd_tools.errors import DataError, UsageError, message_of
from dd_tools.formats.atomic import remove_unfinished
from dd_tools.spelling import spelled
from dd_tools.stopping import Stopped, stop_on_signals

# The exception of typer's parser for a wrong command line. It is not always click's: newer versions of typer contain
# their own copy of click.
_ParsingError = typer.BadParameter.__bases__[0]

Options = TypeVar("Options")  # a dataclass whose fields are options

EXIT_DATA, EXIT_USAGE = 1, 2
EXIT_PREEMPTED = 75  # after SIGUSR1: EX_TEMPFAIL of sysexits.h, "try again later", which schedulers can requeue


def console_command(name: str, function: Callable[..., None]) -> Callable[[], None]:
    """The console script of the command `name`.

    `function` takes a `Session` as its first argument, named ``session``; its other parameters are the options. A
    parameter whose type is a dataclass stands for a group of options, its fields. Every command also gets ``--quiet``,
    ``--debug`` and ``--version``.
    """
    command, parameters = _reported(name, function)
    return _script(lambda: name, lambda: _app(name, command, parameters))


def console_commands(name: str, summary: str, functions: Mapping[str, Callable[..., None]]) -> Callable[[], None]:
    """The console script of the command `name` with a subcommand for each function, as for `console_command`."""

    commands = {own: _reported(f"{name} {own}", function) for own, function in functions.items()}

    def group(version: Version = False) -> None:
        pass

    def app() -> typer.Typer:
        app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
        app.callback(help=summary)(group)
        for own, (command, parameters) in commands.items():
            _add(app, own, command, parameters)
        return app

    def named() -> str:
        return f"{name} {sys.argv[1]}" if sys.argv[1:2] and sys.argv[1] in functions else name

    return _script(named, app)


def _reported(name: str, function: Callable[..., None]) -> tuple[Callable[..., None], list[inspect.Parameter]]:
    """`function` as typer calls it, with a session, errors as one line each, and exit statuses; and its options."""

    @functools.wraps(function, assigned=("__doc__",), updated=())
    def command(quiet: Quiet = False, debug: Debug = False, version: Version = False, **options: Any) -> None:
        session = Session(name)
        session.quiet = quiet
        try:
            with stop_on_signals():
                function(session, **_grouped(function, options))
        except BrokenPipeError:
            raise
        except (DataError, UsageError, OSError) as error:
            if debug:
                traceback.print_exc()
            session.print(message_of(error))
            raise typer.Exit(EXIT_USAGE if isinstance(error, UsageError) else EXIT_DATA) from None
        except RuntimeError as error:
            if (
                type(error).__name__ != "OutOfMemoryError"
            ):  # torch's, from networks outside `dd_tools.nn.device.computing`; torch is not imported here
                raise
            session.print("out of GPU memory; use --device cpu")
            raise typer.Exit(EXIT_DATA) from error
        except KeyboardInterrupt as interrupt:
            remove_unfinished()
            raise typer.Exit(_report_stop(session, interrupt)) from None
        if session.failures:
            raise typer.Exit(EXIT_DATA)

    return command, _parameters_for_typer(function, command)


def _script(name: Callable[[], str], app: Callable[[], typer.Typer]) -> Callable[[], None]:
    """The function that a console script calls. name: for messages. app: builds the parser of the command line."""

    def run() -> None:
        # A terminal or pipe that is not Unicode gets escapes, not a traceback after all the work.
        sys.stdout.reconfigure(errors="backslashreplace")
        try:
            sys.exit(app()(standalone_mode=False))
        except KeyboardInterrupt:  # before the command begins
            typer.echo(f"{name()}: interrupted", err=True)
            sys.exit(128 + signal.SIGINT)
        except _ParsingError as error:
            typer.echo(f"{name()}: {spelled(_parsing_message(error))}; see {name()} --help", err=True)
            sys.exit(EXIT_USAGE)

    return run


def parse_options(arguments: Sequence[str], defaults: Options) -> Options:
    """The group of options that `arguments` stand for, parsed as on a command line. defaults: those not given.

    Raises `UsageError` for arguments that a command line could not have.
    """
    if not arguments:
        return defaults
    try:
        return _parser(type(defaults))(arguments, standalone_mode=False, default_map=dict(vars(defaults)))
    except _ParsingError as error:
        raise UsageError(_parsing_message(error)) from None


@functools.cache
def _parser(group: type[Options]) -> Callable[..., Options]:
    """The command whose options are those of a group, and which returns the group. To build it takes milliseconds."""
    app = _app("options", lambda **options: group(**options), inspect.signature(group).parameters.values())
    return typer.main.get_command(app)


def _app(name: str, command: Callable[..., Any], parameters: Iterable[inspect.Parameter]) -> typer.Typer:
    """typer around `command`, which takes any options: those of `parameters`."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    _add(app, name, command, parameters)
    return app


def _add(app: typer.Typer, name: str, command: Callable[..., Any], parameters: Iterable[inspect.Parameter]) -> None:
    """Add `command`, which takes any options: those of `parameters`."""
    keywords = [parameter.replace(kind=parameter.KEYWORD_ONLY) for parameter in parameters]
    # typer reads the options from both.
    command.__signature__ = inspect.Signature(keywords)
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in keywords}
    app.command(name)(command)


def _parsing_message(error: Exception) -> str:
    """What typer's parser says, as this project words errors."""
    message = error.format_message()
    return f"{message[:1].lower()}{message[1:].rstrip('.')}"


def _report_stop(session: Session, interrupt: KeyboardInterrupt) -> int:
    """Print which signal stopped the command, and return its exit status."""
    number = interrupt.number if isinstance(interrupt, Stopped) else signal.SIGINT
    session.print("interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}")
    return EXIT_PREEMPTED if number == getattr(signal, "SIGUSR1", None) else 128 + number


def _parameters_for_typer(function: Callable[..., None], command: Callable[..., None]) -> list[inspect.Parameter]:
    """The parameters that typer sees: those of `function` without the session, then the three of every command.

    Groups of options are replaced by their fields.
    """
    own = [option for parameter in _parameters(function) for option in _fields(parameter) or [parameter]]
    every = inspect.signature(command, follow_wrapped=False).parameters.values()
    return own + [parameter for parameter in every if parameter.kind is not parameter.VAR_KEYWORD]


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
