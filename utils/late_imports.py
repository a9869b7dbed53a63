"""The imports of a command, during which Ctrl-C ends the process with one line and exit code 130.

A command imports this module first. It parses its arguments with light modules only; torch and others that take long to
import follow within `late_imports`, when the arguments are valid.

It also chooses how long the threads of OpenMP, with which torch computes, wait in a loop before they sleep. By itself the
library waits so long that a training beside other processes hardly gets on.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType

INTERRUPTED = "interrupted"
EXIT_CODE = 130
WAIT_VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")  # of the environment: one of them replaces the default
SPIN_COUNT = "10000"  # rounds of the loop, by `misc/benchmark.py --busy`; 300000 in the library


def _report_interrupt(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    """Report an exception that nothing caught; a KeyboardInterrupt, at the imports of a command, as `cli_command` does."""
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
        return
    print(INTERRUPTED, file=sys.stderr)
    sys.exit(EXIT_CODE)


def _exit_on_interrupt(_: int, __: FrameType | None) -> None:
    os.write(sys.__stderr__.fileno(), f"{INTERRUPTED}\n".encode())
    os._exit(EXIT_CODE)


@contextlib.contextmanager
def late_imports() -> Iterator[None]:
    """Exit immediately on Ctrl-C within the block, which imports modules.

    An exception would be lost in a callback of the import system, or converted by a package that handles failed imports.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _exit_on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


sys.excepthook = _report_interrupt
if not any(name in os.environ for name in WAIT_VARIABLES):  # read when torch is imported
    os.environ["GOMP_SPINCOUNT"] = SPIN_COUNT
