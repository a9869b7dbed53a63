"""A cache is invalid as soon as the file, a setting or the version differs from those that it was built from."""

import dataclasses
import os
import pickle

import numpy as np
import pytest

from data_loader import store
from data_loader.conversion import CaptionEncoder, FeatureEncoder
from data_loader.experts import Expert
from data_loader.store import open_table

EXPERT = Expert(6, aggregation="vlad")


def write(path, value, rows, time=10**18):
    path.write_bytes(pickle.dumps({"a": np.full((rows, 6), value)}))
    os.utime(path, ns=(time, time))
    return path


def read(path, encoder, folder):
    return open_table(path, encoder, folder, None).read(0)


@pytest.mark.parametrize("change", [{"rows": 3}, {"time": 10**18 + 1}, {"time": 10**18 - 1}], ids=str)
def test_another_size_or_another_time_by_itself_makes_a_cache_out_of_date(tmp_path, change):
    source, encoder = tmp_path / "rgb.pickle", FeatureEncoder(EXPERT)
    assert (read(write(source, 1.0, 2), encoder, tmp_path) == np.ones((2, 6))).all()
    write(source, 2.0, **{"rows": 2} | change)
    found = read(source, encoder, tmp_path)
    assert found.shape == (change.get("rows", 2), 6) and (found == 2).all()


@pytest.mark.parametrize(
    "changed",
    [
        FeatureEncoder(dataclasses.replace(EXPERT, kind="vector")),
        FeatureEncoder(EXPERT, zeros_are_missing=False),
        FeatureEncoder(EXPERT, zeros_pad=True),
    ],
    ids=["kind", "zeros_are_missing", "zeros_pad"],
)
def test_another_setting_by_itself_makes_a_cache_out_of_date(tmp_path, monkeypatch, changed):
    source, converted = write(tmp_path / "rgb.pickle", 1.0, 1), []
    convert = store.convert
    monkeypatch.setattr(store, "convert", lambda *args: (converted.append(args[1]), convert(*args)))
    for encoder in (FeatureEncoder(EXPERT), changed, changed, FeatureEncoder(EXPERT)):
        read(source, encoder, tmp_path)
    assert len(converted) == 3


def test_features_and_captions_of_one_file_have_a_cache_each(tmp_path):
    source = write(tmp_path / "x.pickle", 0.0, 2)
    assert len(open_table(source, FeatureEncoder(EXPERT), tmp_path, None).sequences(0)) == 0  # zeros: missing
    assert open_table(source, CaptionEncoder(6), tmp_path, None).read(0).shape == (2, 6)
