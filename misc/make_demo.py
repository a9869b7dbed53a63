"""Make the Demo data set: short video clips, what seven experts see and hear in them, and captions.

The clips are drawn, with sounds, and written as WebM files to `<data_dir>/videos`. The experts look at the decoded files;
only ocr and speech take the words that are written or spoken, as a recogniser would give them out. The parts: `misc/demo/`.
"""

import argparse
import concurrent.futures
import csv
import hashlib
import io
import itertools
import json
import os
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from misc.demo import captions, experts, narration
from misc.demo.clips import Clip, plan
from misc.demo.drawing import FRAMES, RATE, frames
from misc.demo.sounds import SAMPLE_RATE, samples
from misc.demo.video_files import read_video, write_video
from misc.demo.word_vectors import word_vectors
from misc.extractors import statistics
from utils.errors import InputError, cli_command
from utils.files import atomic_write, write_json
from utils.progress import bar

PARTS = ("videos", "symlinked-feats")
MADE, CAPTIONS = "made.json", "captions.csv"
SPLITS = {"train": 600, "val": 100, "test": 300}
WORD_DIM = 64


def make_clip(clip: Clip, path: Path, narrate: bool) -> dict[str, np.ndarray | None]:
    """Write the file of a clip, whose narrator is heard after its sound, and return what the experts see and hear in it."""
    sound = samples(clip, FRAMES / RATE)
    if narrate and clip.topic:
        sound = np.concatenate([[] if sound is None else sound, narration.spoken(clip, SAMPLE_RATE)]).astype(np.float32)
    write_video(path, frames(clip), RATE, sound, SAMPLE_RATE)
    images, sound = read_video(path, SAMPLE_RATE)
    return {
        "rgb": experts.rgb(images),
        "scene": experts.scene(images),
        "flow": experts.flow(images),
        "face": experts.face(images),
        "audio": None if sound is None else experts.audio(sound, SAMPLE_RATE),
    }


def make_clips(clips: Mapping[str, Clip], folder: Path, workers: int, narrate: bool) -> dict[str, dict[str, np.ndarray]]:
    """Write the files of all clips to `folder`: expert -> name -> features, for those that have it."""
    folder.mkdir(parents=True, exist_ok=True)
    features: dict[str, dict[str, np.ndarray]] = {}
    paths = [folder / f"{name}.webm" for name in clips]
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        made = pool.map(make_clip, clips.values(), paths, itertools.repeat(narrate), chunksize=8)
        for name, seen in bar(zip(clips, made, strict=True), "clips", total=len(clips)):
            for expert, values in seen.items():
                if values is not None:
                    features.setdefault(expert, {})[name] = values
    return features


def standardised(features: dict[str, np.ndarray], train: set[str]) -> dict[str, np.ndarray]:
    """Features with mean 0 and deviation 1 over the frames of the training clips, in float16."""
    seen = np.concatenate([np.atleast_2d(x) for name, x in features.items() if name in train])
    mean, deviation = seen.mean(axis=0), seen.std(axis=0) + 1e-3
    return {name: ((x - mean) / deviation).clip(-8, 8).astype(np.float16) for name, x in features.items()}


def make(folder: Path, splits: Mapping[str, int], seed: int, workers: int, narrate: bool = False) -> dict[str, int]:
    """Write `<folder>/videos` and the archive `<folder>/symlinked-feats`: how many clips have each expert."""
    names = [f"clip{i:04d}" for i in range(sum(splits.values()))]
    clips = dict(zip(names, plan(len(names), seed), strict=True))
    train = set(names[: splits["train"]])
    raw = {name: captions.captions(clip) for name, clip in clips.items()}
    read = {name: [clip.word.lower()] if clip.word else [] for name, clip in clips.items()}
    heard = {
        name: narration.said(clip).replace(".", "").split() if narrate else captions.spoken(clip)
        for name, clip in clips.items()
    }
    vectors = word_vectors([[*sum(raw[name], []), *read[name], *heard[name]] for name in sorted(train)], WORD_DIM)
    unknown = np.zeros(WORD_DIM)
    text = {
        name: [np.stack([vectors.get(word, unknown) for word in words]).astype(np.float16) for words in said]
        for name, said in raw.items()
    }
    features = make_clips(clips, folder / "videos", workers, narrate)
    features = {expert: standardised(values, train) for expert, values in features.items()}
    for expert, texts in (("ocr", read), ("speech", heard)):
        found = {name: experts.words(words, vectors) for name, words in texts.items()}
        features[expert] = {name: x.astype(np.float16) for name, x in found.items() if x is not None}

    archive = folder / "symlinked-feats"
    archive.mkdir(parents=True, exist_ok=True)
    files = {f"{expert}.pickle": values for expert, values in features.items()}
    for file_name, content in (files | {"text-demo.pickle": text, "raw-captions.pkl": raw}).items():
        with atomic_write(archive / file_name) as file:
            pickle.dump(content, file)
    table = io.StringIO(newline="")
    csv.writer(table).writerows([("video", "caption"), *((name, " ".join(x)) for name, said in raw.items() for x in said)])
    with atomic_write(folder / CAPTIONS) as file:
        file.write(table.getvalue().encode())
    start = 0
    for split, count in splits.items():
        with atomic_write(archive / f"{split}_list.txt") as file:
            file.write("".join(f"{name}\n" for name in names[start : start + count]).encode())
        start += count
    return {expert: len(values) for expert, values in sorted(features.items())}


def recipe(seed: int, splits: Mapping[str, int], narrate: bool) -> dict[str, Any]:
    """What the data set depends on: the same recipe, the same files."""
    sources = sorted([Path(__file__), Path(statistics.__file__), *Path(captions.__file__).parent.glob("*.py")])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    return {"seed": seed, "splits": dict(splits), "narrate": narrate, "sources": digest}


def sizes(folder: Path) -> dict[str, int]:
    """Path, relative to `folder`, -> bytes of every file of the data set."""
    paths = [*sorted(path for part in PARTS for path in (folder / part).glob("*")), *folder.glob(CAPTIONS)]
    return {str(path.relative_to(folder)): path.stat().st_size for path in paths}


def is_made(folder: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether all files of the recipe `wanted` are there as they were written; a line names the first that is not."""
    try:
        made = json.loads((folder / MADE).read_bytes())
        files = dict(made["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    found = sizes(folder)
    changed = [name for name, size in files.items() if found.get(name) != size]
    if made["recipe"] == wanted and changed:
        print(f"{folder / changed[0]}: missing or changed, the data set is made again")
    return made["recipe"] == wanted and not changed


@cli_command
def main() -> None:
    """Make the data set unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data/Demo"), help="where to write it (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: %(default)s)")
    parser.add_argument(
        "--narrate", action="store_true", help="let narrators be heard, by espeak-ng, for experts that listen"
    )
    parser.add_argument("--force", action="store_true", help="make it again")
    args = parser.parse_args()
    if args.seed < 0:
        raise InputError(f"--seed {args.seed}: expected a number from 0 on")
    if args.workers < 1:
        raise InputError(f"--workers {args.workers}: expected a number from 1 on")
    done, wanted = args.data_dir / MADE, recipe(args.seed, SPLITS, args.narrate)
    if not args.force and is_made(args.data_dir, wanted):
        print(f"{args.data_dir}: there already (--force makes it again)")
        return
    done.unlink(missing_ok=True)  # written last: without it the files may not be all there
    counts = make(args.data_dir, SPLITS, args.seed, args.workers, args.narrate)
    write_json(done, {"recipe": wanted, "files": sizes(args.data_dir)})
    print(f"{args.data_dir}: {', '.join(f'{count} {split}' for split, count in SPLITS.items())} clips; experts:")
    print(", ".join(f"{expert} {count}" for expert, count in counts.items()))


if __name__ == "__main__":
    main()
