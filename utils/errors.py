"""Errors that a user can mend, and how a command reports them."""

import errno
import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence

from utils.interrupts import Terminated, sigterm_raised

# What torch says of a CPU and of a GPU that have no more, and of more than can be counted in bytes.
OUT_OF_MEMORY = ("allocate memory", "out of memory", "Storage size calculation overflowed")
# What a worker that reads data says when it cannot hand a batch over.
NO_ROOM = "no room in the memory that processes share"
TRACEBACK = "\nOriginal Traceback (most recent call last)"
WITHOUT_WORKERS = "or do without workers (data_loader.args.num_workers=0)"


class InputError(Exception):
    """Bad input: one line that says which file, key or item, what was found and what was expected."""


def one_line(text: str) -> str:
    """`text` without line ends, and with nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))


def _message(error: Exception) -> str:
    """Return the message of an error in one line, without the traceback that torch puts into that of a worker."""
    text = str(error)
    if TRACEBACK in text:
        last = text.strip().rpartition("\n")[2]
        text = last.partition(": ")[2] or last
    return one_line(text)


def _worker_reason(error: Exception) -> str | None:
    """Return one line on an error by which torch or Python say what workers lack, or that one has ended; None for others."""
    what, told = one_line(str(error)), _message(error)
    if "Too many open files" in what:
        return f"too many open files; raise the limit (ulimit -n), {WITHOUT_WORKERS}"
    if NO_ROOM in what:
        more = "give it more (docker run --shm-size)"
        return f"/dev/shm: {NO_ROOM}, which workers hand batches over in; {more}, {WITHOUT_WORKERS}"
    if isinstance(error, BlockingIOError) or "start new thread" in what:
        return f"no further process or thread can be started; raise the limit (ulimit -u), {WITHOUT_WORKERS}"
    if "DataLoader worker" in what or "Pin memory thread" in what:
        return f"a process that reads data has ended, perhaps for lack of memory, open files or processes ({told})"
    return None


def _ignore(*_: object) -> None:
    """Take no notice of an error that cannot be raised, as where torch cleans up after workers that it could not start."""


def counts_text(counts: Counter[str]) -> str:
    """Return what was counted as text, the most frequent first, such as "3 .jpg, 1 .srt"."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def count_text(number: int, noun: str) -> str:
    """Return a number and a noun in its singular or plural, such as "1 video" or "2 videos"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def first_names(names: Sequence[str], limit: int = 3) -> str:
    """Return the first of some names as text, such as "'a', 'b', 'c' and 4 more", without what a terminal would obey."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def cli_command(main: Callable[[], None]) -> Callable[[], None]:
    """Make `main` a command: bad input is one line on standard error and exit code 2.

    An interruption is exit code 130, and SIGTERM 143.
    """

    @functools.wraps(main)
    def wrapper() -> None:
        try:
            with sigterm_raised():
                main()
        except InputError as error:
            print(f"error: {_message(error)}", file=sys.stderr)
            sys.exit(2)
        except BrokenPipeError:  # whoever reads the output has read enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes
            sys.exit(141)  # as a shell says of a command that SIGPIPE ended
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.EAGAIN) and not error.filename:
                reason = _worker_reason(error)
                sys.unraisablehook = _ignore
            else:
                reason = f"{one_line(str(error.filename or 'file system'))}: {error.strerror or _message(error)}"
            print(f"error: {reason}", file=sys.stderr)
            sys.exit(2)
        except (MemoryError, RuntimeError) as error:
            if reason := _worker_reason(error):
                sys.unraisablehook = _ignore
            elif isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
                reason = f"not enough memory ({_message(error)})"
            else:
                raise
            print(f"error: {reason}", file=sys.stderr)
            sys.exit(2)
        except Terminated:
            print("terminated", file=sys.stderr)
            sys.exit(143)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    return wrapper
