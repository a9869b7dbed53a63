"""Conversion of a feature file to the cache: item by item, and without remains if it fails."""

import pickle

import numpy as np
import pytest
from tqdm import tqdm

from data_loader import conversion
from data_loader.conversion import FeatureEncoder, RawCaptionEncoder
from data_loader.experts import Expert
from data_loader.store import open_table
from utils.errors import InputError

FRAMES = FeatureEncoder(Expert(6, aggregation="vlad"))


def write(path, content):
    path.write_bytes(pickle.dumps(content, protocol=2))
    return path


def test_an_interrupted_conversion_leaves_no_files(tmp_path, monkeypatch):
    source = write(tmp_path / "rgb.pickle", {f"v{i}": np.ones((3, 6)) for i in range(10)})
    encode, seen = FRAMES.encode, []

    def interrupt(path, name, value):
        seen.append(name)
        if len(seen) == 5:
            raise KeyboardInterrupt
        return encode(path, name, value)

    monkeypatch.setattr(FRAMES, "encode", interrupt)
    with pytest.raises(KeyboardInterrupt):
        open_table(source, FRAMES, tmp_path / "cache", None)
    assert not list((tmp_path / "cache").iterdir())
    assert len(open_table(source, FRAMES, tmp_path / "cache", None)) == 10


def test_a_full_disk_names_the_cache_not_the_source(tmp_path, monkeypatch):
    source = write(tmp_path / "rgb.pickle", {"a": np.ones((3, 6))})

    def fail(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(conversion._BlockWriter, "flush", fail)
    with pytest.raises(InputError, match=r"rgb.pickle.vlad-6.h5: No space left on device \(the cache of .*cache_dir"):
        open_table(source, FRAMES, tmp_path / "cache", None)
    assert not list((tmp_path / "cache").iterdir())


def test_a_pickle_is_converted_item_by_item(tmp_path, monkeypatch):
    """Half of the items are converted when half of the file is read."""
    content = {f"v{i}": np.full((1000, 6), i + 1, "f2") for i in range(100)}
    source = write(tmp_path / "rgb.pickle", content)
    position, encode = [], FRAMES.encode
    size = source.stat().st_size

    def watch(path, name, value):
        position.append(advanced[0] / size)
        return encode(path, name, value)

    advanced = [0]

    class Bar(tqdm):
        def update(self, n=1):
            advanced[0] += n

    monkeypatch.setattr(conversion, "byte_bar", lambda *_: Bar(disable=True))
    monkeypatch.setattr(FRAMES, "encode", watch)
    table = open_table(source, FRAMES, tmp_path, None)
    assert table.names == list(content)
    for i, x in enumerate(content.values()):
        np.testing.assert_array_equal(table.read(i), x)
    half = np.interp(0.5, position, range(100))
    assert 40 < half < 60


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        (["a \ud800 b"], r"raw.pickle: 'v' has invalid letters \(surrogates not allowed\), expected text"),
        ([["a", 3]], "raw.pickle: 'v' has a int for a word, expected text"),
    ],
)
def test_captions_of_other_things_than_text_are_refused(tmp_path, captions, message):
    with pytest.raises(InputError, match=message):
        RawCaptionEncoder().encode(tmp_path / "raw.pickle", "v", captions)
