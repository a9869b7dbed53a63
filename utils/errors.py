"""Errors that a user can fix, and how a command reports them."""

import argparse
import errno
import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NoReturn

from utils.interrupts import Terminated, sigterm_raised

# Parts of torch's messages about too little memory on a CPU or a GPU, and about sizes that overflow.
OUT_OF_MEMORY = ("allocate memory", "out of memory", "Storage size calculation overflowed")
# Part of the message of a data loading worker that cannot pass on a batch.
NO_ROOM = "no room in the memory that processes share"
TRACEBACK = "\nOriginal Traceback (most recent call last)"
WITHOUT_WORKERS = "or use no workers (data_loader.args.num_workers=0)"


class InputError(Exception):
    """Invalid input: one line with the file, key or item, what was found and what was expected."""


def one_line(text: str) -> str:
    """Return `text` as one line of printable characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))


class CommandParser(argparse.ArgumentParser):
    """The parser of the arguments of a command, whose errors are one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        """Print the message as one line and exit."""
        self.exit(2, f"{self.prog}: error: {one_line(message)} (see --help)\n")


def _message(error: Exception) -> str:
    """Return the message of an error as one line, without the traceback that torch adds to the error of a worker."""
    text = str(error)
    if TRACEBACK in text:
        last = text.strip().rpartition("\n")[2]
        text = last.partition(": ")[2] or last
    return one_line(text)


def _worker_reason(error: Exception) -> str | None:
    """Return one line about an error of data loading workers, or None for other errors."""
    text = one_line(str(error))
    if "Too many open files" in text:
        return f"too many open files; raise the limit (ulimit -n), {WITHOUT_WORKERS}"
    if NO_ROOM in text:
        more = "make it larger (docker run --shm-size)"
        return f"/dev/shm: {NO_ROOM}, in which workers pass on batches; {more}, {WITHOUT_WORKERS}"
    if isinstance(error, BlockingIOError) or "start new thread" in text:
        return f"no further process or thread can be started; raise the limit (ulimit -u), {WITHOUT_WORKERS}"
    if "DataLoader worker" in text or "Pin memory thread" in text:
        return f"a data loading worker has ended, perhaps for lack of memory, open files or processes ({_message(error)})"
    return None


def _describe(error: Exception) -> str | None:
    """Return one line about an error that a user can fix, or None for a bug."""
    if isinstance(error, InputError):
        return _message(error)
    if isinstance(error, OSError) and (error.filename or error.errno not in (errno.EMFILE, errno.EAGAIN)):
        return f"{one_line(str(error.filename or 'file system'))}: {error.strerror or _message(error)}"
    if reason := _worker_reason(error):
        sys.unraisablehook = lambda *_: None  # destructors of workers that could not be started raise errors
        return reason
    if isinstance(error, MemoryError) or any(words in str(error) for words in OUT_OF_MEMORY):
        return f"not enough memory ({_message(error)})"
    return None


def tally_text(counts: Counter[str]) -> str:
    """Return counts as text, the highest first, such as "3 .jpg, 1 .srt"."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def count_text(number: int, noun: str) -> str:
    """Return a number and a noun in its singular or plural, such as "1 video" or "2 videos"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def first_names(names: Sequence[str], limit: int = 3) -> str:
    """Return the first of some names as printable text, such as "'a', 'b', 'c' and 4 more"."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def cli_command(main: Callable[[], None]) -> Callable[[], None]:
    """Decorate the main function of a command: errors are a line and exit code 2, Ctrl-C is 130, SIGTERM and SIGHUP 143."""

    @functools.wraps(main)
    def wrapper() -> None:
        try:
            with sigterm_raised():
                main()
        except BrokenPipeError:  # the reader of the output has closed it, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python would fail again when it flushes
            sys.exit(141)  # the exit code of SIGPIPE in a shell
        except (InputError, OSError, MemoryError, RuntimeError) as error:
            if (reason := _describe(error)) is None:
                raise
            print(f"error: {reason}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt as error:
            word, code = ("terminated", 143) if isinstance(error, Terminated) else ("interrupted", 130)
            print(word, file=sys.stderr)
            sys.exit(code)

    return wrapper
