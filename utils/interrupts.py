"""Handling of Ctrl-C, SIGTERM and SIGHUP (the end of a terminal, treated like SIGTERM).

From a signal to the exit of `train.py`:

1. `InterruptHandler` notes the signal while `Trainer.train` runs.
   - In a training step: the step is completed, and with `trainer.accumulate` the others of its group. While the first batch
     of a group is waited for, the wait ends (`iter_until_interrupted`). The partial epoch is saved as `interrupted.pth`.
   - In the evaluation after an epoch: it is raised immediately, and the epoch is saved as `interrupted.pth`, to be resumed
     with its evaluation.
   - While an epoch is reported and saved: this is completed (`defer_signals`), and the next epoch ends before a step.
   - A second signal is raised immediately (while an epoch is saved, after that), and nothing more is saved.
2. `Trainer.train` logs the command that resumes from the last checkpoint; with `--seeds`, `train_seeds` prints its own too.
3. `cli_command` prints "interrupted" and exits with code 130; for SIGTERM and SIGHUP, "terminated" and 143.

Before the first epoch, in the final test, and in all other commands but the search server, a signal is raised immediately
(`sigterm_raised`), and only step 3 follows. A training that is interrupted in its final test is complete; `--resume auto`
repeats the test.

With several processes there is no `InterruptHandler`, since they could not agree on a step to stop at: Ctrl-C is raised
immediately in each, then steps 2 and 3 follow; SIGTERM ends a process immediately (`trainer.distributed`).
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Self

TERMINATION_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
# Signals that may have handlers in Python: Ctrl-C, termination, and the end of a child process (torch's data loader).
DEFERRED_SIGNALS = (signal.SIGINT, *TERMINATION_SIGNALS, signal.SIGCHLD)


class Terminated(KeyboardInterrupt):
    """The exception for termination signals: like the one for Ctrl-C, but with another exit code."""


def raise_terminated(number: int, frame: FrameType | None) -> None:
    """Raise `Terminated`, so that temporary files are deleted and children end; a handler of termination signals."""
    raise Terminated


@contextlib.contextmanager
def sigterm_raised() -> Iterator[None]:
    """Raise `Terminated` on termination signals within the block, if they have the default handler."""
    default, numbers = signal.SIG_DFL, []
    if threading.current_thread() is threading.main_thread():
        numbers = [number for number in TERMINATION_SIGNALS if signal.getsignal(number) == default]
    for number in numbers:
        signal.signal(number, raise_terminated)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, default)


def ignore_termination_signals(*_: object) -> None:
    """Ignore Ctrl-C and termination signals, which reach all processes of a group: the parent ends this process."""
    for number in (signal.SIGINT, *TERMINATION_SIGNALS):
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Defer signals that have handlers in Python to the end of the block.

    The block is for writes that must be complete, and for libraries with threads and locks that an exception may break.

    Raises:
        KeyboardInterrupt: at the end of the block, if Ctrl-C (or in a command, SIGTERM) was received within, unless an
            `InterruptHandler` records it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.getsignal(number) for number in DEFERRED_SIGNALS if callable(signal.getsignal(number))}
    received: list[int] = []
    for number in handlers:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in received:
            handlers[number](number, None)


class InterruptHandler:
    """A context that records Ctrl-C and termination signals instead of raising them; a second one is raised immediately.

    It replaces only the usual handlers, not others. `raise_if_interrupted` raises the recorded signal.

    Attributes:
        interrupted: True if a signal was received.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._immediate = False
        self._previous: dict[int, object] = {}
        self._number = signal.SIGINT

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handlers = {signal.SIGINT: signal.default_int_handler} | dict.fromkeys(TERMINATION_SIGNALS, raise_terminated)
            for number, handler in handlers.items():
                if signal.getsignal(number) is handler:
                    self._previous[number] = handler
                    signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def raise_if_interrupted(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was recorded, `Terminated` if a termination signal was."""
        if self.interrupted:
            raise Terminated if self._number in TERMINATION_SIGNALS else KeyboardInterrupt

    @contextlib.contextmanager
    def interrupt_immediately(self) -> Iterator[None]:
        """Raise signals within the block as soon as they are received, and one that was recorded earlier at its start."""
        self._immediate = True
        try:
            self.raise_if_interrupted()
            yield
        finally:
            self._immediate = False

    def _note(self, number: int, _: FrameType | None) -> None:
        is_second = self.interrupted
        self.interrupted, self._number = True, number
        if is_second or self._immediate:
            self.raise_if_interrupted()
