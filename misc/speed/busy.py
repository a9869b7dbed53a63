"""Training beside other work: steps per second of CE alone, and with a busy process on each core.

Threads that wait for each other in a loop take the cores that the threads they wait for need. Settings are the default of
all commands (see `utils.late_imports`), that of the OpenMP library itself, and one thread. They take turns, each in a
process of its own.
"""

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import torch

from misc.speed.process import call_in_process
from misc.speed.settings import CONFIGS
from misc.speed.step import batch_for, our_step
from misc.speed.timing import CPU, Clock
from parse_config import ConfigParser
from trainer.build import build_model, model_arguments
from utils.allocator import keep_freed_memory
from utils.jobs import count_cores
from utils.progress import bar

STEPS = {"MSR-VTT": (CONFIGS["2019"], 64), "Stamps2": ("configs/stamps2/train-full-ce.json", 32)}  # config, videos
SECONDS, TURNS = 5.0, 3
SETTINGS = {"default": {}, "long spinning": {"GOMP_SPINCOUNT": "300000"}, "one thread": {"OMP_NUM_THREADS": "1"}}
ROW = "{:10}  {:14}  {:>8}  {:>8}  {:>8}"


def count_steps(config_path: str, num_videos: int, seconds: float) -> float:
    """Return the steps per second of a training with random features."""
    config = ConfigParser.from_file(config_path, training=True)
    torch.manual_seed(0)
    keep_freed_memory()
    model = build_model(config).train()
    step = our_step(model, batch_for(model, model_arguments(config), num_videos), Clock(CPU), "fp32")
    step()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        step()
        count += 1
    return count / (time.perf_counter() - started)


@contextlib.contextmanager
def run_busy_processes(number: int) -> Iterator[None]:
    """Run processes that use a core each within the block."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(number)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def run(seconds: float = SECONDS, turns: int = TURNS) -> dict:
    """Measure, print, and return the figures."""
    loads = (0, count_cores())
    rates: dict[tuple[str, str, int], list[float]] = {}
    turns_of_all = [(load, name) for _ in range(turns) for load in loads for name in STEPS]
    for load, name in bar(turns_of_all, "turns"):
        for setting, variables in SETTINGS.items():
            with run_busy_processes(load):
                rate = call_in_process(count_steps, *STEPS[name], seconds, variables=variables)
            rates.setdefault((name, setting, load), []).append(rate)
    print(f"steps per second, {loads[1]} cores; medians of {turns}")
    print(ROW.format("", "", "alone", f"beside {loads[1]}", "factor"))
    figures = []
    for name in STEPS:
        for setting in SETTINGS:
            alone, beside = (statistics.median(rates[name, setting, load]) for load in loads)
            figures.append({"training": name, "setting": setting, "alone": alone, "beside": beside})
            print(ROW.format(name, setting, f"{alone:.2f}", f"{beside:.2f}", f"{alone / beside:.2f}"))
    return {"cores": loads[1], "figures": figures}
