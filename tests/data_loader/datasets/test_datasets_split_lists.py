"""The published split lists: their names, their sizes, and the names that two of them share."""

import hashlib
import itertools
import json
import shutil

import pytest
from helpers.paths import shared

from data_loader.archive import Archive
from data_loader.datasets import LAYOUTS
from data_loader.readers import read_video_list
from utils.errors import InputError

SPLITS = [(name, split) for name, layout in LAYOUTS.items() if layout.name not in ("", "LSMDC") for split in layout.splits]


@pytest.fixture
def lists():
    """Return the expected properties of each published list, by (dataset, file)."""
    content = json.loads(shared("splits", "splits.json").read_text())
    return {(entry["dataset"], entry["list"]): entry for entry in content["lists"] if entry.get("copy")}


@pytest.fixture
def unpacked(tmp_path, lists):
    """Open a split of a dataset whose archive holds only its published lists."""
    for (dataset, file), entry in lists.items():
        folder = tmp_path / dataset / "symlinked-feats"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(shared("splits", *entry["copy"].split("/")), folder / file)
    return lambda dataset, split: Archive(tmp_path / dataset, dataset, split)


def names_in(lists, dataset, file):
    """Return the names in a list, which are read without our code, and check that it is the published one."""
    entry = lists[dataset, file]
    content = shared("splits", *entry["copy"].split("/")).read_bytes()
    assert (hashlib.sha1(content).hexdigest(), len(content)) == (entry["sha1"], entry["bytes"])
    names = content.decode("ascii").split("\n")
    names = names[:-1] if names[-1] == "" else names
    assert (len(names), len(set(names)), names[0]) == (entry["count"], entry["distinct"], entry["first"])
    assert all(name and name == name.strip() and " " not in name for name in names)
    return [name[: name.index(".")] for name in names] if dataset == "DiDeMo" else names


def test_every_published_list_is_that_of_a_subset(lists):
    declared = {(name, subset.ids) for name, layout in LAYOUTS.items() for subset in layout.subsets.values()}
    assert lists.keys() <= declared and len(lists) == 16


@pytest.mark.parametrize(("dataset", "split"), SPLITS)
def test_a_split_has_the_names_of_its_lists(lists, unpacked, caplog, dataset, split):
    archive = unpacked(dataset, split)
    found = {subset: archive.video_ids(subset, "openai", 768) for subset in (archive.split.train, archive.split.evaluation)}
    for subset, ids in found.items():
        assert ids == names_in(lists, dataset, archive.layout.subsets[subset].ids)
        assert len(set(ids)) == len(ids) == archive.layout.subsets[subset].size
    archive.warn_of_overlap(found[archive.split.evaluation])
    assert not caplog.records  # numbers as published, no video is used for both training and test


def test_cut_names_of_didemo_are_unique_over_all_lists(lists):
    names = [name for dataset, file in lists if dataset == "DiDeMo" for name in names_in(lists, dataset, file)]
    assert len(set(names)) == len(names) == 10461
    files = [shared("splits", "didemo", file).read_text() for dataset, file in lists if dataset == "DiDeMo"]
    assert sum(file.count(".\n") for file in files) == 193


def test_lists_share_the_documented_names(lists):
    shared_names = json.loads(shared("splits", "splits.json").read_text())["names_shared_between_lists"]
    found = {}
    for (dataset, one), (other_dataset, other) in itertools.combinations(sorted(lists), 2):
        both = set(names_in(lists, dataset, one)) & set(names_in(lists, other_dataset, other))
        if dataset == other_dataset and both:
            found[f"{dataset}: {one} & {other}"] = len(both)
    assert found == shared_names


ODD = {"a.": "a", "b.mp4": "b", "c.3gpp": "c", "d.null": "d", "e": "e", "f.tar.gz": "f", "-g.h_i": "-g"}


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\n\n", " \n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "BOM"])
def test_names_of_didemo_end_at_their_first_dot(tmp_path, ending, mark):
    folder = tmp_path / "symlinked-feats"
    folder.mkdir()
    (folder / "val_list.txt").write_bytes(mark + ending.join(ODD).encode())
    assert Archive(tmp_path, "DiDeMo", "val").video_ids("val", "openai", 768) == list(ODD.values())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.mp4", "b.mp4", "a."], "'a' is there 2 times, expected once"),
        (["a.mp4", ".mp4"], "'.mp4' has no name before its dot"),
    ],
)
def test_names_of_didemo_that_cannot_be_cut_are_refused(tmp_path, names, message):
    folder = tmp_path / "symlinked-feats"
    folder.mkdir()
    (folder / "val_list.txt").write_text("\n".join(names))
    with pytest.raises(InputError) as caught:
        Archive(tmp_path, "DiDeMo", "val").video_ids("val", "openai", 768)
    assert str(caught.value) == f"{folder / 'val_list.txt'}: {message}"


def test_names_of_other_datasets_keep_their_dots(tmp_path):
    (tmp_path / "list.txt").write_text("\n".join(ODD))
    assert read_video_list(tmp_path / "list.txt", str) == list(ODD)
