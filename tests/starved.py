"""`train.py` or `test.py` (COMMAND), in which something is used up or ends, by environment FAULT.

"files": open files, beyond what is checked at the start; "processes": none can be started; "threads": none that hands
work to a worker; "killed": a worker is killed while it reads.
"""

import importlib
import multiprocessing
import os
import resource
import signal
import threading

from data_loader import data_loaders


def fail_to_fork():
    """Fail as Linux does at a limit of processes."""
    raise BlockingIOError(11, "Resource temporarily unavailable")


def fail_to_start(self, original=threading.Thread.start):
    """Fail as Python does at a limit of threads, when a worker is there already."""
    if self.name == "QueueFeederThread" and multiprocessing.active_children():
        raise RuntimeError("can't start new thread")
    original(self)


def kill_worker(self, key):
    """End this process, which is a worker, as the system does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    fault = os.environ["FAULT"]
    if fault == "files":
        data_loaders.require_open_files = lambda *_, **__: None
        limit = {"train": 44, "test": 30}[os.environ["COMMAND"]]  # threads of workers or of the main process fail then
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    elif fault == "processes":
        os.fork = fail_to_fork
    elif fault == "threads":
        threading.Thread.start = fail_to_start
    else:
        data_loaders.ExpertDataset.__getitem__ = kill_worker
    importlib.import_module(os.environ["COMMAND"]).main()
