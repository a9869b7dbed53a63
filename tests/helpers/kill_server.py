"""A program that runs and kills trainings in forked processes, which need not import everything again.

It is started by `test_kills.py`. Each line of its standard input is a JSON list: the working directory, the arguments of
`train.py`, a file for its output, and when it is killed: {"seconds": s, "signal": n}, {"event": n} or null (never). An event
is the end of a write before it has reached the disk (half of the file is lost then), or the renaming of a file. For each
line, the program prints the exit code of the training and the number of events.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch

import train


def watch_files(fatal: int | None, counter: int) -> None:
    """Write a byte to the file `counter` for each event of this process, and kill it at event number `fatal`."""
    fsync, replace = os.fsync, os.replace
    seen = 0

    def event() -> bool:
        nonlocal seen
        seen += 1
        os.write(counter, b".")
        return seen - 1 == fatal

    def truncate_and_sync(descriptor: int) -> None:
        if event():
            os.ftruncate(descriptor, os.fstat(descriptor).st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(descriptor)

    def replace_file(*paths: Path) -> None:
        replace(*paths)
        if event():
            os.kill(os.getpid(), signal.SIGKILL)

    os.fsync, os.replace = truncate_and_sync, replace_file


def run(arguments: list[str], output: str, fatal: int | None, counter: int) -> None:
    """Run `train.py` and exit."""
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
    """Run one training for each line of standard input."""
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
