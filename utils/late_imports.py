"""The imports of a command, during which Ctrl-C ends the process with one line and exit code 130.

A command imports this module first. It parses its arguments with light modules only; torch and others that take long to
import follow within `late_imports`, when the arguments are valid.
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
