"""A new dataset in one file, and the declarations of the known ones."""

import shutil
import subprocess
import sys

import pytest
from helpers.paths import ROOT

from data_loader import datasets
from data_loader.experts import EXPERTS

SIXTH = """
from data_loader.datasets.layout import Layout, Split, Subset

LAYOUT = Layout(
    name="Sixth",
    folder="sixth",
    subsets={"train": Subset("a.txt", 7), "test": Subset("b.txt", 3)},
    splits={"test": Split("train", "test")},
    experts={"rgb": "rgb.npy"},
    text={"w2v": "words-{subset}.pkl"},
)
"""


def test_a_sixth_dataset_is_one_file(tmp_path):
    for package in ("data_loader", "utils"):
        shutil.copytree(ROOT / package, tmp_path / package)
    (tmp_path / "data_loader/datasets/sixth.py").write_text(SIXTH)
    program = "from data_loader.datasets import layout_of; print(layout_of('Sixth').subsets['test'].size)"
    result = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.stdout == "3\n", result.stderr


def test_names_are_known_in_any_case_and_unknown_ones_are_your_own():
    assert datasets.layout_of("msvd") is datasets.LAYOUTS["MSVD"]
    assert datasets.layout_of("Stamps") is datasets.LAYOUTS[""]


@pytest.mark.parametrize("layout", datasets.LAYOUTS.values(), ids=lambda layout: layout.name or "own")
def test_declarations_are_complete(layout):
    assert {
        subset for split in layout.splits.values() for subset in (split.train, split.evaluation)
    } <= layout.subsets.keys()
    for split in layout.splits.values():
        assert {name.partition("-")[0] for name in split.experts} <= layout.experts.keys()
    if layout.name:
        assert layout.experts.keys() <= EXPERTS.keys() and {"rgb", "flow", "scene"} <= layout.experts.keys()
        assert all(len(sha1) == 40 for sha1 in layout.download.sha1)
