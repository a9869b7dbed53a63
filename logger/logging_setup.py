"""Log lines to the terminal and to `info.log`."""

import logging
import sys
from pathlib import Path

LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def setup_logging(folder: Path, verbosity: int = 2) -> None:
    """Send log lines to standard output, bare, and to `<folder>/info.log`, with times; replaces an earlier set-up."""
    terminal = logging.StreamHandler(sys.stdout)
    terminal.setFormatter(logging.Formatter("%(message)s"))
    file = logging.FileHandler(folder / "info.log", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[terminal, file], force=True)
    logging.getLogger().setLevel(LEVELS[verbosity])
    logging.captureWarnings(True)
