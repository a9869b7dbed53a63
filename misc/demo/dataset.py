"""The clips, features and captions of the Demo dataset, and whether they are up to date."""

import argparse
import concurrent.futures
import csv
import hashlib
import io
import itertools
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from misc.demo import caption_grammar, experts, sounds
from misc.demo.clips import FAMILY, Clip, plan_clips
from misc.demo.drawing import FRAMES, RATE, draw_frames
from misc.demo.sounds import SAMPLE_RATE
from misc.demo.video_files import read_clip, write_clip
from misc.extractors import image_statistics
from utils.files import write_bytes, write_json
from utils.progress import bar

FILES = ("videos/*", "symlinked-feats/*", "captions.csv", "families.txt")
SPLITS = {"train": 600, "val": 100, "test": 300}
WORD_DIM = 64


def make_clip(clip: Clip, path: Path, narrate: bool) -> dict[str, np.ndarray | None]:
    """Write the file of a clip, with the narrator after its sound, and return expert -> features (None: not available)."""
    sound = sounds.synthesize_sound(clip, FRAMES / RATE)
    if narrate and clip.topic:
        speech = sounds.synthesize_speech(clip)
        sound = speech if sound is None else np.concatenate([sound, speech])
    write_clip(path, draw_frames(clip), RATE, sound, SAMPLE_RATE)
    images, sound = read_clip(path, SAMPLE_RATE)
    return {
        "rgb": experts.rgb(images),
        "scene": experts.scene(images),
        "flow": experts.flow(images),
        "face": experts.face(images),
        "audio": None if sound is None else experts.audio(sound, SAMPLE_RATE),
    }


def make_clips(clips: Mapping[str, Clip], folder: Path, workers: int, narrate: bool) -> dict[str, dict[str, np.ndarray]]:
    """Write the files of all clips to `folder`, and return expert -> name -> features, for clips that have the expert."""
    folder.mkdir(parents=True, exist_ok=True)
    features: dict[str, dict[str, np.ndarray]] = {}
    paths = [folder / f"{name}.webm" for name in clips]
    with concurrent.futures.ProcessPoolExecutor(workers) as pool:
        results = pool.map(make_clip, clips.values(), paths, itertools.repeat(narrate), chunksize=8)
        for name, by_expert in bar(zip(clips, results, strict=True), "clips", total=len(clips)):
            for expert, values in by_expert.items():
                if values is not None:
                    features.setdefault(expert, {})[name] = values
    return features


def standardize(features: dict[str, np.ndarray], train: set[str]) -> dict[str, np.ndarray]:
    """Return features with mean 0 and deviation 1 over the frames of the training clips, in float16."""
    frames = np.concatenate([np.atleast_2d(x) for name, x in features.items() if name in train])
    mean, deviation = frames.mean(axis=0), frames.std(axis=0) + 1e-3
    return {name: ((x - mean) / deviation).clip(-8, 8).astype(np.float16) for name, x in features.items()}


def make_dataset(folder: Path, splits: Mapping[str, int], seed: int, workers: int, narrate: bool = False) -> dict[str, int]:
    """Write `<folder>/videos` and the archive `<folder>/symlinked-feats`, and return the number of clips per expert."""
    names = [f"clip{i:04d}" for i in range(sum(splits.values()))]
    clips = dict(zip(names, plan_clips(len(names), seed), strict=True))
    train = set(names[: splits["train"]])
    raw = {name: caption_grammar.make_captions(clip) for name, clip in clips.items()}
    written = {name: [clip.word.lower()] if clip.word else [] for name, clip in clips.items()}
    spoken = {
        name: sounds.narration_text(clip).replace(".", "").split() if narrate else caption_grammar.narrator_words(clip)
        for name, clip in clips.items()
    }
    texts = [[*sum(raw[name], []), *written[name], *spoken[name]] for name in sorted(train)]
    vectors = experts.word_vectors(texts, WORD_DIM)
    unknown = np.zeros(WORD_DIM)
    text = {
        name: [np.stack([vectors.get(word, unknown) for word in words]).astype(np.float16) for words in captions]
        for name, captions in raw.items()
    }
    features = make_clips(clips, folder / "videos", workers, narrate)
    features = {expert: standardize(values, train) for expert, values in features.items()}
    for expert, texts in (("ocr", written), ("speech", spoken)):
        found = {name: experts.word_features(words, vectors) for name, words in texts.items()}
        features[expert] = {name: x.astype(np.float16) for name, x in found.items() if x is not None}

    archive = folder / "symlinked-feats"
    archive.mkdir(parents=True, exist_ok=True)
    files = {f"{expert}.pickle": values for expert, values in features.items()}
    for file_name, content in (files | {"text-demo.pickle": text, "raw-captions.pkl": raw}).items():
        write_bytes(archive / file_name, pickle.dumps(content))
    table = io.StringIO(newline="")
    rows = [(name, " ".join(words)) for name, captions in raw.items() for words in captions]
    csv.writer(table).writerows([("video", "caption"), *rows])
    write_bytes(folder / "captions.csv", table.getvalue().encode())
    families = "".join(f"{name} family{i // FAMILY:03d}\n" for i, name in enumerate(names))
    write_bytes(folder / "families.txt", families.encode())
    for split, count in splits.items():
        listed, names = names[:count], names[count:]
        write_bytes(archive / f"{split}_list.txt", "".join(f"{name}\n" for name in listed).encode())
    return {expert: len(values) for expert, values in sorted(features.items())}


def hash_sources() -> str:
    """Return a digest of the files that the dataset is made by."""
    demo = Path(__file__).parent
    paths = sorted([Path(image_statistics.__file__), *demo.glob("*.py"), *demo.glob("*.toml")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def file_sizes(folder: Path) -> dict[str, int]:
    """Return the size in bytes of every file of the dataset, by its path relative to `folder`."""
    paths = [path for pattern in FILES for path in sorted(folder.glob(pattern))]
    return {str(path.relative_to(folder)): path.stat().st_size for path in paths}


def is_up_to_date(folder: Path, recipe: Mapping[str, Any]) -> bool:
    """Return whether all files of a recipe exist unchanged; if the recipe is the same, print the first file that differs."""
    try:
        made = json.loads((folder / "made.json").read_bytes())
        files = dict(made["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
    found = file_sizes(folder)
    changed = [name for name, size in files.items() if found.get(name) != size]
    if made["recipe"] == recipe and changed:
        print(f"{folder / changed[0]}: missing or changed, the dataset is made again")
    return made["recipe"] == recipe and not changed


def run(args: argparse.Namespace) -> None:
    """Make the dataset unless it is up to date."""
    recipe = {"seed": args.seed, "splits": SPLITS, "narrate": args.narrate, "sources": hash_sources()}
    if not args.force and is_up_to_date(args.data_dir, recipe):
        print(f"{args.data_dir}: up to date (--force makes it again)")
        return
    done = args.data_dir / "made.json"  # written last, when no file is missing
    done.unlink(missing_ok=True)
    counts = make_dataset(args.data_dir, SPLITS, args.seed, args.workers, args.narrate)
    write_json(done, {"recipe": recipe, "files": file_sizes(args.data_dir)})
    print(f"{args.data_dir}: {', '.join(f'{count} {split}' for split, count in SPLITS.items())} clips; experts:")
    print(", ".join(f"{expert} {count}" for expert, count in counts.items()))
