"""Start-up and memory with an archive of MSR-VTT's size: the feature store beside reading every file whole.

The archive is generated, random numbers in the published layout. Each measurement is a process of its own: reading the
files whole and averaging frames, as the 2019 release began; the store without its caches, which it makes; the store with
them. Figures are of the whole process, imports included.
"""

import pickle
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from data_loader.datasets.msrvtt import LAYOUT
from misc.speed.parts import explain_if_asked
from utils.errors import InputError
from utils.progress import bar, size_text

CONFIG = "configs/msrvtt/train-full-ce.json"
CAPTIONS, WORDS = 20, (5, 16, 768)
# Expert -> the range of its numbers of frames, its dimension, and the share of videos that have it.
FRAMES = {
    "audio": (5, 30, 128, 0.9),
    "face": (1, 5, 512, 0.7),
    "flow": (5, 15, 1024, 1.0),
    "ocr": (1, 30, 300, 0.4),
    "rgb": (10, 30, 2048, 1.0),
    "scene": (10, 30, 2208, 1.0),
    "speech": (5, 60, 300, 0.6),
}


def write_archive(folder: Path, num_videos: int) -> None:
    """An archive of random features in the layout of MSR-VTT, split in the proportions of the full split."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(1 << 22, dtype=np.float32)
    names = [f"video{i}" for i in range(num_videos)]

    def array(low: int, high: int, dim: int) -> np.ndarray:
        rows, start = rng.integers(low, high), rng.integers(len(noise) // 2)
        return noise[start : start + rows * dim].reshape(rows, dim)

    for expert in bar(FRAMES, "writing the archive"):
        *size, share = FRAMES[expert]
        content = {name: array(*size) for name in names if rng.random() < share}
        path = folder / LAYOUT.experts[expert].format(rgb_model_name="senet154")
        with path.open("wb") as file:
            if path.suffix == ".npy":
                np.save(file, np.array(content, dtype=object), allow_pickle=True)
            else:
                pickle.dump(content, file)
    captions = {name: [array(*WORDS) for _ in range(CAPTIONS)] for name in names}
    raw = {name: [["a", "man", "is", "singing"] for _ in range(CAPTIONS)] for name in names}
    for path, content in ((folder / LAYOUT.text["openai"], captions), (folder / LAYOUT.raw_captions, raw)):
        with path.open("wb") as file:
            pickle.dump(content, file)
    start = 0
    for part in ("full-train", "full-val", "full-test"):
        size = LAYOUT.parts[part].size * num_videos // 10_000
        (folder / LAYOUT.parts[part].ids).write_text("\n".join(names[start : start + size]))
        start += size


def read_whole(data_dir: Path) -> None:
    """Unpickle every file and average the frames that the config averages."""
    kept = {}
    averaged = [LAYOUT.experts[name].format(rgb_model_name="senet154") for name in ("face", "flow", "rgb", "scene")]
    for path in sorted((data_dir / "symlinked-feats").iterdir()):
        if path.suffix not in (".pickle", ".pkl", ".npy"):
            continue
        with path.open("rb") as file:  # our own, no stranger's
            content = np.load(file, allow_pickle=True).item() if path.suffix == ".npy" else pickle.load(file)
        if path.name in averaged:
            content = {name: x.mean(axis=0) for name, x in content.items()}
        kept[path.name] = content
    print_figures("every file read")


def read_with_store(data_dir: Path) -> None:
    """What train.py does until the first batch, and the batches of an epoch."""
    import torch

    from data_loader import data_loaders
    from parse_config import ConfigParser
    from trainer.build import loader_arguments
    from trainer.checkpoint_evaluation import evaluation_loaders

    device = torch.device("cpu")
    settings = [f"data_loader.args.data_dir={data_dir}", "data_loader.args.num_workers=0"]
    config = ConfigParser.from_file(CONFIG, settings, training=True)
    loaders = config.init("data_loader", data_loaders, **loader_arguments(config, device))
    evaluation_loaders(config, config.test_split(), device)
    batches = iter(loaders.train)
    next(batches)
    print_figures("first batch")
    num_batches = 1 + sum(1 for _ in batches)
    print_figures(f"{num_batches} batches")
    num_batches = sum(1 for _ in loaders.evaluation)
    print_figures(f"{num_batches} validation batches")


def print_figures(what: str) -> None:
    """Seconds since this process began, and the most memory it has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = size_text(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
    print(f"  {what:24} after {time.perf_counter() - STARTED:6.1f} s, at most {peak} in memory", flush=True)


def make_archive(folder: Path, num_videos: int) -> Path:
    """The archive in `folder`, which is written if it is not there."""
    data_dir = folder / f"MSRVTT-{num_videos}"
    if not data_dir.exists():
        unfinished = data_dir.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        write_archive(unfinished / "symlinked-feats", num_videos)
        unfinished.rename(data_dir)
    return data_dir


SIDES = {"whole": read_whole, "store": read_with_store}
STARTED = time.perf_counter()


def run(folder: Path, num_videos: int) -> None:
    """Generate, and measure the sides one after the other."""
    data_dir = make_archive(folder, num_videos)
    shutil.rmtree(data_dir / "cache", ignore_errors=True)
    sizes = [path.stat().st_size for path in (data_dir / "symlinked-feats").iterdir()]
    print(f"{data_dir}: {num_videos} videos, {size_text(sum(sizes))}")
    for title, side in (
        ("files read whole", "whole"),
        ("store, its caches to be made", "store"),
        ("store, its caches there", "store"),
    ):
        print(f"{title}:", flush=True)
        result = subprocess.run([sys.executable, __file__, side, data_dir], check=False)
        if result.returncode:
            raise InputError(f"{title}: ended with exit code {result.returncode}")


if __name__ == "__main__":
    explain_if_asked(__doc__)
    SIDES[sys.argv[1]](Path(sys.argv[2]))
