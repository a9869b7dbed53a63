"""Folds: what is in them, their data folders, and what cannot be cross-validated."""

import json
from pathlib import Path

import pytest
from helpers.toy_archive import changed
from hypothesis import given
from hypothesis import strategies as st

from data_loader.archive import Archive as OpenedArchive
from misc.reporting.folds import assign_folds, digest, fold_overrides, read_groups, read_pool, write_fold
from parse_config import ConfigParser
from utils.errors import InputError

PATH = Path("configs/toy/train-ce.json")
VIDEOS = st.lists(st.text("abc", min_size=1, max_size=4), min_size=6, max_size=40, unique=True)


def read(changes=()):
    """Return the config of the toy archive, with a test split and changes."""
    config = json.loads(PATH.read_text())
    return ConfigParser(changed(config, {"test_split": "test", **dict(changes)}), str(PATH), training=True)


@given(VIDEOS, st.integers(2, 6), st.dictionaries(st.text("abc", min_size=1, max_size=2), st.sampled_from("xyz")))
def test_folds_are_disjoint_cover_all_and_keep_groups_together(videos, count, groups):
    named = {groups.get(video, f"only {video}") for video in videos}
    if len(named) < count:
        with pytest.raises(InputError, match=f"--folds {count}: "):
            assign_folds(videos, count, groups)
        return
    folds = assign_folds(videos, count, groups)
    assert sorted(video for fold in folds for video in fold) == sorted(videos)
    fold_of = {video: k for k, fold in enumerate(folds) for video in fold}
    for group in groups.values():
        assert len({fold_of[video] for video in videos if groups.get(video) == group}) <= 1
    largest = max(sum(groups.get(video, video) == group for video in videos) for group in {*groups.values(), *videos})
    assert max(map(len, folds)) - min(map(len, folds)) <= max(largest, 1)
    assert assign_folds(videos[::-1], count, groups) == folds  # whatever the order of the lists


def test_folds_are_not_in_the_order_of_names_and_differ_in_their_digest():
    videos = [f"video{i:03d}" for i in range(100)]
    folds = assign_folds(videos, 5, {})
    assert [len(fold) for fold in folds] == [20] * 5
    assert all(fold == sorted(fold) and 20 <= int(fold[0][5:]) + 20 < 60 for fold in folds)
    assert len({digest(assign_folds(videos, count, {})) for count in (2, 3, 4, 5)}) == 4
    assert digest(folds) == digest(assign_folds(videos[::-1], 5, {})) != digest(assign_folds(videos[1:], 5, {}))


def test_the_pool_is_training_and_validation_videos_without_tested_ones(workplace, capsys):
    lists = workplace.lists
    assert sorted(read_pool(read())) == sorted(lists["train_list.txt"] + lists["val_list.txt"])
    assert capsys.readouterr().out == ""
    shared = lists["test_list.txt"][:2]
    with (workplace.folder / "train_list.txt").open("a") as file:
        file.writelines(f"{video}\n" for video in shared)
    assert sorted(read_pool(read())) == sorted(lists["train_list.txt"] + lists["val_list.txt"])
    assert "left out: 2 videos of data/Toy/symlinked-feats/test_list.txt" in capsys.readouterr().out
    (workplace.folder / "test_list.txt").unlink()  # a collection without test videos
    assert {*shared} < {*read_pool(read())}
    (workplace.folder / "few_list.txt").write_text("".join(f"{video}\n" for video in lists["train_list.txt"][:5]))
    assert sorted(read_pool(read({"training_file": "few_list.txt"}))) == sorted(
        lists["train_list.txt"][:5] + lists["val_list.txt"]
    )


def test_a_fold_has_links_to_all_features_its_own_lists_and_the_caches_of_the_archive(workplace, tmp_path):
    config, root = read(), tmp_path / "folds"
    ids = workplace.ids
    folder = root / "1" / "symlinked-feats"
    for _ in range(2):  # again over what is there
        write_fold(config, root / "1", ids[5:30], ids[:5])
        (folder / "rgb.pickle").unlink()
        (folder / "rgb.pickle").symlink_to("elsewhere")
    write_fold(config, root / "1", ids[5:30], ids[:5])
    assert {path.name for path in folder.iterdir()} == {path.name for path in workplace.folder.iterdir()}
    for path in folder.iterdir():
        assert path.is_symlink() == (path.name not in ("train_list.txt", "val_list.txt"))
        assert not path.is_symlink() or path.resolve() == (workplace.folder / path.name).resolve()
    assert (folder / "train_list.txt").read_text().split() == ids[5:30]
    assert (folder / "val_list.txt").read_text().split() == ids[:5]
    assert (workplace.folder / "val_list.txt").read_text().split() == workplace.lists["val_list.txt"]
    own = fold_overrides(config, root, 1)
    assert own["data_loader.args.data_dir"] == str(root / "1") and own["test_split"] == "val"
    assert own["data_loader.args.cache_dir"] == "data/Toy/cache"
    other = fold_overrides(read({"data_loader.args.cache_dir": "elsewhere"}), root, 1)
    assert other["data_loader.args.cache_dir"] == "elsewhere"
    assert OpenedArchive(root / "1", "Toy", "val").video_ids("val", "toy", 10) == ids[:5]


def test_refuses_what_has_no_videos_to_move(workplace):
    with pytest.raises(InputError, match="best epoch is selected on the test split 'val'"):
        read_pool(read({"test_split": "val"}))


@pytest.mark.parametrize(
    ("dataset", "split", "text"), [("LSMDC", "val", "w2v"), ("MSRVTT", "jsfusion", "toy"), ("ActivityNet", "val1", "openai")]
)
def test_refuses_archives_whose_videos_cannot_move(workplace, dataset, split, text):
    args = {"dataset_name": dataset, "split_name": split}
    config = read({f"data_loader.args.{key}": value for key, value in args.items()} | {"experts.text_feat": text})
    with pytest.raises(InputError, match=f"{dataset} has files for the videos of one list only"):
        read_pool(config)


def test_groups_are_read_from_lines(tmp_path):
    path = tmp_path / "groups.txt"
    path.write_text("a x\n\nname with spaces x\nother y\n")
    assert read_groups(path, ["a", "b", "name with spaces"]) == {"a": "x", "name with spaces": "x"}
    with pytest.raises(InputError, match="none of the 1 video, first 'b'"):
        read_groups(path, ["b"])
    path.write_text("a x\na x\na y\n")
    with pytest.raises(
        InputError, match="line 3: found video 'a' in group 'y', before in 'x', expected one group per video"
    ):
        read_groups(path, ["a"])
    path.write_text("a x\nb\n")
    with pytest.raises(InputError, match="line 2: found 'b', expected a video, a space and its group"):
        read_groups(path, ["a"])
    with pytest.raises(InputError, match="cannot be read"):
        read_groups(tmp_path / "nothing", ["a"])
