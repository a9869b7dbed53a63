"""Parallel extraction: in processes of this machine, or on Ray, on this machine or a cluster.

An engine yields the result of each video, in any order. A video that kills its process or exceeds the time limit fails
without an effect on the others.
"""

import concurrent.futures
import itertools
import multiprocessing
import os
import re
import socket
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from misc.extraction.worker import ExtractionResult, ExtractionTask, Worker
from utils.errors import InputError, one_line
from utils.interrupts import ignore_termination_signals
from utils.optional_packages import require_package

ROOT = Path(__file__).resolve().parent.parent.parent
DIED = "the process that extracted it died (out of memory, or a crash of a decoder)"
TOO_SLOW = "it took longer than {:g} s (--timeout)"
CONNECT_SECONDS = 10
QUEUED = 4  # videos per process that are scheduled ahead


def run_in_processes(
    worker: Worker, tasks: Iterable[ExtractionTask], workers: int, timeout: float
) -> Iterator[ExtractionResult]:
    """Extract from videos in `workers` processes of this machine, within `timeout`, see `ExtractionTask.time_limit`."""
    pebble = require_package("pebble")
    tasks = iter(tasks)
    context = multiprocessing.get_context("spawn")
    pool = pebble.ProcessPool(workers, initializer=ignore_termination_signals, context=context)
    try:
        running: dict[concurrent.futures.Future, ExtractionTask] = {}
        while True:
            for task in itertools.islice(tasks, QUEUED * workers - len(running)):
                running[pool.schedule(worker.extract, args=[task], timeout=task.time_limit(timeout))] = task
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
                    yield ExtractionResult(task, failure=TOO_SLOW.format(task.time_limit(timeout)))
    finally:
        pool.stop()
        pool.join()


def run_on_ray(
    worker: Worker, tasks: Iterable[ExtractionTask], workers: int, timeout: float, address: str | None = None
) -> Iterator[ExtractionResult]:
    """Extract from videos with `workers` actors of Ray, on the cluster at `address` (None: on this machine).

    All machines of a cluster need the project, its packages and the videos at the same paths. A video whose actor dies or
    exceeds the time limit is tried again, and so is one that Ray gave to an actor that was about to be restarted.
    """
    ray = require_package("ray", "ray")
    from ray.util import ActorPool

    address = address or os.environ.get("RAY_ADDRESS")
    local_cluster = {} if address else {"num_cpus": workers, "include_dashboard": False}
    _check_reachable(address)
    try:
        environment = {"env_vars": {"PYTHONPATH": str(ROOT)}}
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", runtime_env=environment, **local_cluster)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"--address {address}: {one_line(str(error))[:200]}") from None
    try:
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=1)(_RayWorker)
        pool = ActorPool([actor.remote(worker, timeout) for _ in range(workers)])
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
            yield ExtractionResult(task, failure=f"{DIED}, or {TOO_SLOW.format(task.time_limit(timeout))}")
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
