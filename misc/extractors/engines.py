"""Many videos at once: in several processes of this machine, or on Ray, here or on a cluster."""

import concurrent.futures
import itertools
import multiprocessing
import os
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from misc.extractors.text import import_or_explain
from misc.extractors.work import Outcome, Task, Work
from utils.errors import InputError, one_line
from utils.interrupts import ignore_termination_signals

ROOT = Path(__file__).resolve().parent.parent.parent
DIED = "the process that looked at it died (out of memory, or a fault in a decoder)"
CONNECT_SECONDS = 10
AHEAD = 4  # videos a process that are given out before they are asked for

# Gives what came of each video, in any order. A video that kills its process or takes too long fails alone.
Engine = Callable[[Work, Iterable[Task], int, float], Iterator[Outcome]]


def in_processes(work: Work, tasks: Iterable[Task], workers: int, timeout: float) -> Iterator[Outcome]:
    """Look at videos in `workers` processes of this machine, `timeout` seconds at most at each."""
    pebble = import_or_explain("pebble")
    tasks = iter(tasks)
    context = multiprocessing.get_context("spawn")
    pool = pebble.ProcessPool(workers, initializer=ignore_termination_signals, context=context)
    try:
        running: dict[concurrent.futures.Future, Task] = {}
        while True:
            for task in itertools.islice(tasks, AHEAD * workers - len(running)):
                running[pool.schedule(work.look, args=[task], timeout=timeout)] = task
            if not running:
                break
            done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                try:
                    yield future.result()
                except pebble.ProcessExpired:
                    yield Outcome(task, failure=DIED)
                except TimeoutError:
                    yield Outcome(task, failure=_too_long(timeout))
    finally:
        pool.stop()
        pool.join()


def on_ray(work: Work, tasks: Iterable[Task], workers: int, timeout: float, address: str | None = None) -> Iterator[Outcome]:
    """Look at videos with `workers` actors of Ray, which gives them out; `address` is that of a cluster.

    All machines of a cluster need the project, its packages and the videos at the same places. A video whose actor dies or
    takes too long gets a second chance, and so does one that Ray gave to an actor that was just about to be started again.
    """
    ray = import_or_explain("ray", "ray")
    from ray.util import ActorPool

    address = address or os.environ.get("RAY_ADDRESS")
    here = {} if address else {"num_cpus": workers, "include_dashboard": False}  # of a cluster that is started
    _refuse_unreachable(address)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}},
            **here,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"--address {address}: {one_line(str(error))[:200]}") from None
    try:
        actor = ray.remote(num_cpus=1, max_restarts=-1, max_task_retries=1)(_Looking)
        pool = ActorPool([actor.remote(work, timeout) for _ in range(workers)])
        waiting = {task.id: task for task in tasks}
        for task in waiting.values():
            pool.submit(lambda actor, task: actor.look.remote(task), task)
        while pool.has_next():
            try:
                outcome = pool.get_next_unordered()
            except ray.exceptions.RayActorError:
                continue  # whose it was is told in the end
            del waiting[outcome.task.id]
            yield outcome
        for task in waiting.values():
            yield Outcome(task, failure=f"{DIED}, or {_too_long(timeout)}")
    finally:
        ray.shutdown()


ENGINES: dict[str, Engine] = {"local": in_processes, "ray": on_ray}


class _Looking:
    """An actor of Ray. Ray knows no time limit for a call: one that takes longer ends the process."""

    def __init__(self, work: Work, timeout: float):
        self._work, self._timeout = work, timeout

    def look(self, task: Task) -> Outcome:
        watch = threading.Timer(self._timeout, os._exit, [1])
        watch.daemon = True
        watch.start()
        try:
            return self._work.look(task)
        finally:
            watch.cancel()


def _refuse_unreachable(address: str | None) -> None:
    """Refuse an address where nobody listens: Ray would try for minutes.

    Raises:
        InputError: nobody does.
    """
    found = re.fullmatch(r"(?:ray://)?(.+):(\d+)", address or "")
    if found:
        try:
            socket.create_connection((found[1], int(found[2])), CONNECT_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise InputError(
                f"--address (or RAY_ADDRESS) {address}: cannot be reached ({error}), expected a cluster of Ray"
            ) from None


def _too_long(timeout: float) -> str:
    return f"it took longer than {timeout:g} s (--timeout)"
