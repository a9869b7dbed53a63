"""Log lines on the terminal and in `info.log`."""

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
    """A handler for standard output; if it cannot be written, a line on standard error says so and the program continues."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Report a write error once."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        reason = error.strerror or error
        with contextlib.suppress(OSError):
            print(f"warning: standard output: cannot be written ({reason}), no further line is printed", file=sys.stderr)
        with contextlib.suppress(io.UnsupportedOperation):  # discard the rest of the line and all others
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())


class _File(logging.FileHandler):
    """A handler for a file; if it cannot be written, a warning says so and the program continues."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Report a write error once."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)
            return
        self.addFilter(lambda _: False)  # discard all further lines
        reason = error.strerror or error
        logger.warning("%s: cannot be written (%s), no further line is kept", self.baseFilename, reason)

    def close(self) -> None:
        """Close the file, and discard lines that cannot be written."""
        with contextlib.suppress(OSError):
            super().close()


def start_logging(verbosity: int) -> None:
    """Print log lines to standard output and keep them for `log_to`; this replaces an earlier setup.

    Args:
        verbosity: 0 for warnings only, 1 for infos too, 2 for everything.
    """
    terminal = _Terminal(sys.stdout)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    kept = logging.handlers.MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
    logging.basicConfig(level=logging.INFO, handlers=[terminal, kept], force=True)
    logging.getLogger().setLevel(LEVELS[verbosity])
    logging.getLogger("h5py").setLevel(logging.WARNING)  # its debug lines are of no use here
    logging.captureWarnings(True)


def log_to(folder: Path) -> None:
    """Write all log lines since `start_logging`, and all later ones, to `<folder>/info.log` too, with times."""
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
