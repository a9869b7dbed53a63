"""Handling of Ctrl-C, SIGTERM and SIGHUP (the end of a terminal, treated like SIGTERM).

From a signal to the exit of `train.py`:

1. `InterruptHandler` notes the signal while `Trainer.train` runs.
   - In a training step: the step is completed, and with `trainer.accumulate` the others of its group. While the first batch
     of a group is waited for, the wait ends (`iter_until_interrupted`). The partial epoch is saved as `interrupted.pth`.
   - In the evaluation after an epoch: it is raised immediately, and the epoch is saved as `interrupted.pth`, to be resumed
     with its evaluation.
   - While an epoch is reported and saved: this is completed (`defer_signals`), and the next epoch ends before a step.
   - A second signal is raised immediately, also while `interrupted.pth` is written (then it is not kept); while a finished
     epoch is reported and saved, after that. Nothing more is saved.
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
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any, Self

TERMINATION_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
# Signals that may have handlers in Python: Ctrl-C, termination, and the end of a child process (torch's data loader).
DEFERRED_SIGNALS = (signal.SIGINT, *TERMINATION_SIGNALS, signal.SIGCHLD)


class Terminated(KeyboardInterrupt):
    """The exception for termination signals: like the one for Ctrl-C, but with another exit code."""


def raise_terminated(number: int, frame: FrameType | None) -> None:
    """Raise `Terminated`, so that temporary files are deleted and children end; a handler of termination signals."""
    raise Terminated


def _get_handlers(numbers: Iterable[int]) -> dict[int, Any]:
    """Return the handlers of signals by number; none in other threads than the main one, which cannot replace them."""
    is_main = threading.current_thread() is threading.main_thread()
    return {number: signal.getsignal(number) for number in numbers} if is_main else {}


def _set_handlers(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextlib.contextmanager
def sigterm_raised() -> Iterator[None]:
    """Raise `Terminated` on termination signals within the block, if they have the default handler."""
    handlers = {number: x for number, x in _get_handlers(TERMINATION_SIGNALS).items() if x == signal.SIG_DFL}
    _set_handlers(dict.fromkeys(handlers, raise_terminated))
    try:
        yield
    finally:
        _set_handlers(handlers)


def ignore_termination_signals() -> None:
    """Ignore Ctrl-C and termination signals, which reach all processes of a group: the parent ends this process."""
    _set_handlers(dict.fromkeys((signal.SIGINT, *TERMINATION_SIGNALS), signal.SIG_IGN))


@contextlib.contextmanager
def block_signals() -> Iterator[None]:
    """Block Ctrl-C and SIGHUP, which reach all processes of a terminal, in this thread and all that start within the block.

    These keep them blocked, so that only SIGTERM ends them; this thread receives signals after the block. A signal for the
    process is received immediately if another thread does not block it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Defer signals that have handlers in Python to the end of the block.

    The block is for writes that must be complete, and for libraries with threads and locks that an exception may break.
    At its end KeyboardInterrupt is raised if Ctrl-C (or in a command, SIGTERM) was received within, unless an
    `InterruptHandler` records it.
    """
    handlers = {number: x for number, x in _get_handlers(DEFERRED_SIGNALS).items() if callable(x)}
    received: list[int] = []
    _set_handlers(dict.fromkeys(handlers, lambda number, _: received.append(number)))
    try:
        yield
    finally:
        _set_handlers(handlers)
        for number in received:
            handlers[number](number, None)


class InterruptHandler:
    """A context that records Ctrl-C and termination signals instead of raising them; a second one is raised immediately.

    It replaces only the usual handlers, not others. `interrupted` is true once a signal was received.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._immediate = False
        self._number = signal.SIGINT

    def __enter__(self) -> Self:
        usual = {signal.SIGINT: signal.default_int_handler} | dict.fromkeys(TERMINATION_SIGNALS, raise_terminated)
        self._previous = {number: x for number, x in _get_handlers(usual).items() if x is usual[number]}
        _set_handlers(dict.fromkeys(self._previous, self._note))
        return self

    def __exit__(self, *_: object) -> None:
        _set_handlers(self._previous)

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
