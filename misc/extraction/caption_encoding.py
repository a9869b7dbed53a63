"""The captions of a data set as word vectors of another text encoder."""

import argparse
import pickle
from pathlib import Path

from data_loader.readers import read_file
from misc.extractors.text_encoders import build_text_encoder
from utils.errors import InputError, count_text
from utils.files import atomic_write
from utils.progress import bar

VIDEOS_PER_CALL = 256


def read_captions(path: Path) -> dict[str, list[str]]:
    """Return the captions of each video as text; raise an `InputError` if the file holds something else."""
    content = read_file(path)
    if not isinstance(content, dict) or not content:
        found = "no video" if content == {} else type(content).__name__
        raise InputError(f"{path}: found {found}, expected a dict from video to captions")
    captions = {}
    for video, texts in content.items():
        if not isinstance(texts, list | tuple) or not texts:
            raise InputError(
                f"{path}: '{video}' has {'none' if texts in ([], ()) else type(texts).__name__}, expected a list of captions"
            )
        captions[video] = [text if isinstance(text, str) else " ".join(map(str, text)) for text in texts]
    return captions


def run(args: argparse.Namespace) -> None:
    """Encode all captions, and write them to one file."""
    captions = read_captions(args.captions)
    encoder = build_text_encoder(args.encoder, "cpu" if args.device is None else f"cuda:{args.device}")
    output = args.output or args.captions.with_name(f"text-{encoder.feat}.pickle")
    if output.exists() and not args.force:
        raise InputError(f"{output}: exists, expected a new file (or --force)")
    vectors = {}
    videos = list(captions)
    for start in bar(range(0, len(videos), VIDEOS_PER_CALL), "encoding"):
        chosen = videos[start : start + VIDEOS_PER_CALL]
        encoded = iter(encoder([text for video in chosen for text in captions[video]]))
        vectors |= {video: [next(encoded) for _ in captions[video]] for video in chosen}
    with atomic_write(output) as file:
        pickle.dump(vectors, file, protocol=4)
    print(f"{output}: {count_text(sum(map(len, vectors.values())), 'caption')} of {count_text(len(vectors), 'video')}")
    print(f'to use it, set in a config: "experts": {{"text_feat": "{encoder.feat}", "text_dim": {encoder.dim}}}')
