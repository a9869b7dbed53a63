"""Start-up and memory with an archive of MSR-VTT's size: the feature store beside reading every file whole.

The archive has random numbers in the published layout. Three ways are measured in separate processes: reading all files and
averaging frames, as the 2019 release does; the store without its caches, which it makes; the store with its caches. Figures
are those of the whole process, including imports.
"""

import pickle
import shutil
import time
from pathlib import Path

import numpy as np

from data_loader.datasets.msrvtt import LAYOUT
from misc.speed.process import call_in_process, peak_memory
from misc.speed.settings import CONFIG
from utils.progress import bar, size_text

CAPTIONS, WORDS = 20, (5, 16, 768)
# Expert -> minimum and maximum number of frames, dimension, and share of videos that have the expert.
FRAMES = {
    "audio": (5, 30, 128, 0.9),
    "face": (1, 5, 512, 0.7),
    "flow": (5, 15, 1024, 1.0),
    "ocr": (1, 30, 300, 0.4),
    "rgb": (10, 30, 2048, 1.0),
    "scene": (10, 30, 2208, 1.0),
    "speech": (5, 60, 300, 0.6),
}
Point = tuple[str, float, int]
START = time.perf_counter()


def write_archive(folder: Path, num_videos: int) -> None:
    """Write an archive of random features in the layout of MSR-VTT, split in the proportions of the full split."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(1 << 22, dtype=np.float32)
    names = [f"video{i}" for i in range(num_videos)]

    def array(low: int, high: int, dim: int) -> np.ndarray:
        rows, start = rng.integers(low, high), rng.integers(len(noise) // 2)
        return noise[start : start + rows * dim].reshape(rows, dim)

    for expert, (*size, share) in bar(FRAMES.items(), "writing the archive"):
        content = {name: array(*size) for name in names if rng.random() < share}
        path = folder / LAYOUT.experts[expert].format(rgb_model_name="senet154")
        with path.open("wb") as file:
            if path.suffix == ".npy":
                np.save(file, content, allow_pickle=True)
            else:
                pickle.dump(content, file)
    captions = {name: [array(*WORDS) for _ in range(CAPTIONS)] for name in names}
    raw = {name: [["a", "man", "is", "singing"] for _ in range(CAPTIONS)] for name in names}
    for path, content in ((folder / LAYOUT.text["openai"], captions), (folder / LAYOUT.raw_captions, raw)):
        with path.open("wb") as file:
            pickle.dump(content, file)
    start = 0
    for part in ("full-train", "full-val", "full-test"):
        size = LAYOUT.subsets[part].size * num_videos // 10_000
        (folder / LAYOUT.subsets[part].ids).write_text("\n".join(names[start : start + size]))
        start += size


def read_whole(data_dir: str) -> list[Point]:
    """Read every file completely, and average the frames that the config averages."""
    contents = {}
    averaged = [LAYOUT.experts[name].format(rgb_model_name="senet154") for name in ("face", "flow", "rgb", "scene")]
    for path in sorted(Path(data_dir, "symlinked-feats").iterdir()):
        if path.suffix not in (".pickle", ".pkl", ".npy"):
            continue
        with path.open("rb") as file:  # trusted: `write_archive` wrote it
            content = np.load(file, allow_pickle=True).item() if path.suffix == ".npy" else pickle.load(file)
        if path.name in averaged:
            content = {name: x.mean(axis=0) for name, x in content.items()}
        contents[path.name] = content
    return [measure("every file read")]


def read_with_store(data_dir: str) -> list[Point]:
    """Build the loaders of train.py, and load the batches of an epoch."""
    import torch

    from parse_config import ConfigParser
    from trainer.build import build_evaluation_loaders, build_loaders

    device = torch.device("cpu")
    settings = [f"data_loader.args.data_dir={data_dir}", "data_loader.args.num_workers=0"]
    config = ConfigParser.from_file(CONFIG, settings, training=True)
    loaders = build_loaders(config, device)
    build_evaluation_loaders(config, config.test_split(), device)
    batches = iter(loaders.train)
    next(batches)
    first = measure("first batch")
    rest = measure(f"{1 + sum(1 for _ in batches)} batches")
    return [first, rest, measure(f"{sum(1 for _ in loaders.evaluation)} validation batches")]


def measure(name: str) -> Point:
    """Return the name, the seconds since this process began, and its peak memory in bytes."""
    return name, time.perf_counter() - START, peak_memory()


def make_archive(folder: Path, num_videos: int) -> Path:
    """Return the path of the archive in `folder`, which is written if it does not exist."""
    data_dir = folder / f"MSRVTT-{num_videos}"
    if not data_dir.exists():
        unfinished = data_dir.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        write_archive(unfinished / "symlinked-feats", num_videos)
        unfinished.rename(data_dir)
    return data_dir


def run(folder: Path, num_videos: int) -> dict:
    """Generate the archive if necessary, measure one way after the other, print, and return the figures."""
    data_dir = make_archive(folder, num_videos).resolve()
    shutil.rmtree(data_dir / "cache", ignore_errors=True)
    sizes = [path.stat().st_size for path in (data_dir / "symlinked-feats").iterdir()]
    print(f"{data_dir}: {num_videos} videos, {size_text(sum(sizes))}", flush=True)
    figures = {}
    for title, read in (
        ("files read whole", read_whole),
        ("store without its caches", read_with_store),
        ("store with its caches", read_with_store),
    ):
        figures[title] = call_in_process(read, str(data_dir))
        print(f"{title}:")
        for name, seconds, peak in figures[title]:
            print(f"  {name:24} after {seconds:6.1f} s, at most {size_text(peak)} in memory", flush=True)
    return {"videos": num_videos, "figures": figures}
