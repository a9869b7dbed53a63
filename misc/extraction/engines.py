"""Parallel extraction: in processes of this machine, or on Ray, on this machine or a cluster.

An engine yields the result of each video, in any order. A video that kills its process or exceeds the time limit fails
without an effect on the others.
"""

import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Self

import torch
from tqdm import tqdm

from misc.extraction.worker import Description, ExtractionResult, ExtractionTask, Worker
from utils.errors import InputError, one_line
from utils.interrupts import block_signals
from utils.optional_packages import require_package

ROOT = Path(__file__).resolve().parent.parent.parent
DIED = "the process that extracted it died (out of memory, or a crash of a decoder)"
TOO_SLOW = "it took longer than {:g} s (--timeout)"
CONNECT_SECONDS = 10
EXIT_SECONDS = 10  # for idle processes to end
QUEUED = 4  # videos per process that are scheduled ahead


class ProcessEngine:
    """Extraction in `workers` processes of this machine, which end with the context.

    A video fails after `timeout` seconds, see `ExtractionTask.time_limit`.
    """

    def __init__(self, worker: Worker, workers: int, timeout: float):
        self._worker, self._workers, self._timeout = worker, workers, timeout
        self._others = set(multiprocessing.active_children())
        options = {"context": multiprocessing.get_context("spawn"), "initializer": use_thread_locks}
        self._pool = require_package("pebble").ProcessPool(workers, **options)

    def __enter__(self) -> Self:
        # Ctrl-C reaches the processes, too: only this one ends them, or the pool would wait for one that is just starting.
        resource_tracker.ensure_running()  # its start unblocks signals
        try:
            with block_signals():
                self._pool.schedule(str)  # which starts its processes and threads
        except BaseException as error:  # Ctrl-C during the start, for which `with` does not call `__exit__`
            self.__exit__(type(error))
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:  # processes that end by themselves release their semaphores, of which Python would warn
            self._pool.close()
            with contextlib.suppress(TimeoutError):
                self._pool.join(EXIT_SECONDS)
        self._pool.stop()
        if kind is not None:  # the pool ends them one by one: those that are starting would miss its semaphores meanwhile
            for process in set(multiprocessing.active_children()) - self._others:
                process.kill()
        self._pool.join()

    def describe(self) -> Description:
        """Return the description of the experts, which one of the processes loads.

        Raises:
            InputError: an expert or the text encoder cannot be loaded.
        """
        try:
            return self._pool.schedule(self._worker.describe).result()
        except require_package("pebble").ProcessExpired:
            raise InputError("experts: the process that loads them died, perhaps for lack of memory") from None

    def extract(self, tasks: Iterable[ExtractionTask]) -> Iterator[ExtractionResult]:
        """Extract from videos."""
        pebble = require_package("pebble")
        tasks = iter(tasks)
        running: dict[concurrent.futures.Future, ExtractionTask] = {}
        while True:
            for task in itertools.islice(tasks, QUEUED * self._workers - len(running)):
                future = self._pool.schedule(self._worker.extract, args=[task], timeout=task.time_limit(self._timeout))
                running[future] = task
            if not running:
                break
            done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                try:
                    yield future.result()
                except pebble.ProcessExpired:
                    yield ExtractionResult(task, failure=DIED)
                except TimeoutError:
                    yield ExtractionResult(task, failure=TOO_SLOW.format(task.time_limit(self._timeout)))


def use_thread_locks() -> None:
    """Let tqdm, which libraries use, lock threads only.

    Its lock for processes is a semaphore, which a process that the pool ends would leave to Python, with a warning.
    """
    tqdm.set_lock(threading.RLock())


class RayEngine:
    """Extraction with `workers` actors of Ray, on the cluster at `address` (None: on this machine).

    All machines of a cluster need the project, its packages and the videos at the same paths. A video whose actor dies or
    exceeds the time limit is tried again, and so is one that Ray gave to an actor that was about to be restarted.
    """

    def __init__(self, worker: Worker, workers: int, timeout: float, address: str | None = None):
        self._worker, self._workers, self._timeout = worker, workers, timeout
        self._address = address or os.environ.get("RAY_ADDRESS")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: `extract` ends the actors."""

    def describe(self) -> Description:
        """Return the description of the experts, which this process loads; see `ProcessEngine.describe`."""
        threads = torch.get_num_threads()
        description = self._worker.describe()
        torch.set_num_threads(threads)  # this process continues with other work
        return description

    def extract(self, tasks: Iterable[ExtractionTask]) -> Iterator[ExtractionResult]:
        """Extract from videos."""
        ray = require_package("ray", "ray")
        from ray.util import ActorPool

        local_cluster = {} if self._address else {"num_cpus": self._workers, "include_dashboard": False}
        _check_reachable(self._address)
        try:
            options = {"runtime_env": {"env_vars": {"PYTHONPATH": str(ROOT)}}, **local_cluster}
            ray.init(address=self._address, log_to_driver=False, logging_level="ERROR", **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(f"--address {self._address}: {one_line(str(error))[:200]}") from None
        try:
            actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=1)(_RayWorker)
            pool = ActorPool([actor.remote(self._worker, self._timeout) for _ in range(self._workers)])
            waiting = {task.id: task for task in tasks}
            for task in waiting.values():
                pool.submit(lambda actor, task: actor.extract.remote(task), task)
            while pool.has_next():
                try:
                    result = pool.get_next_unordered()
                except ray.exceptions.RayActorError:
                    continue  # its video is still in `waiting`
                del waiting[result.task.id]
                yield result
            for task in waiting.values():
                limit = TOO_SLOW.format(task.time_limit(self._timeout))
                yield ExtractionResult(task, failure=f"{DIED}, or {limit}")
        finally:
            ray.shutdown()


class _RayWorker:
    """An actor of Ray, which ends its process after the time limit: Ray has no time limit for calls."""

    def __init__(self, worker: Worker, timeout: float):
        self._worker, self._timeout = worker, timeout

    def extract(self, task: ExtractionTask) -> ExtractionResult:
        timer = threading.Timer(task.time_limit(self._timeout), os._exit, [1])
        timer.daemon = True
        timer.start()
        try:
            return self._worker.extract(task)
        finally:
            timer.cancel()


def _check_reachable(address: str | None) -> None:
    """Raise an InputError if nothing listens at an address: Ray would try to connect for minutes."""
    if match := re.fullmatch(r"(?:ray://)?(.+):(\d+)", address or ""):
        try:
            socket.create_connection((match[1], int(match[2])), CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise InputError(
                f"--address (or RAY_ADDRESS) {address}: cannot be reached ({error}), expected a cluster of Ray"
            ) from None
