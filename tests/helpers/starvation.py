"""Commands that lack a resource, in a process: each ends with one line."""

import os
import subprocess
import sys

from helpers.paths import ROOT

WORKERS = ("--set", "data_loader.args.num_workers=2")
ENDS = {
    "files": "open files",
    "processes": "no further process or thread can be started",
    "threads": "no further process or thread can be started",
    "killed": "a data loading worker has ended",
}


def assert_ends_with_one_line(command, fault, *arguments):
    """Run `train` or `test` with workers and a fault (`starved_command.py`): it ends with one line about that."""
    ended = subprocess.run(
        [sys.executable, ROOT / "tests" / "helpers" / "starved_command.py", *arguments, *WORKERS],
        env=os.environ | {"PYTHONPATH": str(ROOT), "FAULT": fault, "COMMAND": command, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 2 and ended.stderr.startswith("error: ") and ended.stderr.count("\n") == 1, ended.stderr
    assert ENDS[fault] in ended.stderr
