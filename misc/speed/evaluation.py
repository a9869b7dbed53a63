"""Evaluation of a checkpoint of CE on MSR-VTT's full test split with `test.py`: time and memory, beside its products alone.

The archive is that of `store`, the weights are random. A quarter of the captions per video is evaluated, and all of them:
memory should not grow. The products are the matrix products of the same evaluation, with random numbers.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import torch

from base.checkpoint import save_checkpoint
from base.device import select_device
from misc.speed.process import ROOT, RSS_UNIT, call_in_process
from misc.speed.products import record_products
from misc.speed.store import CAPTIONS, make_archive
from misc.speed.timing import Clock
from parse_config import ConfigParser
from trainer.build import build_evaluation_loaders, build_model
from trainer.evaluation import evaluate, evaluation_settings
from utils.errors import InputError
from utils.progress import size_text

CONFIG = "configs/msrvtt/eval-full-ce.json"
CPU = torch.device("cpu")
CHECKPOINT = "evaluation.pth"


def prepare(folder: str, num_videos: int) -> list[str]:
    """Make the archive if necessary, its caches and a checkpoint with a state of Adam; return the settings of `test.py`."""
    settings = [
        f"data_loader.args.data_dir={make_archive(Path(folder), num_videos)}",
        "data_loader.args.num_workers=0",
        f"trainer.save_dir={folder}/saved",
    ]
    config = ConfigParser.from_file(CONFIG, settings)
    build_evaluation_loaders(config, config["data_loader"]["args"]["split_name"], CPU)
    torch.manual_seed(0)
    net = build_model(config)
    optimizer = torch.optim.Adam(net.parameters())
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = {"arch": "CENet", "epoch": 1, "seed": 0, "config": config.as_dict(), "config_file": CONFIG}
    save_checkpoint(Path(folder, CHECKPOINT), {**state, "state_dict": net.state_dict(), "optimizer": optimizer.state_dict()})
    return settings


def measure(checkpoint: Path, settings: list[str], gpu: int | None = None) -> dict[str, float]:
    """Return seconds and peak memory in bytes of a process that evaluates `checkpoint` with `--set` for each setting."""
    overrides = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "test.py", "--config", CONFIG, "--resume", checkpoint, *overrides]
    command += [] if gpu is None else ["--device", str(gpu)]
    start = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise InputError(f"test.py: ended with exit code {process.returncode}")
    return {"seconds": time.perf_counter() - start, "bytes": usage.ru_maxrss * RSS_UNIT}


def measure_products(settings: list[str], gpu: int | None = None) -> dict[str, float]:
    """Return the seconds of the matrix products of an evaluation, and their number of multiplications and additions."""
    device = select_device(gpu)
    config = ConfigParser.from_file(CONFIG, settings)
    loaders = build_evaluation_loaders(config, config["data_loader"]["args"]["split_name"], CPU)
    net = build_model(config)
    _, products = record_products(lambda: evaluate(net, loaders.evaluation, device=CPU, **evaluation_settings(config)))
    return {"product_seconds": products.measure(Clock(device)), "operations": products.operations}


def run(folder: Path, num_videos: int, gpu: int | None = None) -> dict:
    """Generate the archive if necessary, measure, print, and return the figures."""
    folder = folder.resolve()
    # In another process, since the processes that are measured inherit the peak memory of this one.
    settings = call_in_process(prepare, str(folder), num_videos)
    figures = []
    memory = ConfigParser.from_file(ROOT / CONFIG)["evaluation_memory"]
    print(f"test.py --config {CONFIG}, evaluation_memory {memory} MiB, {torch.get_num_threads()} threads:", flush=True)
    for captions in (CAPTIONS // 4, CAPTIONS):
        options = [*settings, f"data_loader.args.num_test_captions={captions}"]
        measured = measure(folder / CHECKPOINT, options, gpu) | call_in_process(measure_products, options, gpu)
        figures.append({"captions_a_video": captions, **measured})
        size, ratio = size_text(measured["bytes"]), measured["seconds"] / measured["product_seconds"]
        products = f"{measured['product_seconds']:.1f} s of products, {measured['operations'] / 1e12:.1f} TFLOP"
        print(
            f"  {captions:2} captions per video  {measured['seconds']:7.1f} s, {ratio:.2f} of {products}; at most {size}",
            flush=True,
        )
    return {"videos": num_videos, "evaluation_memory": memory, "threads": torch.get_num_threads(), "figures": figures}
