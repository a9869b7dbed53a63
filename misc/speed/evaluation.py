"""Evaluating a checkpoint of CE on MSR-VTT's full test split with `test.py`: time and memory of the process.

The archive is that of `store`, the weights are random. The captions of a video are limited to a quarter of theirs, and not:
memory should not grow with them.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from base.arguments import model_arguments
from base.checkpoint import save_checkpoint
from misc.speed.parts import explain_if_asked
from misc.speed.store import CAPTIONS, make_archive
from model import model
from parse_config import ConfigParser
from trainer.checkpoint_evaluation import evaluation_loaders
from utils.errors import InputError
from utils.files import write_json
from utils.progress import size_text

ROOT = Path(__file__).resolve().parents[2]
CONFIG = "configs/msrvtt/eval-full-ce.json"


def prepare(path: Path, settings: list[str]) -> None:
    """Make the caches, and a checkpoint as a training writes it, with random weights and what Adam keeps of as many."""
    config = ConfigParser.from_file(ROOT / CONFIG, settings)
    evaluation_loaders(config, config["data_loader"]["args"]["split_name"], torch.device("cpu"))
    torch.manual_seed(0)
    net = config.init("arch", model, **model_arguments(config))
    optimizer = torch.optim.Adam(net.parameters())
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    state = {"arch": "CENet", "epoch": 1, "seed": 0, "config": config.as_dict(), "config_file": CONFIG}
    save_checkpoint(path, {**state, "state_dict": net.state_dict(), "optimizer": optimizer.state_dict()})


def measure(checkpoint: Path, settings: list[str]) -> dict[str, float]:
    """Seconds and the most bytes of a process that evaluates `checkpoint`, with what `--set` is told.

    Raises:
        InputError: it failed.
    """
    overrides = [word for setting in settings for word in ("--set", setting)]
    command = [sys.executable, "test.py", "--config", CONFIG, "--resume", checkpoint, *overrides]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise InputError(f"test.py: ended with exit code {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return {"seconds": time.perf_counter() - started, "bytes": usage.ru_maxrss * unit}


def run(folder: Path, num_videos: int, path: Path | None) -> None:
    """Generate what is not there, measure, print, and write the figures to `path` if there is one."""
    data_dir = make_archive(folder, num_videos)
    settings = [
        f"data_loader.args.data_dir={data_dir.resolve()}",
        "data_loader.args.num_workers=0",
        f"trainer.save_dir={(folder / 'saved').resolve()}",
    ]
    checkpoint = (folder / "evaluation.pth").resolve()
    # In a process of its own: the system counts what a process had to the memory of those that it starts.
    subprocess.run([sys.executable, __file__, checkpoint, *settings], cwd=ROOT, check=True)
    figures = []
    memory = ConfigParser.from_file(ROOT / CONFIG)["evaluation_memory"]
    print(f"test.py --config {CONFIG}, evaluation_memory {memory} MiB, {torch.get_num_threads()} threads:", flush=True)
    for captions in (CAPTIONS // 4, CAPTIONS):
        measured = measure(checkpoint, [*settings, f"data_loader.args.num_test_captions={captions}"])
        figures.append({"captions_a_video": captions, **measured})
        size = size_text(measured["bytes"])
        print(f"  {captions:2} captions a video  {measured['seconds']:7.1f} s, at most {size} in memory", flush=True)
    if path is not None:
        about = {"videos": num_videos, "evaluation_memory": memory, "threads": torch.get_num_threads()}
        write_json(path, {**about, "figures": figures})


if __name__ == "__main__":
    explain_if_asked(__doc__)
    prepare(Path(sys.argv[1]), sys.argv[2:])
