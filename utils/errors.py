"""Errors that a user can mend, and how a command reports them."""

import functools
import sys
from collections.abc import Callable

# What torch says of a CPU and of a GPU that have no more, and of more than can be counted in bytes.
OUT_OF_MEMORY = ("allocate memory", "out of memory", "Storage size calculation overflowed")


class InputError(Exception):
    """Bad input: one line that says which file, key or item, what was found and what was expected."""


def one_line(text: str) -> str:
    """`text` without line ends, and with nothing that a terminal would obey."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in " ".join(text.split()))


def command(main: Callable[[], None]) -> Callable[[], None]:
    """Make `main` a command: bad input is one line on standard error and exit code 2, an interruption exit code 130."""

    @functools.wraps(main)
    def wrapper() -> None:
        try:
            main()
        except InputError as error:
            print(f"error: {one_line(str(error))}", file=sys.stderr)
            sys.exit(2)
        except OSError as error:
            print(f"error: {one_line(str(error.filename or 'file system'))}: {error.strerror or error}", file=sys.stderr)
            sys.exit(2)
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and not any(words in str(error) for words in OUT_OF_MEMORY):
                raise
            print(f"error: not enough memory ({one_line(str(error))})", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    return wrapper
