"""`train.py` or `test.py` (COMMAND) that lacks a resource, by environment FAULT.

"files": no more files can be opened after the check at the start; "processes": none can be started; "threads": none that
sends work to a worker can be started; "killed": a worker is killed while it reads.
"""

import importlib
import multiprocessing
import os
import resource
import signal
import threading

from data_loader import data_loaders


def fail_to_fork():
    """Fail as Linux does at the limit of processes."""
    raise BlockingIOError(11, "Resource temporarily unavailable")


def fail_to_start(self, original=threading.Thread.start):
    """Fail as Python does at the limit of threads, once there is a worker."""
    if self.name == "QueueFeederThread" and multiprocessing.active_children():
        raise RuntimeError("can't start new thread")
    original(self)


def kill_worker(self, key):
    """Kill this process, a worker, as the system does when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    fault = os.environ["FAULT"]
    if fault == "files":
        data_loaders.require_open_files = lambda *_, **__: None
        limit = {"train": 44, "test": 30}[os.environ["COMMAND"]]  # so that a thread of a worker or of the main process fails
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    elif fault == "processes":
        os.fork = fail_to_fork
    elif fault == "threads":
        threading.Thread.start = fail_to_start
    else:
        data_loaders.ExpertDataset.__getitem__ = kill_worker
    importlib.import_module(os.environ["COMMAND"]).main()
