"""Processes of `misc/search.py` that wait for another one."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

from helpers.paths import ROOT

RESUME = ["--resume", "model.pth", "--name", "Toy"]
INDEX = Path("data/Toy/index")


@contextlib.contextmanager
def started(*arguments):
    """Yield a process of the command once it waits, and the lines that it logged until then."""
    sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, ROOT / "misc" / "search.py", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, preexec_fn=sigint, env=environment) as process:
        try:
            yield process, list(iter(functools.partial(line_before_waiting, process), None))
        finally:
            process.kill()


def line_before_waiting(process):
    line = process.stderr.readline()
    assert line, "it has ended"
    return None if "waits for another process" in line else line
