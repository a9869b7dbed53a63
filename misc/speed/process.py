"""Calls of functions in separate processes, to measure the time and memory of each."""

import contextlib
import importlib
import io
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from utils.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of `ru_maxrss`


def call_in_process(function: Callable, *arguments: Any, variables: Mapping[str, str] | None = None) -> Any:
    """Call a function of a module, with arguments and a result in JSON, in a new process without its standard output.

    `variables` are added to its environment.
    """
    call = json.dumps([function.__module__, function.__name__, arguments])
    command = [sys.executable, "-c", "from misc.speed import process; process.run_call()", call]
    environment = {**os.environ, **(variables or {})}
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment, check=False)
    if result.returncode:
        raise InputError(f"{function.__name__} {arguments}: ended with exit code {result.returncode}")
    return json.loads(result.stdout)


def run_call() -> None:
    """Run the call that the command line of this process describes, and print its result."""
    module, name, arguments = json.loads(sys.argv[1])
    with contextlib.redirect_stdout(io.StringIO()):
        result = getattr(importlib.import_module(module), name)(*arguments)
    print(json.dumps(result))


def peak_memory() -> int:
    """Return the peak memory of this process in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * RSS_UNIT
