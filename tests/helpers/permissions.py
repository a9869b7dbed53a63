"""Permissions of files that apply to root, too."""

import contextlib
import ctypes

PRCTL = ctypes.CDLL(None).prctl
PR_CAPBSET_DROP, OVERRIDES = 24, (1, 2)  # capabilities to write and to read whatever permissions say


def drop_root_overrides():
    """Make permissions apply to the programs that this process executes; only root is an exception otherwise."""
    for capability in OVERRIDES:
        PRCTL(PR_CAPBSET_DROP, capability, 0, 0, 0)


@contextlib.contextmanager
def read_only(folder):
    """Make nothing below `folder` writable."""
    parts = [folder, *folder.rglob("*")]
    for part in parts:
        part.chmod(part.stat().st_mode & ~0o222)
    try:
        yield
    finally:
        for part in parts:
            if part.exists():
                part.chmod(part.stat().st_mode | 0o200)
