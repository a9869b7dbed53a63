"""Trainings that are killed, in processes of their own that need not import everything again.

A program, started by `test_kills.py`. Each line of its standard input is a JSON list: the folder to work in, the arguments
of `train.py`, the file that takes what it prints, and when it is to be killed: {"seconds": s, "signal": n}, or
{"event": n}, or null. An event is the end of a write to a file before it is on the disk (then only half of it is there), or
its taking the place of another. For each line it prints how the process ended and how many events there were.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch

import train


def watch_files(fatal: int | None, counter: int) -> None:
    """Count the events of this process, a byte each to the file `counter`, and die with the event number `fatal`."""
    fsync, replace = os.fsync, os.replace
    seen = 0

    def event() -> bool:
        nonlocal seen
        seen += 1
        os.write(counter, b".")
        return seen - 1 == fatal

    def half_written(descriptor: int) -> None:
        if event():
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    def replaced(*paths: Path) -> None:
        replace(*paths)
        if event():
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync, os.replace = half_written, replaced


def run(arguments: list[str], output: str, fatal: int | None, counter: int) -> None:
    """Be `train.py`: no return."""
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    watch_files(fatal, counter)
    torch.set_num_threads(1)
    sys.argv = ["train.py", *arguments]
    code = 0
    try:
        train.main()
    except SystemExit as stop:
        code = stop.code or 0
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    """Serve."""
    for line in sys.stdin:
        folder, arguments, output, death = json.loads(line)
        events, counter = os.pipe()
        child = os.fork()
        if not child:
            os.close(events)
            os.chdir(folder)
            run(arguments, output, death and death.get("event"), counter)
        os.close(counter)
        if death and "seconds" in death:
            time.sleep(death["seconds"])
            os.kill(child, death["signal"])
        _, status, _ = os.wait4(child, 0)
        with os.fdopen(events, "rb") as pipe:
            number = len(pipe.read())
        print(json.dumps([os.waitstatus_to_exitcode(status), number]), flush=True)


if __name__ == "__main__":
    main()
