"""Signals that ask a program to stop: they unwind the stack, or wait until a training has saved its state.

They are SIGINT (Ctrl-C), SIGTERM, SIGHUP (the terminal was closed), and SIGUSR1, by which schedulers announce
preemption. Signals that the parent process told this one to ignore, as nohup does, stay ignored.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType
from typing import TypeVar

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)
)  # Windows has only the first two
REPEATED = 5.0  # seconds after a signal in which another one is taken for a copy of it
LATER = 0.01  # seconds after which a signal comes again that could not be handled

_uninterruptible: set[CodeType] = set()


class Stopped(KeyboardInterrupt):
    """A signal asked the program to stop. number: of the signal."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number


Function = TypeVar("Function", bound=FunctionType)


def uninterruptible(function: Function) -> Function:
    """Decorate a function that a C library calls and in which it does not survive an exception: signals come later."""
    _uninterruptible.add(function.__code__)
    return function


def _is_interruptible(frame: FrameType | None) -> bool:
    while frame and frame.f_code not in _uninterruptible:
        frame = frame.f_back
    return frame is None


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise `Stopped` in the main thread when a signal arrives, so that no half-written file or child process remains.

    A terminal, make or a scheduler often sends a second signal at once. For `REPEATED` seconds it is ignored, as it
    would interrupt the cleaning up.
    """
    stopper, hook = _Stopper(sys.unraisablehook), sys.unraisablehook
    previous = _handle_with(stopper.stop)
    sys.unraisablehook = stopper.recover
    try:
        yield
    except Exception as error:
        if stop := _stop_behind(error):
            raise stop from None
        raise
    finally:
        stopper.timer.cancel()
        sys.unraisablehook = hook
        _restore(previous)
    if stopper.waiting:
        raise Stopped(stopper.waiting)


def _stop_behind(error: BaseException | None) -> Stopped | None:
    """The `Stopped` that some code has turned into `error`, such as Python while it creates a class; None if none."""
    if error is None or isinstance(error, Stopped):
        return error
    return _stop_behind(error.__cause__) or _stop_behind(error.__context__)


class _Stopper:
    """Raises `Stopped` where it is not lost. waiting: a signal that comes again, or 0. timer: sends it again."""

    def __init__(self, hook: Callable[[object], None]):
        self.timer, self.waiting = threading.Timer(0, lambda: None), 0
        self._hook, self._latest = hook, float("-inf")

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if not _is_interruptible(frame):
            self._come_again(number)
            return
        self.waiting = 0
        if (now := time.monotonic()) - self._latest > REPEATED:
            self._latest = now
            raise Stopped(number)

    def recover(self, ignored) -> None:
        """Handle an exception that Python ignores, because it was raised in a destructor or the like."""
        if isinstance(ignored.exc_value, Stopped):
            self._latest = float("-inf")
            self._come_again(ignored.exc_value.number)
        else:
            self._hook(ignored)

    def _come_again(self, number: int) -> None:
        self.waiting = number
        self.timer = threading.Timer(LATER, os.kill, (os.getpid(), number))
        self.timer.start()


class Postponed:
    """The signal that arrived while `postponed_signals` held it back. number: of the first one, 0 for none."""

    def __init__(self) -> None:
        self.number = 0
        self._handlers: dict[int, object] = {}

    def hold(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: remember it."""
        self.number = self.number or number

    def deliver(self) -> None:
        """Call the handler that the program had for the signal, if it had one. Call it outside of the context."""
        handler = self._handlers.get(self.number)
        if callable(handler):
            handler(self.number, None)


@contextmanager
def postponed_signals() -> Iterator[Postponed]:
    """Hold signals back inside the context. In a thread other than the main one, which receives them, it does nothing.

    What was held back is lost, unless `Postponed.deliver` is called afterwards.
    """
    postponed = Postponed()
    if threading.current_thread() is not threading.main_thread():  # where Python allows no handlers
        yield postponed
        return
    postponed._handlers = _handle_with(postponed.hold)
    try:
        yield postponed
    finally:
        _restore(postponed._handlers)


@contextmanager
def fatal_signals() -> Iterator[None]:
    """Let signals end the program at once inside the context: while a C library waits, Python cannot handle them.

    In a thread other than the main one, it does nothing.
    """
    is_main = threading.current_thread() is threading.main_thread()
    previous = _handle_with(signal.SIG_DFL) if is_main else {}
    try:
        yield
    finally:
        _restore(previous)


def _handle_with(handler) -> dict[int, object]:
    """Install a handler for all `SIGNALS` that are not ignored. Returns the previous ones."""
    handled = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in handled}


def _restore(handlers: dict[int, object]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
