"""Log lines to the terminal and to `info.log`."""

import logging
import logging.handlers
import sys
from pathlib import Path

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def start_logging(verbosity: int = 2) -> None:
    """Send log lines to standard output, bare, and keep them for `log_to`; replaces an earlier set-up."""
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    kept = logging.handlers.MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1, flushOnClose=False)
    logging.basicConfig(level=logging.INFO, handlers=[terminal, kept], force=True)
    logging.getLogger().setLevel(LEVELS[verbosity])
    logging.getLogger("h5py").setLevel(logging.WARNING)  # its debug lines are of no use to anybody here
    logging.captureWarnings(True)


def log_to(folder: Path) -> None:
    """Send all log lines since `start_logging`, and those to come, to `<folder>/info.log` too, with times."""
    file = logging.FileHandler(folder / "info.log", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if isinstance(handler, logging.handlers.MemoryHandler):
            handler.setTarget(file)
            handler.flush()
            root.removeHandler(handler)
            handler.close()
    root.addHandler(file)
