"""Ctrl-C, and other signals that somebody handles, where they can be borne."""

import contextlib
import signal
import threading
from collections.abc import Iterator

# Ctrl-C; the end that `base.distributed` handles; the end of a worker, which torch raises an error for.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Put off an interruption until the block ends: libraries with threads and locks may not survive one in their midst.

    So are other signals with a handler in Python, lest what the block writes is cut off.

    Raises:
        KeyboardInterrupt: behind the block, if Ctrl-C came within.
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
