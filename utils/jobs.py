"""Parallel runs of commands of this project, each with its share of the cores and its output in a file."""

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

ROOT = Path(__file__).resolve().parents[1]
POLL_SECONDS = 0.1


@dataclasses.dataclass(frozen=True)
class Job:
    """A command of this project, run in a process of its own."""

    name: str  # in messages
    arguments: tuple[str, ...]  # the path of the script, relative to the project, and its arguments
    output: Path  # the file to which standard output and standard error are written


def count_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_jobs(jobs: Sequence[Job], parallel: int) -> list[str]:
    """Run `jobs`, `parallel` at a time, print a line when one ends, and return a line for each failure.

    A failure does not stop the other jobs. An interruption is passed on to the running jobs, and raised when they have
    ended.
    """
    waiting, running, failures = list(jobs), {}, []
    progress = bar(total=len(jobs))
    try:
        while waiting or running:
            while waiting and len(running) < parallel:
                with defer_signals():  # otherwise a process could be started without being in `running`
                    job = waiting.pop(0)
                    running[job] = _start(job, max(1, count_cores() // parallel))
                progress.set_postfix_str(", ".join(job.name for job in running))
            time.sleep(POLL_SECONDS)
            for job in [job for job, process in running.items() if process.poll() is not None]:
                code = running.pop(job).returncode
                progress.update()
                if code:
                    lines = job.output.read_text(encoding="utf-8", errors="replace").strip().splitlines() or ["no output"]
                    failures.append(f"{job.name}: exit code {code}, {lines[-1]}; all of it: {job.output}")
                num_done = len(jobs) - len(waiting) - len(running)
                progress.write(f"{num_done}/{len(jobs)} {job.name}: {'failed' if code else 'done'}", sys.stdout)
    finally:
        _stop(list(running.values()))
        progress.close()
    return failures


def exit_with_failures(failures: Sequence[str], consequence: str) -> None:
    """Print a line for each failure and what follows from them, and exit with code 1; do nothing without failures."""
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    if failures:
        print(consequence)
        sys.exit(1)


def _start(job: Job, threads: int) -> subprocess.Popen:
    """Start a job in a new session, so that Ctrl-C in the terminal reaches it only through `_stop`."""
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
