"""A function run in a process of its own, which may crash, hang or eat memory: what became of it."""

import dataclasses
import faulthandler
import multiprocessing
import os
import re
import resource
import signal
from collections.abc import Callable
from pathlib import Path

from utils.errors import InputError

MIB = 1 << 20
# Beyond this growth an allocation fails, so that no test takes the machine down.
MOST_ADDRESSES = 6 << 30


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a call ended.

    Attributes:
        kind: "returned", "refused" (an InputError), "raised" (any other), "crashed" or "hung".
        text: what it returned, or the error.
        growth: by how many bytes the memory that it held at once grew (0 where it did not end).
    """

    kind: str
    text: str
    growth: int = 0


def _status(field: str) -> int:
    """A field of /proc/self/status, in bytes."""
    return int(re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)[1]) << 10


def _call(connection, function: Callable, args: tuple) -> None:
    os.setsid()
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + MOST_ADDRESSES,) * 2)
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


def outcome(function: Callable, *args, seconds: float = 120, method: str = "fork") -> Outcome:
    """What becomes of `function(*args)` in a process of its own.

    Args:
        seconds: after which it counts as hung, and is killed.
        method: by which the process begins; "spawn" for libraries with threads that do not survive a fork.
    """
    context = multiprocessing.get_context(method)
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
