"""Start-up: from typing `python train.py` until the first training step is done, with an archive of MSR-VTT's size.

The caches of the archive exist already. Each start is a separate process, which runs `train.py` and ends after that step.
Beside it: `--help` of commands and an error in a config, and the floor of all, Python alone and Python with torch.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import train
from misc.speed.process import ROOT, call_in_process
from misc.speed.settings import CONFIG
from misc.speed.store import make_archive
from trainer import trainer, training

REPETITIONS = 5
# What takes no more than the start of Python and light modules, after the floors of all other starts.
SHORT = {
    "python": ["-c", "pass"],
    "python, import torch": ["-c", "import torch"],
    **{f"{name} --help": [name, "--help"] for name in ("train.py", "test.py", "misc/search.py", "misc/extract_experts.py")},
    "train.py, an unknown key": ["train.py", "--config", CONFIG, "--set", "trainer.epoch=3"],
}


def run_first_step(start: float, arguments: list[str]) -> dict[str, float]:
    """Run `train.py` until its first step is done, and return the seconds from `start` until the end of each phase."""
    seconds = {}

    def note(phase: str) -> None:
        seconds[phase] = time.time() - start

    def noted(function: Callable, phase: str) -> Callable:
        def wrapper(*args: Any) -> Any:
            result = function(*args)
            note(phase)
            return result

        return wrapper

    def end(*_: Any) -> NoReturn:
        note("first step")
        sys.exit()

    note("imports")
    training.seed_everything = noted(training.seed_everything, "config")
    training.build_lr_scheduler = noted(training.build_lr_scheduler, "model")
    training.build_evaluation_loaders = noted(training.build_evaluation_loaders, "data")
    trainer.to_device = noted(trainer.to_device, "first batch")
    trainer.LossSum.add = end
    sys.argv = ["train.py", *arguments]
    try:
        train.main()
    except SystemExit as stop:
        if stop.code:
            raise
    return seconds


def measure(arguments: list[str]) -> dict[str, float]:
    """Return the seconds until the end of each phase of a start of `train.py`; raise an InputError if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        return call_in_process(run_first_step, time.time(), [*arguments, "--set", f"trainer.save_dir={folder}"])


def measure_short(repetitions: int) -> dict[str, list[float]]:
    """Return the seconds of each of `SHORT`; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in SHORT}
    for _ in range(repetitions):
        for name, arguments in SHORT.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=False)
            seconds[name].append(time.perf_counter() - started)
    return seconds


def run(folder: Path, num_videos: int, repetitions: int = REPETITIONS) -> dict:
    """Generate the archive if necessary, start once to make its caches, measure, print, and return the figures."""
    data_dir = make_archive(folder, num_videos).resolve()
    arguments = ["--config", CONFIG, "--set", f"data_loader.args.data_dir={data_dir}"]
    starts = [measure(arguments) for _ in range(1 + repetitions)][1:]
    median = {phase: statistics.median(seconds[phase] for seconds in starts) for phase in starts[0]}
    print(f"train.py {' '.join(arguments)}; median of {repetitions} starts:")
    before = 0.0
    for phase, after in median.items():
        print(f"  {phase:12} {after - before:6.2f} s, over after {after:6.2f} s")
        before = after
    short = {name: statistics.median(values) for name, values in measure_short(1 + repetitions).items()}
    for name, value in short.items():
        print(f"  {name:32} {value:6.2f} s")
    return {"videos": num_videos, "starts": starts, "median": median, "short": short}
