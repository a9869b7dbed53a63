"""The rules of misc/docs/missing-experts.md: each cell of its table says what the archive does with such an item."""

import dataclasses
import pickle

import numpy as np
import pytest
from helpers.markdown_tables import tables
from helpers.paths import ROOT

from data_loader.archive import Archive
from data_loader.datasets import layout_of
from data_loader.experts import EXPERTS
from utils.errors import InputError

PAGE = (ROOT / "misc/docs/missing-experts.md").read_text()
RULES = {row.pop("In the file"): row for row in tables(PAGE)["missing"]}
DIM = 3
NUMBERS = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
VALUES = {
    "the float NaN as the value": float("nan"),
    "an array without numbers": np.zeros((0, DIM)),
    "NaN as the first number": np.array([[np.nan, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    "only zeros": np.zeros((2, DIM)),
    "other numbers": NUMBERS,
    "other numbers, marked as missing": NUMBERS,
    "NaN after the first number": np.array([[1.0, 2.0, 3.0], [4.0, np.nan, 6.0]]),
}
OCCASIONAL, CONSTANT = ("audio", "face", "ocr", "speech"), ("flow", "rgb", "scene")
BY_NAME = {  # dataset -> split, its subset to evaluate
    "MSRVTT": ("full-val", "full-val"),
    "MSVD": ("dev", "val"),
    "DiDeMo": ("val", "val"),
    "ActivityNet": ("val1", "val1"),
}
COLUMNS = {  # column -> datasets, experts, the subset (None: each of them)
    "own": (("Toy",), tuple(EXPERTS), None),
    "occasional": (tuple(BY_NAME), OCCASIONAL, None),
    "constant": (tuple(BY_NAME), CONSTANT, None),
    "LSMDC train": (("LSMDC",), ("face", "ocr"), "train"),
    "LSMDC test": (("LSMDC",), ("face", "ocr"), "test"),
    "LSMDC constant": (("LSMDC",), ("audio", *CONSTANT), None),
}


def cases():
    """Yield column, dataset, expert and subset for all that the table covers."""
    for column, (datasets, experts, only) in COLUMNS.items():
        for dataset in datasets:
            known = experts if dataset == "Toy" else [name for name in experts if name in layout_of(dataset).experts]
            for name in known:
                subsets = [only] if only else ["train", "test"] if dataset == "LSMDC" else ["evaluation"]
                yield from (
                    pytest.param(column, dataset, name, subset, id=f"{dataset}-{name}-{subset}") for subset in subsets
                )


def objects(values):
    """Return a 1-d array of objects of any shapes."""
    array = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        array[row] = value
    return array


def write(folder, dataset, name, subset):
    """Write an archive whose videos are named by the rows of the table, and return its reader, subset and expert."""
    split, evaluation = BY_NAME.get(dataset, ("val", subset if dataset == "LSMDC" else "val"))
    layout, expert = layout_of(dataset), dataclasses.replace(EXPERTS[name], dim=DIM, embed_dim=None)
    feats = folder / "symlinked-feats"
    feats.mkdir()
    file = layout.experts[name]
    file = (file if isinstance(file, str) else file[evaluation]).format(rgb_model_name="x", aggregation=expert.aggregation)
    videos = [form for form in RULES if form in VALUES]
    if layout.by_row:
        np.save(feats / file, objects([VALUES[form] for form in videos]), allow_pickle=True)
        np.save(feats / "w2v_LSMDC.npy", objects([np.ones((1, 2), np.float32)] * len(videos)), allow_pickle=True)
        marks = np.array([form.endswith("marked as missing") for form in videos], float)
        for marked in ("face", "ocr"):
            np.save(feats / f"no_{marked}_ind_retrieval.npy", marks)
    else:
        path = feats / (file if dataset != "Toy" else f"{file}.pickle")
        if path.suffix == ".npy":
            np.save(path, np.array(VALUES, dtype=object), allow_pickle=True)
        else:
            path.write_bytes(pickle.dumps(VALUES))
        videos = list(RULES)
    if layout.subsets[evaluation].ids:
        (feats / layout.subsets[evaluation].ids).write_text("".join(f"{video}\n" for video in videos))
    reader = Archive(folder, dataset, split, rgb_model_name="x")
    return reader, evaluation, expert, dict(zip(videos, reader.video_ids(evaluation, "w2v", 2), strict=True))


def outcome(reader, subset, name, expert, form, ids, caplog):
    """Read one item beside a good one, and return the word that the table has for what happens."""
    caplog.clear()
    video = ids[form]
    try:
        features = reader.features(name, expert, subset, [ids["other numbers"], video])
    except InputError as error:
        names = (video, str(list(ids).index(form)))  # rows have only a number
        assert any(f"'{x}'" in str(error) for x in names) and str(reader.folder) in str(error)
        return "refused"
    warned = any(f"'{video}'" in record.getMessage() for record in caplog.records)
    assert features.available[0]
    if not features.available[1]:
        assert features[1] is None
        return "warned" if warned else "missing"
    expected = np.asarray(VALUES[form], np.float32)
    if reader.layout.by_row and not expected.any():
        expected = expected[:0]  # frames of zeros are padding
    expected = {"vlad": expected, "avg": expected.sum(axis=0) / max(1, len(expected))}[expert.aggregation]
    np.testing.assert_array_equal(features[1], expected)
    return "present"


@pytest.mark.parametrize(("column", "dataset", "name", "subset"), list(cases()))
def test_each_cell_of_the_table_is_what_the_reader_does(tmp_path, caplog, column, dataset, name, subset):
    reader, subset, expert, ids = write(tmp_path, dataset, name, subset)
    by_expert = {"audio present, others warned": "present" if name == "audio" else "warned"}
    found, strict, expected = {}, {}, {}
    for form, cells in RULES.items():
        cell = cells[column]
        if cell == "-" or (dataset == "LSMDC" and form not in VALUES):
            assert cell == "-"
            continue
        expected[form] = by_expert.get(cell, cell)
        found[form] = outcome(reader, subset, name, expert, form, ids, caplog)
        needed = dataclasses.replace(expert, may_be_missing=False)
        strict[form] = outcome(reader, subset, name, needed, form, ids, caplog)
    assert found == expected
    assert strict == {form: "present" if cell == "present" else "refused" for form, cell in expected.items()}


def test_every_row_of_the_table_is_tried():
    assert set(RULES) == {"no entry for the video", *VALUES}
    assert {column for cells in RULES.values() for column in cells} == set(COLUMNS)
