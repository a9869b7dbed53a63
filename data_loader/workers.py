"""Worker processes of a `DataLoader`: their open files, shared memory and termination."""

import io
import logging
import multiprocessing.queues
import multiprocessing.util
import os
import resource
import signal
import sys
import threading
from collections.abc import Mapping
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.profiler import record_function
from torch.utils._pytree import tree_leaves

from utils.errors import NO_ROOM, WITHOUT_WORKERS, InputError
from utils.interrupts import ignore_termination_signals
from utils.jobs import count_cores

PREFETCHED = 2  # batches that torch lets each worker prepare in advance
LOADERS = 3  # of a training: for training, validation and test
# Open files of the main process for each worker of a loader (pipes and locks), and for everything else.
FILES_PER_WORKER, OTHER_FILES = 6, 16
WORKER_FAILED = 70  # the exit code, EX_SOFTWARE of sysexits.h

logger = logging.getLogger(__name__)


def limit_workers(num_workers: int, for_gpu: bool) -> int:
    """Return the number of workers to start: at most one per core that the threads of torch leave free.

    On a CPU these usually leave none. Workers would take time from them; and after workers are started, the system copies
    each page of the model at the next step of the optimizer.
    """
    free = count_cores() if for_gpu else max(0, count_cores() - torch.get_num_threads())
    if num_workers > free:
        logger.debug("%d workers instead of %d: there are no more free cores", free, num_workers)
    return min(num_workers, free)


def require_open_files(num_workers: int, num_tensors: int) -> None:
    """Raise the soft limit of open files to the number that workers need.

    Each tensor of a waiting batch is an open file of both processes. Without enough of them torch prints tracebacks of
    threads and waits forever.

    Raises:
        InputError: the hard limit is too low.
    """
    if not num_workers:
        return
    waiting = (PREFETCHED * num_workers + 2) * num_tensors
    needed = _num_open_files() + OTHER_FILES + LOADERS * num_workers * FILES_PER_WORKER + waiting
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
    return len(list(Path("/dev/fd").iterdir())) if Path("/dev/fd").is_dir() else 0


def initialize_worker(index: int) -> None:
    """Make this worker end when one of its threads fails, so that the main process does not wait for its batch.

    Ctrl-C and SIGTERM are left to the main process, and so is the report: it notices when a worker ends.
    """
    ignore_termination_signals()
    sys.stderr = io.StringIO()
    sys.excepthook = threading.excepthook = _end_worker
    # Called by the thread that sends batches when it cannot send one, which is then lost; documented only in its source.
    multiprocessing.queues.Queue._on_queue_feeder_error = staticmethod(_end_worker)


def _end_worker(*_: object) -> None:
    """End this process from any of its threads."""
    os._exit(WORKER_FAILED)


def worker_context() -> BaseContext:
    """Return a multiprocessing context that kills its processes when this process exits.

    Workers ignore SIGTERM, with which Python would end them before it waits for them: it would wait forever for one that
    hangs.
    """
    # Torch imports a module of its profiler at the first batch, and would log the error of a worker that fails just then as
    # an error of the import.
    with record_function("worker_context"):
        pass

    class WorkerContext(type(multiprocessing.get_context())):
        def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:  # noqa: N802 - the name in `multiprocessing`
            process = super().Process(*args, **kwargs)
            multiprocessing.util.Finalize(None, _kill, args=(process,), exitpriority=0)
            return process

    return WorkerContext()


def _kill(process: BaseProcess) -> None:
    if process.is_alive():
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # torch would raise an error
        process.kill()


def share_memory(batch: Mapping) -> None:
    """Put the tensors of a batch into the memory that a worker shares with the main process.

    Torch does the same later, in a thread of the worker that loses the batch if there is no room: the main process would
    wait for it forever.

    Raises:
        RuntimeError: the shared memory is full.
    """
    try:
        for x in tree_leaves(batch):
            if isinstance(x, Tensor) and x.untyped_storage().nbytes():
                x.share_memory_()
    except RuntimeError as error:
        raise RuntimeError(f"{NO_ROOM} ({error})") from None
