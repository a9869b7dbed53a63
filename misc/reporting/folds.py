"""Folds of a cross-validation: the training and validation videos of a config in k parts, and a data folder for each."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_loader.archive import Archive
from data_loader.datasets.layout import Layout, Split
from data_loader.readers import read_video_list
from parse_config import ConfigParser
from utils.errors import InputError, count_text
from utils.files import write_bytes


def read_pool(config: ConfigParser) -> list[str]:
    """Return the videos to train and validate on, without those of the test split; print how many those are.

    Raises:
        InputError: the config tests on its validation videos, or its archive has files for the videos of one subset only.
    """
    archive, split = _open(config)
    test = archive.layout.splits[config.test_split()].evaluation
    if test == split.evaluation:
        raise InputError(
            f"{config.source}: the best epoch is selected on the test split '{config.test_split()}', expected a "
            "validation split in data_loader.args.split_name, or the split to keep out in test_split"
        )
    lists = (config.get("training_file") or _list(archive.layout, split.train), _list(archive.layout, split.evaluation))
    videos = dict.fromkeys(video for name in lists for video in read_video_list(archive.folder / name, archive.to_id))
    test_list = archive.folder / _list(archive.layout, test)
    tested = set(read_video_list(test_list, archive.to_id)) if test_list.exists() else set()
    if left_out := tested & videos.keys():
        print(f"left out: {count_text(len(left_out), 'video')} of {test_list}")
    return [video for video in videos if video not in tested]


def read_groups(path: Path, videos: Sequence[str]) -> dict[str, str]:
    """Return the group of each video in a file of lines `<video> <group>`; videos that it leaves out are their own group.

    Raises:
        InputError: a line of another form, a video in two groups, or no line about any of `videos`.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}), expected lines with a video and its group") from None
    groups = {}
    for number, line in enumerate(lines, 1):
        video, _, group = line.strip().rpartition(" ")
        if line.strip() and not video:
            raise InputError(f"{path}, line {number}: found '{line[:80]}', expected a video, a space and its group")
        if groups.setdefault(video.strip(), group) != group:
            found = f"video '{video.strip()[:80]}' in group '{group[:80]}', before in '{groups[video.strip()][:80]}'"
            raise InputError(f"{path}, line {number}: found {found}, expected one group per video")
    if not groups.keys() & set(videos):
        raise InputError(f"{path}: none of the {count_text(len(videos), 'video')}, first '{videos[0]}', expected some")
    return {video: groups[video] for video in videos if video in groups}


def assign_folds(videos: Sequence[str], count: int, groups: Mapping[str, str]) -> list[list[str]]:
    """Return `count` parts of `videos`, each sorted, of about the same size; a group is in one part.

    Groups are assigned in the order of a hash of their names, each to the smallest part so far, so that parts do not depend
    on the order of `videos`.
    """
    members: dict[tuple[bool, str], list[str]] = {}
    for video in videos:
        members.setdefault((video in groups, groups.get(video, video)), []).append(video)
    folds: list[list[str]] = [[] for _ in range(count)]
    for group in sorted(members, key=lambda group: (hashlib.sha256(group[1].encode()).digest(), group)):
        min(folds, key=len).extend(members[group])
    if not all(folds):
        raise InputError(f"--folds {count}: found {count_text(len(members), 'group')}, expected as many or more")
    return [sorted(fold) for fold in folds]


def digest(folds: Sequence[Sequence[str]]) -> str:
    """Return a name for these folds, which has to change with them: results of other folds are other results."""
    return hashlib.sha256(json.dumps(folds).encode()).hexdigest()[:8]


def write_fold(config: ConfigParser, folder: Path, train: Sequence[str], val: Sequence[str]) -> None:
    """Make a data folder with links to the features of the config, and lists of the videos to train and to validate on."""
    archive, split = _open(config)
    target = folder / archive.folder.relative_to(config["data_loader"]["args"]["data_dir"])
    target.mkdir(parents=True, exist_ok=True)
    lists = {_list(archive.layout, split.train): train, _list(archive.layout, split.evaluation): val}
    for source in archive.folder.iterdir():
        link = target / source.name
        if source.name not in lists and not (link.is_symlink() and link.readlink() == source.resolve()):
            link.unlink(missing_ok=True)
            link.symlink_to(source.resolve())
    for name, videos in lists.items():
        write_bytes(target / name, "".join(f"{video}\n" for video in videos).encode())


def fold_overrides(config: ConfigParser, root: Path, fold: int) -> dict[str, str]:
    """Return the keys of the config that differ in the trainings of a fold, whose data folder is `root / str(fold)`.

    All folds share the caches of the features. The best epoch is evaluated on the fold, and nothing else.
    """
    args = config["data_loader"]["args"]
    return {
        "name": config["name"],
        "data_loader.args.data_dir": str(root / str(fold)),
        "data_loader.args.cache_dir": args.get("cache_dir") or str(Path(args["data_dir"], "cache")),
        "trainer.save_dir": str(root),
        "trainer.save_only_best": "true",
        "trainer.tensorboard": "false",
        "data_loader.args.split_name": args["split_name"],
        "test_split": args["split_name"],
        "training_file": "null",
        "eval_config": "null",
        "eval_settings": "false",
        "visualizer": "null",
    }


def _open(config: ConfigParser) -> tuple[Archive, Split]:
    """Return the archive of a config and its split; raise an InputError if a video cannot move to another list."""
    args = config["data_loader"]["args"]
    archive = Archive(*(args.get(key) for key in ("data_dir", "dataset_name", "split_name", "rgb_model_name", "cache_dir")),
                      root_feat_folder=args.get("root_feat_folder"))  # fmt: skip
    layout, split = archive.layout, archive.split
    files = [layout.text.get(config["experts"]["text_feat"], ""), *layout.experts.values(), *split.experts.values()]
    subsets = [layout.subsets[name] for name in (split.train, split.evaluation)]
    by_subset = any(not isinstance(file, str) or "{subset}" in file for file in files)
    if by_subset or any(subset.caption_index for subset in subsets):
        raise InputError(
            f"{config.source}: {layout.name} has files for the videos of one list only, "
            "expected an archive whose videos can move from one list to another"
        )
    return archive, split


def _list(layout: Layout, subset: str) -> str:
    """Return the name of the list of a subset, which `_open` has checked."""
    return layout.subsets[subset].ids or ""
