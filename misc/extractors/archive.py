"""The archive of a collection: features, captions, words and lists in the layout of a dataset of one's own."""

import contextlib
import json
import pickle
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack
import numpy as np

from misc.collection_files import ALL, VERSIONS, WORDS
from misc.extractors.captions import PARTS
from misc.extractors.shards import Shards
from misc.extractors.text import TextEncoder
from utils.files import atomic_write, write_json
from utils.names import match_name
from utils.progress import bar

RAW_CAPTIONS = "raw-captions.pkl"
MAP = b"\xdf"  # begins a map in msgpack, before the number of its entries in four bytes
CHUNK = 1024  # captions that are encoded before they are written


def write_experts(
    folder: Path, ids: Sequence[str], shards: Shards, names: Sequence[str]
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Write `<expert>.mp` and, for those that recognise words, `<expert>-words.json`.

    Files of experts that no video has are deleted.

    Returns:
        expert -> number of videos that have it; video -> warnings, for those that have some.
    """
    warnings: dict[str, list[str]] = {}
    counts = dict.fromkeys(names, 0)
    words: dict[str, dict[str, list[str]]] = {}
    versions: dict[str, str] = {}
    paths = {name: folder / f"{name}.mp" for name in names}
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context(atomic_write(path)) for name, path in paths.items()}
        for file in files.values():
            file.write(MAP + bytes(4))
        for video in bar(ids, "collecting features"):
            shard = shards.read(video)
            found, versions[video] = shard.found, shard.version(names)
            if shard.warnings:
                warnings[video] = shard.warnings
            for name in names:
                if found[name] is not None:
                    counts[name] += 1
                    _pack(files[name], video, found[name].features)
                    if found[name].words is not None:
                        words.setdefault(name, {})[video] = found[name].words
        for name, file in files.items():
            file.seek(len(MAP))
            file.write(counts[name].to_bytes(4, "big"))
    write_json(folder / VERSIONS, versions)
    for name, path in paths.items():
        recognised = folder / f"{name}{WORDS}"
        if name in words:
            write_json(recognised, words[name])
        else:
            recognised.unlink(missing_ok=True)
        if not counts[name]:
            path.unlink()
    return counts, warnings


def remove_experts(folder: Path, names: Sequence[str]) -> None:
    """Delete the files of experts that were extracted once and are not any more: they may be of other videos."""
    for name in names:
        for path in (folder / f"{name}.mp", folder / f"{name}{WORDS}"):
            path.unlink(missing_ok=True)


def kept_lists(folder: Path, ids: Container[str]) -> dict[str, list[str]]:
    """The lists of parts that are there, without the videos that are not any more."""
    paths = {part: folder / f"{part}_list.txt" for part in PARTS}
    return {
        part: [video for line in path.read_text(encoding="utf-8").splitlines() if (video := match_name(line, ids)) in ids]
        for part, path in paths.items()
        if path.exists()
    }


def write_captions(folder: Path, captions: Mapping[str, list[str]], encoder: TextEncoder) -> None:
    """Write the captions as text and, in `text-<feat>.mp`, as word vectors."""
    with atomic_write(folder / f"text-{encoder.feat}.mp") as file:
        file.write(msgpack.Packer().pack_map_header(len(captions)))
        for chunk in _chunks(bar(captions.items(), "encoding captions"), CHUNK):
            vectors = iter(encoder([text for _, texts in chunk for text in texts]))
            for video, texts in chunk:
                _pack(file, video, [next(vectors).astype(np.float16) for _ in texts])
    with atomic_write(folder / RAW_CAPTIONS) as file:
        pickle.dump({video: [text.split() for text in texts] for video, texts in captions.items()}, file)


def write_lists(folder: Path, ids: Sequence[str], parts: Mapping[str, Sequence[str]]) -> None:
    """Write the lists of all videos and of those of each part."""
    for name, listed in {ALL: ids, **{f"{part}_list.txt": videos for part, videos in parts.items()}}.items():
        with atomic_write(folder / name) as file:
            file.write("".join(f"{video}\n" for video in listed).encode())


def training_config(
    name: str, data_dir: Path, text: Mapping[str, Any], experts: Mapping[str, Mapping], parts: Mapping[str, Sequence]
) -> dict[str, Any]:
    """A config to train CE on a collection: what suits a few hundred to some ten thousand videos on a CPU."""
    videos = len(parts["train"])
    clusters = {"text": 8} | {expert: 4 for expert, about in experts.items() if about["aggregation"] == "vlad"}
    return {
        "experts": {"text_feat": text["feat"], "text_dim": text["dim"], "ce_shared_dim": 256} | dict(experts),
        "arch": {
            "type": "CENet",
            "args": {("use_ce" if len(experts) > 1 else "mimic_ce_dims"): True, "vlad_clusters": clusters},
        },
        "data_loader": {
            "type": "ExpertDataLoader",
            "args": {
                "dataset_name": name,
                "data_dir": str(data_dir),
                "batch_size": min(videos, max(8, min(64, videos // 10))),
                "split_name": "val",
                "max_text_words": 60,
                "max_expert_tokens": 60,
            },
        },
        "test_split": "test",
        "optimizer": {"type": "Adam", "args": {"lr": 0.001}},
        "lr_scheduler": {"type": "StepLR", "args": {"step_size": 1, "gamma": 0.95}},
        "loss": {"type": "MaxMarginRankingLoss", "args": {"margin": 0.2}},
        "visualizer": {
            "type": "Visualizer",
            "args": {"src_video_dir": str(data_dir / "videos"), "vis_vid_freq": 10, "num_samples": 100},
        },
        "trainer": {"epochs": 30, "save_period": 10, "monitor": "max val_t2v_metrics_geometric_mean_R1-R5-R10"},
    }


def _pack(file: Any, name: str, value: np.ndarray | list[np.ndarray]) -> None:
    """Write an entry of a map as msgpack-numpy does."""
    file.write(msgpack.packb(name, unicode_errors="surrogateescape"))
    file.write(msgpack.packb([_packed(x) for x in value] if isinstance(value, list) else _packed(value)))


def _packed(x: np.ndarray) -> dict[bytes, object]:
    return {b"nd": True, b"type": x.dtype.str, b"kind": b"", b"shape": x.shape, b"data": x.tobytes()}


def _chunks(items: Iterable, size: int) -> Iterable[list]:
    chunk: list = []
    for item in items:
        chunk.append(item)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of ours; an empty one if it is not there or damaged."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
