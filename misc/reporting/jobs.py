"""Commands of this project run side by side, each with its share of the cores and its output in a file."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from utils.interrupts import defer_signals
from utils.progress import bar

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Job:
    """A command.

    Attributes:
        name: what it is called.
        arguments: the script, relative to the project, and what follows it.
        output: the file that takes what it prints.
    """

    name: str
    arguments: tuple[str, ...]
    output: Path


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def run_jobs(jobs: Sequence[Job], parallel: int) -> list[str]:
    """Run `jobs`, `parallel` at a time, and say which are done; one that fails does not stop the others.

    An interruption is passed on to those that run, and waited for.

    Returns:
        A line for each that failed.
    """
    waiting, running, failures = list(jobs), {}, []
    shown = bar(total=len(jobs))
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                with defer_signals():  # no child that nobody knows
                    job = waiting.pop(0)
                    running[job] = _start(job, max(1, cores() // parallel))
                shown.set_postfix_str(", ".join(job.name for job in running))
            time.sleep(POLL_SECONDS)
            for job, process in list(running.items()):
                if process.poll() is not None:
                    del running[job]
                    shown.update()
                    failures += _failure(job, process.returncode)
                    done = len(jobs) - len(waiting) - len(running)
                    shown.write(f"{done}/{len(jobs)} {job.name}: {'failed' if process.returncode else 'done'}", sys.stdout)
    finally:
        _stop(list(running.values()))
        shown.close()
    return failures


def _start(job: Job, threads: int) -> subprocess.Popen:
    """The process of a job, in a session of its own, so that Ctrl-C at the terminal reaches it through `_stop` alone."""
    job.output.parent.mkdir(parents=True, exist_ok=True)
    script, *arguments = job.arguments
    with job.output.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-u", str(ROOT / script), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={"OMP_NUM_THREADS": str(threads), **os.environ},
            start_new_session=True,
        )


def _stop(processes: Sequence[subprocess.Popen]) -> None:
    """Interrupt processes and wait for their end; a second interruption kills them."""
    try:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            process.wait()
    finally:
        for process in processes:
            process.kill()


def _failure(job: Job, code: int) -> list[str]:
    """One line about a job that failed, with the last of its output; none about one that did not."""
    if not code:
        return []
    lines = job.output.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no output"]
    return [f"{job.name}: exit code {code}, {lines[-1]}; all of it: {job.output}"]
