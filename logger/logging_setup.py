"""Log lines to the terminal and to `info.log`."""

import contextlib
import io
import logging
import logging.handlers
import os
import sys
from pathlib import Path

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)

logger = logging.getLogger(__name__)


class _Terminal(logging.StreamHandler):
    """Log lines to standard output; where that takes no more a line on standard error says so, and nothing ends for it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say so once."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        reason = error.strerror or error
        with contextlib.suppress(OSError):
            print(f"warning: standard output: cannot be written ({reason}), no further line is printed", file=sys.stderr)
        with contextlib.suppress(io.UnsupportedOperation):  # what is left of the line has to go somewhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


class _File(logging.FileHandler):
    """Log lines to a file; where that takes no more a warning says so, and nothing ends for it."""

    full = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Say so once."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.full:
            self.full = True
            reason = error.strerror or error
            logger.warning("%s: cannot be written (%s), no further line is kept", self.baseFilename, reason)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, unless one before could not be written."""
        if not self.full:
            super().emit(record)

    def close(self) -> None:
        """Close the file, and leave what it did not take."""
        with contextlib.suppress(OSError):
            super().close()


def start_logging(verbosity: int = 2) -> None:
    """Send log lines to standard output, bare, and keep them for `log_to`; replaces an earlier set-up."""
    terminal = _Terminal(sys.stdout)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    kept = logging.handlers.MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
    logging.basicConfig(level=logging.INFO, handlers=[terminal, kept], force=True)
    logging.getLogger().setLevel(LEVELS[verbosity])
    logging.getLogger("h5py").setLevel(logging.WARNING)  # its debug lines are of no use to anybody here
    logging.captureWarnings(True)


def log_to(folder: Path) -> None:
    """Send all log lines since `start_logging`, and those to come, to `<folder>/info.log` too, with times."""
    file = _File(folder / "info.log", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, logging.handlers.MemoryHandler):
            handler.setTarget(file)
            handler.flush()
            root.removeHandler(handler)
            handler.close()
    root.addHandler(file)
