"""Small archives of the corrected release, with the file names that its layouts declare.

    archive = write_corrected_archive(tmp_path / "data/MSVD/structured-symlinks", "MSVD", experts, "openai", 768)
    archive = write_archive_of_config(config, tmp_path)

Both write all lists of a dataset, the features of the given experts in the forms of the release (pickled dicts,
`ExpertStore` objects, hickle files; NaN or no entry where an expert may be missing), captions and what else its splits need.
"""

import contextlib
import dataclasses
import pickle
import sys
import types
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from data_loader.datasets import layout_of
from data_loader.experts import Expert, resolve_experts
from data_loader.text_encoders import resolve_text_dim

LATENT_DIM = 5
WORDS = ("a", "man", "woman", "cat", "sings", "cooks", "runs", "in", "the", "café", "rain", "slowly")


class ExpertStore:
    """The class of the release, whose module is `zsvision.zs_data_structures` or `datastructures`."""

    def __init__(self, values: Mapping[str, Any], dim: int):
        self.keys = list(values)
        self.dim, self.store_dtype = dim, np.float16
        self.store = np.zeros((len(values), dim), dtype=np.float16)
        self.keymap = {name: row for row, name in enumerate(values)}
        self.missing = {name for name, value in values.items() if np.ndim(value) == 0}
        for row, value in enumerate(values.values()):
            self.store[row] = value


@contextlib.contextmanager
def expert_store_module(module: str) -> Iterator[None]:
    """Make `ExpertStore` a class of `module` while it is pickled."""
    parts = module.split(".")
    names = [".".join(parts[: n + 1]) for n in range(len(parts))]
    saved = {name: sys.modules.get(name) for name in names}
    sys.modules.update({name: types.ModuleType(name) for name in names})
    sys.modules[module].ExpertStore, ExpertStore.__module__ = ExpertStore, module
    try:
        yield
    finally:
        ExpertStore.__module__ = __name__
        for name, old in saved.items():
            if old is None:
                del sys.modules[name]
            else:
                sys.modules[name] = old


def write_expert_store(
    path: Path, store: ExpertStore, module: str = "zsvision.zs_data_structures", protocol: int = 4
) -> None:
    """Pickle an `ExpertStore` as the release did."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with expert_store_module(module), path.open("wb") as file:
        pickle.dump(store, file, protocol)


def write_pickle(path: Path, content: Any) -> None:
    """Pickle an object, and make the folder of its file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        pickle.dump(content, file, protocol=4)


def write_hickle(path: Path, content: Mapping[str, Any]) -> None:
    """Write a dict as version 3 of hickle did."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["CLASS"], file.attrs["VERSION"] = b"hickle", b"3.4.6"
        group = file.create_group("data_0")
        group.attrs["type"] = [b"<class 'dict'>"]
        for name, value in content.items():
            item = group.create_group(repr(name))
            item.attrs["type"], item.attrs["key_type"] = [b"dict_item"], [b"<class 'str'>"]
            item["data_0"] = value


@dataclasses.dataclass
class CorrectedArchive:
    """The content of an archive.

    Attributes:
        folder: the folder of features.
        ids: subset -> its videos, by the names in lists.
        features: expert -> video -> its array (T, dim) or (dim,), None where it is missing.
        captions: video -> its captions as word vectors.
        words: video -> its captions as lists of words.
        files: expert -> its files.
    """

    folder: Path
    ids: dict[str, list[str]]
    features: dict[str, dict[str, np.ndarray | None]] = dataclasses.field(default_factory=dict)
    captions: dict[str, list[np.ndarray]] = dataclasses.field(default_factory=dict)
    words: dict[str, list[list[str]]] = dataclasses.field(default_factory=dict)
    files: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    @property
    def videos(self) -> list[str]:
        """Return all videos."""
        return list(dict.fromkeys(video for ids in self.ids.values() for video in ids))


def write_corrected_archive(
    folder: Path,
    dataset: str,
    experts: Mapping[str, Expert],
    text_feat: str,
    text_dim: int,
    num_train: int = 12,
    num_evaluated: int = 6,
    num_captions: int = 2,
    stores: Collection[str] | None = None,
    seed: int = 0,
) -> CorrectedArchive:
    """Write an archive to `folder`, `<data_dir>/<root_feat_folder>`.

    Args:
        experts: name -> `Expert`; those with `may_be_missing` lack in some videos.
        num_train, num_evaluated: the number of videos in each list to train on, and in each other one.
        num_captions: the number of captions of a video.
        stores: the experts in an `ExpertStore` (None: `face`, and every other one that is a vector).
    """
    layout, rng = layout_of(dataset, "2020"), np.random.default_rng(seed)
    trained = {split.train for split in layout.splits.values()}
    suffix = ".mp4" if layout.name == "DiDeMo" else ""
    videos = [f"video{i}{suffix}" for i in range(num_train + num_evaluated * len(layout.subsets))]
    ids, rest = {}, iter(videos[num_train:])
    for subset in layout.subsets:
        ids[subset] = videos[:num_train] if subset in trained else [next(rest) for _ in range(num_evaluated)]
    archive = CorrectedArchive(folder, ids)
    folder.mkdir(parents=True, exist_ok=True)
    for subset, names in ids.items():
        (folder / layout.subsets[subset].ids).write_text("\n".join(names))  # without a newline at the end
        if file := layout.subsets[subset].caption_index:
            write_pickle(folder / file, dict.fromkeys(names, num_captions - 1))
    latents = {video: rng.normal(size=LATENT_DIM) for video in archive.videos}

    def draw(video: str, projection: np.ndarray, rows: int) -> np.ndarray:
        x = latents[video] @ projection + 0.3 * rng.normal(size=(rows, projection.shape[1]))
        return x.astype(np.float16).astype(np.float32)  # float16 in an ExpertStore

    vectors = [name for name in sorted(experts) if experts[name].aggregation != "vlad"]
    stores = {"face", *vectors[::2]} if stores is None else stores
    for name, expert in experts.items():
        projection = rng.normal(size=(LATENT_DIM, expert.dim))
        values: dict[str, Any] = {}
        for i, video in enumerate(archive.videos):
            rows = draw(video, projection, int(rng.integers(1, 6)))
            values[video] = rows if name not in vectors else rows[0]
            if expert.may_be_missing and i % 3 == 1:
                values[video] = float("nan")
        archive.features[name] = {video: x if np.ndim(x) else None for video, x in values.items()}
        if expert.may_be_missing:  # no entry is as good as NaN
            absent = [video for video, x in archive.features[name].items() if x is None][-1]
            del values[absent]
        own = [split.experts.get(name) or layout.experts.get(name) for split in layout.splits.values()]
        files = [expert.file] if expert.file else [file for file in dict.fromkeys(own) if file]
        archive.files[name] = files
        for file in files:
            if name in stores and name in vectors:
                write_expert_store(folder / file, ExpertStore(values, expert.dim))
            elif file.endswith(".hickle"):
                write_hickle(folder / file, values)
            else:
                write_pickle(folder / file, {video: x[None] if np.ndim(x) == 1 else x for video, x in values.items()})
    projection = rng.normal(size=(LATENT_DIM, text_dim))
    for video in archive.videos:
        lengths = rng.integers(2, 7, size=num_captions)
        archive.captions[video] = [draw(video, projection, int(length)) for length in lengths]
        archive.words[video] = [rng.choice(WORDS, size=length).tolist() for length in lengths]
    _write_captions(archive, layout, text_feat)
    return archive


def _write_captions(archive: CorrectedArchive, layout: Any, text_feat: str) -> None:
    """Write the captions; those of MSVD that were made in 2019 go by YouTube id."""
    by_id = {video: video for video in archive.videos}
    if layout.caption_keys:
        by_id = {video: f"-id_{i}_{i + 10}" for i, video in enumerate(archive.videos)}
        write_pickle(archive.folder / layout.caption_keys, by_id)
    words = {by_id[video]: captions for video, captions in archive.words.items()}
    for file in {split.raw_captions or layout.raw_captions for split in layout.splits.values()}:
        write_pickle(archive.folder / file, words)
    pattern = layout.text[text_feat]
    for subset, videos in archive.ids.items():
        if isinstance(pattern, str) and "{subset}" not in pattern:
            videos, file = archive.videos, pattern
        elif not (file := pattern.format(subset=subset) if isinstance(pattern, str) else pattern.get(subset)):
            continue
        names = by_id if text_feat == "openai" else {}
        write_pickle(archive.folder / file, {names.get(video, video): archive.captions[video] for video in videos})


def write_archive_of_config(config: Mapping[str, Any], root: Path = Path(), **options: Any) -> CorrectedArchive:
    """Write the archive that a config of the corrected release reads, with its teachers and its captions to train on.

    Args:
        root: the folder below which `data_loader.args.data_dir` is.
        options: those of `write_corrected_archive`.
    """
    section, args = config["experts"], config["data_loader"]["args"]
    experts = resolve_experts(section, args.get("feat_aggregation"))
    folder = root / args["data_dir"] / args["root_feat_folder"]
    text_dim = resolve_text_dim(config)
    archive = write_corrected_archive(folder, args["dataset_name"], experts, section["text_feat"], text_dim, **options)
    train = archive.ids[layout_of(args["dataset_name"], "2020").splits[args["split_name"]].train]
    if file := config.get("training_file"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text("\n".join(train[1:]))
    if file := config.get("caption_masks"):
        write_pickle(folder / file, {video: [0, *[1] * (len(archive.captions[video]) - 1)] for video in train})
    if config.get("distil_loss"):
        for seed, name in enumerate(config["distil_params"]["teachers"]):
            path = folder / f"{config['distil_params'].get('base_path', '')}{name}"
            write_pickle(path, teacher_content(archive, experts, section.get("ce_shared_dim") or 8, seed))
    return archive


def teacher_content(archive: CorrectedArchive, experts: Collection[str], dim: int, seed: int) -> dict[str, Any]:
    """Return the content of a teacher's file: unit vectors, per video one and per caption one of each expert."""
    rng = np.random.default_rng(seed)

    def units(*shape: int) -> np.ndarray:
        x = rng.normal(size=shape).astype(np.float32)
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    return {
        video: {
            "vid_embds": {name: units(dim) for name in experts},
            "text_embds": {name: units(len(archive.captions[video]), dim) for name in experts},
        }
        for video in archive.videos
    }
