"""Ctrl-C, SIGTERM and other signals that somebody handles, where they can be borne.

SIGHUP, which tells of the end of a terminal, is as SIGTERM.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Self

# Ctrl-C; the end that `trainer.distributed` handles; the end of a worker, which torch raises an error for.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD)
ENDS = (signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """SIGTERM came: as Ctrl-C, but for the exit code."""


def terminate(number: int, frame: FrameType | None) -> None:
    """What SIGTERM does in a command: files that are being written vanish, and children are ended.

    Raises:
        Terminated: always.
    """
    raise Terminated


@contextlib.contextmanager
def sigterm_raised() -> Iterator[None]:
    """Within the block SIGTERM, if it would end the process without a word, is raised as `Terminated`."""
    usual, numbers = signal.SIG_DFL, []
    if threading.current_thread() is threading.main_thread():
        numbers = [number for number in ENDS if signal.getsignal(number) == usual]
    for number in numbers:
        signal.signal(number, terminate)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, usual)


def ignore_termination_signals(*_: object) -> None:
    """Ignore Ctrl-C and SIGTERM, which reach all processes of a group: in a process that its parent ends."""
    for number in (signal.SIGINT, *ENDS):
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Put off an interruption until the block ends: libraries with threads and locks may not survive one in their midst.

    So are other signals with a handler in Python, lest what the block writes is cut off.

    Raises:
        KeyboardInterrupt: behind the block, if Ctrl-C came within (or SIGTERM, in a command).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS if callable(signal.getsignal(number))}
    came: list[int] = []
    for number in handlers:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in dict.fromkeys(came):
            handlers[number](number, None)


class InterruptHandler:
    """Ctrl-C and SIGTERM, noted for a while instead of raised; a second one is raised at once.

    As a context it takes them over, if they would be raised otherwise. Whatever came is raised by `raise_if_interrupted`.

    Attributes:
        came: whether one came.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._raised_at_once = False
        self._usual: dict[int, object] = {}
        self._number = signal.SIGINT

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            usual_ones = {signal.SIGINT: signal.default_int_handler} | dict.fromkeys(ENDS, terminate)
            for number, usual in usual_ones.items():
                if signal.getsignal(number) is usual:
                    self._usual[number] = usual
                    signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, usual in self._usual.items():
            signal.signal(number, usual)

    def raise_if_interrupted(self) -> None:
        """Raise if one came.

        Raises:
            KeyboardInterrupt: Ctrl-C came; `Terminated`, SIGTERM.
        """
        if self.interrupted:
            raise Terminated if self._number in ENDS else KeyboardInterrupt

    @contextlib.contextmanager
    def interrupt_immediately(self) -> Iterator[None]:
        """Within the block what comes is raised where it comes, and so is what came before."""
        self._raised_at_once = True
        try:
            self.raise_if_interrupted()
            yield
        finally:
            self._raised_at_once = False

    def _note(self, number: int, _: FrameType | None) -> None:
        again = self.interrupted
        self.interrupted, self._number = True, number
        if again or self._raised_at_once:
            self.raise_if_interrupted()
