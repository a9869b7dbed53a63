"""The feature archive of a collection: features, captions, words and lists in the layout of a custom dataset."""

import contextlib
import itertools
import json
import pickle
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from misc.extraction.caption_files import SPLITS
from misc.extraction.collection_files import ALL, VERSIONS, WORD_TIMES, WORDS
from misc.extraction.moments_file import open_writer
from misc.extraction.settings import ZERO_SHOT
from misc.extraction.shards import Shard, Shards
from misc.extraction.zero_shot_file import ZeroShotWriter
from misc.extractors.text_encoders import TextEncoder
from utils.files import atomic_write, write_bytes, write_json
from utils.names import match_name
from utils.progress import bar

RAW_CAPTIONS = "raw-captions.pkl"
MAP = b"\xdf"  # the first byte of a msgpack map, followed by the number of entries in four bytes
CHUNK = 1024  # number of videos whose captions are encoded together


def write_experts(
    folder: Path,
    ids: Sequence[str],
    shards: Shards,
    names: Sequence[str],
    training: Container[str] = (),
    zero_shot: ZeroShotWriter | None = None,
) -> tuple[dict[str, int], dict[str, int], dict[str, list[str]]]:
    """Write `<expert>.mp` and, for experts that recognize words, those and their times; nothing for experts of no video.

    The moments of long videos are written to one file for all experts, and the frames of an image-text model by `zero_shot`
    (None: there is no model). Return the number of videos that have each expert, that of the `training` ones, and the
    warnings of videos with some.
    """
    warnings: dict[str, list[str]] = {}
    counts, training_counts = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    words: dict[str, dict[str, list[str]]] = {}
    times: dict[str, dict[str, list[tuple[float, float]]]] = {}
    versions: dict[str, str] = {}
    paths = {name: folder / f"{name}.mp" for name in names}
    with contextlib.ExitStack() as stack:
        moments = stack.enter_context(open_writer(folder))
        files = {name: stack.enter_context(atomic_write(path)) for name, path in paths.items()}
        for file in files.values():
            file.write(MAP + bytes(4))
        for video in bar(ids, "collecting features"):
            shard = shards.read(video)
            versions[video] = shard.version(names)
            if shard.is_long:
                moments.add(video, shard.length, {name: shard.moments[name] for name in names if name in shard.moments})
            if shard.warnings:
                warnings[video] = shard.warnings
            if zero_shot is not None:
                _add_frames(zero_shot, video, shard)
            for name in names:
                if (output := shard.outputs[name]) is not None:
                    counts[name] += 1
                    training_counts[name] += video in training
                    _write_entry(files[name], video, output.features)
                    if output.words is not None:
                        words.setdefault(name, {})[video] = output.words
                    if output.times is not None:
                        times.setdefault(name, {})[video] = output.times
        for name, file in files.items():
            file.seek(len(MAP))
            file.write(counts[name].to_bytes(4, "big"))
    write_json(folder / VERSIONS, versions)
    for name, path in paths.items():
        if name in words:
            write_json(folder / f"{name}{WORDS}", words[name])
        if name in times:  # not indented, which would take several lines per word
            write_bytes(folder / f"{name}{WORD_TIMES}", json.dumps(times[name]).encode())
        for suffix, by_expert in ((WORDS, words), (WORD_TIMES, times)):
            if name not in by_expert:
                (folder / f"{name}{suffix}").unlink(missing_ok=True)
        if not counts[name]:
            path.unlink()
    return counts, training_counts, warnings


def _add_frames(zero_shot: ZeroShotWriter, video: str, shard: Shard) -> None:
    """Add the frames of a video, if it has some: those of its moments if it is long, which are denser."""
    if (moments := shard.moments.get(ZERO_SHOT)) is not None:
        zero_shot.add(video, moments.features, moments.spans[:, 0])
    elif (output := shard.outputs[ZERO_SHOT]) is not None:
        zero_shot.add(video, output.features, [start for start, _ in output.times])


def remove_experts(folder: Path, names: Sequence[str]) -> None:
    """Delete the files of experts that are no longer extracted, since they may be features of other videos."""
    for name in names:
        for suffix in (".mp", WORDS, WORD_TIMES):
            (folder / f"{name}{suffix}").unlink(missing_ok=True)


def read_existing_splits(folder: Path, ids: Container[str]) -> dict[str, list[str]]:
    """Return the splits of an existing archive, without videos that are not in `ids`."""
    paths = {split: folder / f"{split}_list.txt" for split in SPLITS}
    return {
        split: [video for line in path.read_text(encoding="utf-8").splitlines() if (video := match_name(line, ids)) in ids]
        for split, path in paths.items()
        if path.exists()
    }


def write_captions(folder: Path, captions: Mapping[str, list[str]], encoder: TextEncoder) -> None:
    """Write the captions as text and, in `text-<feat>.mp`, as word vectors."""
    items = iter(bar(captions.items(), "encoding captions"))
    with atomic_write(folder / f"text-{encoder.feat}.mp") as file:
        file.write(msgpack.Packer().pack_map_header(len(captions)))
        while chunk := list(itertools.islice(items, CHUNK)):
            vectors = iter(encoder([text for _, texts in chunk for text in texts]))
            for video, texts in chunk:
                _write_entry(file, video, [next(vectors).astype(np.float16) for _ in texts])
    raw_captions = {video: [text.split() for text in texts] for video, texts in captions.items()}
    write_bytes(folder / RAW_CAPTIONS, pickle.dumps(raw_captions))


def write_lists(folder: Path, ids: Sequence[str], splits: Mapping[str, Sequence[str]]) -> None:
    """Write the list of all videos and one per split."""
    for name, videos in {ALL: ids, **{f"{split}_list.txt": videos for split, videos in splits.items()}}.items():
        write_bytes(folder / name, "".join(f"{video}\n" for video in videos).encode())


def _write_entry(file: Any, name: str, value: np.ndarray | list[np.ndarray]) -> None:
    """Write an entry of a map in the format of msgpack-numpy."""
    file.write(msgpack.packb(name, unicode_errors="surrogateescape"))
    file.write(msgpack.packb(value, default=_to_msgpack))


def _to_msgpack(x: np.ndarray) -> dict[bytes, object]:
    return {b"nd": True, b"type": x.dtype.str, b"kind": b"", b"shape": x.shape, b"data": x.tobytes()}


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a file that an extraction wrote; an empty one if it is missing or damaged."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
