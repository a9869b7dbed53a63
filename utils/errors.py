"""Errors that a user can mend, and how a command reports them."""

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


class InputError(Exception):
    """Bad input: one line that says which file, key or item, what was found and what was expected."""


def one_line(text: str) -> str:
    """`text` without line ends, and with nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))


def counts_text(counts: Counter[str]) -> str:
    """Return what was counted as text, the most frequent first, such as "3 .jpg, 1 .srt"."""
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def first_names(names: Sequence[str], limit: int = 3) -> str:
    """Return the first of some names as text, such as "'a', 'b', 'c' and 4 more", without what a terminal would obey."""
    shown = ", ".join(repr(name) for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def command(main: Callable[[], None]) -> Callable[[], None]:
    """Make `main` a command: bad input is one line on standard error and exit code 2.

    An interruption is exit code 130, and SIGTERM 143.
    """

    @functools.wraps(main)
    def wrapper() -> None:
        try:
            with sigterm_raised():
                main()
        except InputError as error:
            print(f"error: {one_line(str(error))}", file=sys.stderr)
            sys.exit(2)
        except BrokenPipeError:  # whoever reads the output has read enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes
            sys.exit(141)  # as a shell says of a command that SIGPIPE ended
        except OSError as error:
            print(f"error: {one_line(str(error.filename or 'file system'))}: {error.strerror or error}", file=sys.stderr)
            sys.exit(2)
        except (MemoryError, RuntimeError) as error:
            what = one_line(str(error))
            if NO_ROOM in what:
                print(
                    f"error: /dev/shm: {NO_ROOM}, which workers hand batches over in; give it more (docker run --shm-size), "
                    "or do without workers (data_loader.args.num_workers=0)",
                    file=sys.stderr,
                )
            elif "DataLoader worker" in what:
                print(f"error: a process that reads data has ended, perhaps for lack of memory ({what})", file=sys.stderr)
            elif isinstance(error, MemoryError) or any(words in what for words in OUT_OF_MEMORY):
                print(f"error: not enough memory ({what})", file=sys.stderr)
            else:
                raise
            sys.exit(2)
        except Terminated:
            print("terminated", file=sys.stderr)
            sys.exit(143)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    return wrapper
