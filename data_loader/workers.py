"""Processes that read data for another: how many files they need, and how they end."""

import io
import logging
import multiprocessing.queues
import os
import resource
import sys
import threading
from pathlib import Path

from utils.errors import WITHOUT_WORKERS, InputError
from utils.interrupts import ignore_termination_signals

# Batches that torch lets each worker prepare in advance.
PREFETCHED = 2
# Loaders that a training has at a time: to train on, to validate on and to test on.
LOADERS = 3
# Open files of the main process for each worker of a loader (pipes and locks), and for all else that is opened later.
FILES_PER_WORKER, FILES_BESIDE = 6, 16
WORKER_FAILED = 70  # the exit code, EX_SOFTWARE of sysexits.h

logger = logging.getLogger(__name__)


def require_open_files(num_workers: int, num_tensors: int) -> None:
    """Raise the soft limit of open files to what workers need, if it is lower.

    Each tensor of a batch that waits is an open file of both processes. Without enough of them torch prints tracebacks of
    threads and waits for ever.

    Args:
        num_workers: of each loader.
        num_tensors: of a batch.

    Raises:
        InputError: the hard limit is too low.
    """
    if not num_workers:
        return
    waiting = (PREFETCHED * num_workers + 2) * num_tensors
    needed = _num_open_files() + FILES_BESIDE + LOADERS * num_workers * FILES_PER_WORKER + waiting
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise InputError(
            f"data_loader.args.num_workers: {num_workers} workers need about {needed} open files, the limit is {hard}; "
            f"raise the limit (ulimit -n {max(1024, needed)}), {WITHOUT_WORKERS}"
        )
    logger.debug("the limit of open files is raised from %d to %d", soft, needed)
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _num_open_files() -> int:
    """Return the number of files that this process has open."""
    return len(list(Path("/dev/fd").iterdir())) if Path("/dev/fd").is_dir() else 0


def initialize_worker(index: int) -> None:
    """Let this worker end at once when one of its threads fails, so that the main process does not wait for its batch.

    Ctrl-C and SIGTERM are left to the main process, and so is the report: it notices the end of a worker.
    """
    ignore_termination_signals()
    sys.stderr = io.StringIO()
    sys.excepthook = threading.excepthook = _end_worker
    # What the thread that sends batches calls when it cannot send one, which is then lost; documented in its source only.
    multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(_end_worker)


def _end_worker(*_: object) -> None:
    """End this process, whichever thread calls it."""
    os._exit(WORKER_FAILED)
