"""Generate the Demo data set: small arrays of five experts, some missing, with captions of real words.

A clip has six attributes (colour, shape, motion, place, sound, writing). Each expert sees some of them through a random map
and noise, each caption names some of them, so that no expert is enough alone.
"""

import argparse
import pickle
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.errors import InputError, command
from utils.files import atomic_write, write_json

ATTRIBUTES = {
    "colour": ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white"],
    "shape": ["circle", "square", "triangle", "star", "heart", "ring", "cross", "arrow", "spiral", "hexagon"],
    "motion": ["spins", "bounces", "slides", "shakes", "grows", "shrinks", "falls", "rises", "zigzags", "rests"],
    "place": ["forest", "desert", "beach", "street", "kitchen", "stadium", "cave", "library", "harbour", "meadow"],
    "sound": ["bell", "drum", "whistle", "engine", "rain", "applause", "siren", "piano", "laughter", "wind"],
    "writing": ["open", "stop", "sale", "hello", "exit", "danger", "welcome", "free", "love", "quiet"],
}
# Expert -> (the attributes it sees, dim, longest sequence, share of clips that have it).
EXPERTS = {
    "rgb": (("colour", "shape"), 64, 5, 1.0),
    "scene": (("place",), 32, 1, 1.0),
    "flow": (("motion",), 32, 5, 0.9),
    "audio": (("sound",), 24, 8, 0.5),
    "ocr": (("writing",), 24, 3, 0.4),
}
SPLITS = {"train": 400, "val": 100, "test": 200}
WORD_DIM = 32
CAPTIONS = 3
NOISE = 1.6


def caption_words(clip: dict[str, str], rng: np.random.Generator) -> list[str]:
    """One caption: the shape and motion always, everything else sometimes."""
    words = ["a", clip["colour"], clip["shape"]] if rng.random() < 0.7 else ["a", clip["shape"]]
    words.append(clip["motion"])
    if rng.random() < 0.6:
        words += ["in", "the", clip["place"]]
    if "sound" in clip and rng.random() < 0.6:
        words += ["with", clip["sound"]]
    if "writing" in clip and rng.random() < 0.6:
        words += ["saying", clip["writing"]]
    return words


def distinct_captions(clip: dict[str, str], rng: np.random.Generator) -> list[list[str]]:
    """Captions that differ: two equal ones would tie for the best rank of their own clip."""
    captions: dict[str, list[str]] = {}
    while len(captions) < CAPTIONS:
        words = caption_words(clip, rng)
        captions[" ".join(words)] = words
    return list(captions.values())


def make(folder: Path, seed: int) -> None:
    """Write the archive to `folder`, in the layout of a dataset of one's own."""
    rng = np.random.default_rng(seed)
    codes = {word: rng.normal(size=16) for words in ATTRIBUTES.values() for word in words}
    maps = {name: rng.normal(size=(16 * len(seen), dim)) / 4 for name, (seen, dim, _, _) in EXPERTS.items()}
    vocabulary = {word: rng.normal(size=WORD_DIM) for word in [*codes, "a", "in", "the", "with", "saying"]}
    features: dict[str, dict] = {name: {} for name in EXPERTS}
    text, raw = {}, {}
    ids = [f"clip{i:04d}" for i in range(sum(SPLITS.values()))]
    for video in tqdm(ids, desc="clips", disable=not sys.stdout.isatty()):
        clip = {attribute: str(rng.choice(words)) for attribute, words in ATTRIBUTES.items()}
        for name, (seen, dim, longest, share) in EXPERTS.items():
            if rng.random() >= share:
                clip = {attribute: value for attribute, value in clip.items() if attribute not in seen}
                continue
            signal = np.concatenate([codes[clip[attribute]] for attribute in seen]) @ maps[name]
            frames = rng.integers(1, longest + 1)
            features[name][video] = (signal + NOISE * rng.normal(size=(frames, dim))).astype(np.float16)
        raw[video] = distinct_captions({"motion": "rests"} | clip, rng)
        text[video] = [np.stack([vocabulary[w] for w in words]).astype(np.float16) for words in raw[video]]
    folder.mkdir(parents=True, exist_ok=True)
    files = {f"{name}.pickle": arrays for name, arrays in features.items()}
    for name, content in (files | {"text-toy.pickle": text, "raw-captions.pkl": raw}).items():
        with atomic_write(folder / name) as file:
            pickle.dump(content, file)
    start = 0
    for split, count in SPLITS.items():
        with atomic_write(folder / f"{split}_list.txt") as file:
            file.write("".join(f"{video}\n" for video in ids[start : start + count]).encode())
        start += count


@command
def main() -> None:
    """Generate the data set unless it is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data/Demo"), help="where to write it (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="generate it again")
    args = parser.parse_args()
    if args.seed < 0:
        raise InputError(f"--seed {args.seed}: expected a number from 0 on")
    done = args.data_dir / "generated.json"  # written last: without it the files may not be all there
    if done.exists() and not args.force:
        print(f"{args.data_dir}: there already (--force makes it again)")
        return
    make(args.data_dir / "symlinked-feats", args.seed)
    write_json(done, {"seed": args.seed, "splits": SPLITS})
    print(f"{args.data_dir}: {', '.join(f'{count} {split}' for split, count in SPLITS.items())} clips")


if __name__ == "__main__":
    main()
