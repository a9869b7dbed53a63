"""From typing `python train.py` until the first training step is done, with an archive of MSR-VTT's size and its caches.

Each start is a process of its own, which runs `train.py` as it is and ends after that step.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import train
from misc.speed.parts import explain_if_asked
from misc.speed.store import CONFIG, make_archive
from trainer import trainer
from utils.errors import InputError
from utils.files import write_json

ROOT = Path(__file__).resolve().parents[2]
REPETITIONS = 5


def first_step(started: float, path: Path, arguments: list[str]) -> NoReturn:
    """Run `train.py` until its first step is done, and write to `path` when each phase was over.

    Args:
        started: `time.time()` when the process was asked for.
        path: of a JSON file, name of a phase -> seconds since then.
        arguments: of `train.py`.
    """
    over = {}

    def note(phase: str) -> None:
        over[phase] = time.time() - started

    def noted(function: Callable, phase: str) -> Callable:
        def wrapper(*args: Any) -> Any:
            result = function(*args)
            note(phase)
            return result

        return wrapper

    def batches(*args: Any, original: Callable = trainer.iter_until_interrupted) -> Iterator:
        for step_and_batch in original(*args):
            note("first batch")
            yield step_and_batch

    def end(*_: Any) -> NoReturn:
        note("first step")
        write_json(path, over)
        sys.exit()

    note("imports")
    trainer.iter_until_interrupted, trainer.LossSum.add = batches, end
    train.seed_everything = noted(train.seed_everything, "config")
    train.evaluation_loaders = noted(train.evaluation_loaders, "data")
    train.build_optimizer = noted(train.build_optimizer, "model")
    sys.argv = ["train.py", *arguments]
    train.main()


def start(arguments: list[str]) -> dict[str, float]:
    """The seconds of a start of `train.py` until the end of each phase.

    Raises:
        InputError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phases.json"
        command = [sys.executable, __file__, str(time.time()), path, *arguments, "--set", f"trainer.save_dir={folder}"]
        result = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        if result.returncode or not path.exists():
            raise InputError(f"train.py: ended with exit code {result.returncode}, before its first step was done")
        return json.loads(path.read_text())


def run(folder: Path, num_videos: int, path: Path | None, repetitions: int = REPETITIONS) -> None:
    """Generate what is not there, start once to make the caches, measure, print, and write the figures to `path`."""
    data_dir = make_archive(folder, num_videos).resolve()
    arguments = ["--config", CONFIG, "--set", f"data_loader.args.data_dir={data_dir}"]
    starts = [start(arguments) for _ in range(1 + repetitions)][1:]
    median = {phase: statistics.median(found[phase] for found in starts) for phase in starts[0]}
    print(f"train.py {' '.join(arguments)}; median of {repetitions} starts:")
    before = 0.0
    for phase, after in median.items():
        print(f"  {phase:12} {after - before:6.2f} s, over after {after:6.2f} s")
        before = after
    if path is not None:
        write_json(path, {"videos": num_videos, "starts": starts, "median": median})


if __name__ == "__main__":
    explain_if_asked(__doc__)
    first_step(float(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
