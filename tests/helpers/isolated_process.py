"""Run a function in another process, which may crash, hang or fill its memory, and report how it ended."""

import dataclasses
import faulthandler
import multiprocessing
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from helpers.paths import ROOT

from utils.errors import InputError

MIB = 1 << 20
# Beyond this growth an allocation fails, so that no test takes the machine down.
MAX_ADDRESSES = 6 << 30
# Imported once, by the server that forks the processes. It has no threads: a fork of the tests' own process would lose those
# that it has, with the locks that they hold.
PRELOADED = ["torch", "h5py", "trainer.training", "helpers.readers"]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The end of a call.

    Attributes:
        kind: "returned", "refused" (an InputError), "raised" (any other), "crashed" or "hung".
        text: the value that it returned, or the error.
        growth: growth of its peak memory in bytes (0 if it did not end).
    """

    kind: str
    text: str
    growth: int = 0


def _status(field: str) -> int:
    """Return a field of /proc/self/status, in bytes."""
    return int(re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)[1]) << 10


def _call(connection, function: Callable, args: tuple) -> None:
    os.setsid()
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + MAX_ADDRESSES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    try:
        kind, text = "returned", repr(function(*args))[:200]
    except InputError as error:
        kind, text = "refused", str(error)
    except BaseException as error:
        kind, text = "raised", f"{type(error).__name__}: {error}"[:2000]
    connection.send(Outcome(kind, text, max(0, _status("VmHWM") - before)))
    connection.close()
    os._exit(0)


def outcome(function: Callable, *args, seconds: float = 120, method: str = "forkserver") -> Outcome:
    """Return how `function(*args)` ends in another process.

    Args:
        function: a function at the top level of a module.
        seconds: time after which the call counts as hung and is killed.
        method: start method of the process; "spawn" for libraries with threads that do not survive a fork.
    """
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(PRELOADED)
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_call, args=(theirs, function, args))
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            return Outcome("hung", f"after {seconds} s")
        found = ours.recv()
    except EOFError:
        process.join()
        return Outcome("crashed", signal.Signals(-process.exitcode).name if process.exitcode < 0 else str(process.exitcode))
    finally:
        if process.is_alive():
            process.join(5)
            process.kill()
        process.join()
        process.close()
        ours.close()
    return found


def run_program(text: str) -> subprocess.CompletedProcess:
    """Run a program of its own, which has to end within a minute."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", text]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
