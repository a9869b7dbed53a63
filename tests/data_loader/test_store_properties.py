"""Features read from a store equal those written to the file, in each file format."""

import os
import pickle

import h5py
import msgpack
import msgpack_numpy
import numpy as np
import pytest
from helpers.properties import examples
from hypothesis import given
from hypothesis import strategies as st

from data_loader import conversion
from data_loader.conversion import CaptionEncoder, FeatureEncoder, RawCaptionEncoder
from data_loader.experts import Expert
from data_loader.store import Captions, Features, RawCaptions, open_table
from utils.errors import InputError

AGGREGATIONS = ["vlad", "avg", "max", "none"]
MISSING = ["absent", "NaN", "NaN frames", "first NaN", "zeros", "empty", "empty list"]
KINDS = ["frames", "frames", "vector", "padded", "large", "almost zeros", *MISSING]
FORMATS = ["pickle", "pkl", "npy", "h5", "mp"]
DTYPES = st.lists(st.sampled_from(["f2", "f4", "f8", "i4", "i2"]), min_size=1, max_size=2)


def write(path, content, protocol=None):
    """Write a dict from name to value, or a list or array of rows, in the format of the suffix of `path`."""
    if path.suffix == ".npy":
        if isinstance(content, list):  # numpy would make one array of them
            rows = np.empty(len(content), dtype=object)
            rows[:] = content
            content = rows
        np.save(path, np.array(content, dtype=object) if isinstance(content, dict) else content, allow_pickle=True)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for name, value in content.items():
                file[name] = value
    elif path.suffix == ".mp":
        path.write_bytes(msgpack.packb(content, default=msgpack_numpy.encode))
    else:
        path.write_bytes(pickle.dumps(content, protocol))
    return path


def make_value(kind, rows, dim, dtype, rng):
    """Return the features of a video as they are in a file."""
    numbers = (9 * rng.normal(size=(rows, dim))).astype(dtype)
    numbers[0, 0] = 5  # not zero
    if kind == "vector":
        return numbers[0]
    if kind == "padded":
        return np.concatenate([numbers, np.zeros((2, dim), dtype)])
    if kind == "large" and dtype == "f2":
        return np.full((rows, dim), 60000, dtype)  # their sum overflows
    if kind == "almost zeros":
        return np.where(np.arange(dim) < dim - 1, 0, 1e-30).astype("f4")[None]
    if kind == "zeros":
        return np.zeros((rows, dim), dtype)
    if kind == "NaN":
        return np.float32(np.nan)
    if kind in ("NaN frames", "first NaN"):
        numbers = numbers.astype("f4")
        numbers[slice(None) if kind == "NaN frames" else 0, slice(None) if kind == "NaN frames" else 0] = np.nan
        return numbers
    if kind == "empty":
        return np.zeros((0, dim), dtype)
    return [] if kind == "empty list" else numbers


def features_of(value, aggregation, zeros_are_missing, zeros_pad=False):
    """Return the features of a video as they are used, None if they are missing."""
    x = np.asarray([] if value is None else value, dtype=np.float64)
    dim = x.shape[-1] if x.ndim else 0
    if value is None or not x.ndim:
        return None
    if not x.size:
        return np.zeros((0, dim)) if aggregation == "vlad" and not zeros_are_missing else None
    x = x.reshape(-1, dim)
    if np.isnan(x[0, 0]) or (zeros_are_missing and not x.any()):
        return None
    while zeros_pad and len(x) and not x[-1].any():
        x = x[:-1]
    return {"vlad": x, "avg": x.mean(axis=0), "max": x.max(axis=0), "none": x[0]}[aggregation]


def assert_features(features, index, expected, max_frames):
    """Compare the features of a video, also the first frames of them."""
    assert features.available[index] == (expected is not None)
    for limit in (None, max_frames):
        found = features.get(index, limit)
        if expected is None:
            assert found is None
            continue
        assert found.dtype == np.float32
        wanted = expected[:limit] if expected.ndim == 2 else expected
        if wanted.size:
            tolerance = 1e-5 if expected.ndim == 1 else 0  # a mean may round
            np.testing.assert_allclose(found, wanted.astype(np.float32), rtol=tolerance, atol=tolerance)
            assert found.shape == wanted.shape
        else:
            assert found.size == 0


@st.composite
def archives(draw):
    """Draw the features of videos, some of which are the same object, and the expert that they are of."""
    aggregation, dim = draw(st.sampled_from(AGGREGATIONS)), draw(st.integers(1, 4))
    rng, dtypes = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), draw(DTYPES)
    values = []
    for number, kind in enumerate(draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=8))):
        rows = 1 if aggregation == "none" else draw(st.integers(1, 20))
        kind = "vector" if aggregation == "none" and kind == "padded" else kind
        values.append(None if kind == "absent" else make_value(kind, rows, dim, dtypes[number % len(dtypes)], rng))
    if draw(st.booleans()):
        values.append(values[0])
    expert = Expert(dim, kind="vector" if aggregation == "none" else "sequence", aggregation=aggregation)
    return {f"v{i}{draw(st.sampled_from(['', 'é', '/x', '.mp4']))}": x for i, x in enumerate(values)}, expert


@given(
    archive=archives(),
    suffix=st.sampled_from(FORMATS),
    protocol=st.integers(0, pickle.HIGHEST_PROTOCOL),
    block_bytes=st.integers(60, 400),
    zeros_are_missing=st.booleans(),
    max_frames=st.integers(1, 25),
)
@examples(75)
def test_features_are_those_in_the_file(
    tmp_path_factory, archive, suffix, protocol, block_bytes, zeros_are_missing, max_frames
):
    content, expert = archive
    folder = tmp_path_factory.mktemp("store")
    source = write(folder / f"rgb.{suffix}", {name: x for name, x in content.items() if x is not None}, protocol)
    expected = {name: features_of(x, expert.aggregation, zeros_are_missing) for name, x in content.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "BLOCK_BYTES", block_bytes)
        patch.setattr(os, "fsync", lambda file: None)  # it takes most of the time
        for _ in range(2):  # the second time from the cache
            table = open_table(source, FeatureEncoder(expert, zeros_are_missing), folder / "cache", None)
            assert not table.problems
            place = {name: item for item, name in enumerate(table.names)}
            items = np.array([place.get(name, -1) for name in content])
            features = Features(table, items, sequential=expert.aggregation == "vlad")
            for index, wanted in enumerate(expected.values()):
                assert_features(features, index, wanted, max_frames)
            patch.setattr("data_loader.store.convert", None)
    kept = [content[name] for name, x in expected.items() if x is not None and x.size]
    exact = expert.aggregation in ("vlad", "none") and all(np.asarray(x).dtype == np.float16 for x in kept)
    dtype = np.dtype("f2" if exact else "f4")
    max_rows = max([block_bytes // (dtype.itemsize * expert.dim), *map(len, map(np.atleast_2d, kept))])
    with h5py.File(next((folder / "cache").iterdir())) as file:
        blocks = list(file["blocks"].values())
        assert all(block.dtype == dtype and len(block) <= max_rows for block in blocks)


@given(
    rows=st.lists(st.sampled_from(["frames", "padded", "zeros"]), min_size=1, max_size=6),
    aggregation=st.sampled_from(["vlad", "avg"]),
    suffix=st.sampled_from(["npy", "pickle"]),
    ragged=st.booleans(),
    seed=st.integers(0, 99),
    max_frames=st.integers(1, 9),
)
@examples(40)
def test_rows_of_an_array_are_those_in_the_file_without_their_padding(
    tmp_path_factory, rows, aggregation, suffix, ragged, seed, max_frames
):
    folder, rng = tmp_path_factory.mktemp("store"), np.random.default_rng(seed)
    lengths = [int(rng.integers(1, 7)) for _ in rows] if ragged else [4] * len(rows)
    values = [
        make_value(kind, n - 2 * (kind == "padded" and n > 2), 3, "f4", rng) for kind, n in zip(rows, lengths, strict=True)
    ]
    source = write(folder / f"rgb.{suffix}", values if ragged else np.stack(values))
    expert = Expert(3, aggregation=aggregation)
    table = open_table(source, FeatureEncoder(expert, zeros_pad=True), folder / "cache", None)
    assert table.names is None and len(table) == len(rows)
    features = Features(table, np.arange(len(rows)), sequential=aggregation == "vlad")
    for index, value in enumerate(values):
        assert_features(features, index, features_of(value, aggregation, True, aggregation == "vlad"), max_frames)


WORDS = st.lists(st.text("aé ", min_size=1, max_size=3), max_size=4)
RAW_CAPTIONS = st.text("aé \udcff", max_size=5) | WORDS | WORDS.map(lambda words: [word.encode() for word in words])


@st.composite
def captioned(draw):
    """Draw word vectors (words, dim) of captions, some without a word, and texts, which may be too many or too few."""
    dim, rng = draw(st.integers(1, 3)), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dtypes = draw(st.lists(st.sampled_from(["f2", "f4", "f8"]), min_size=1, max_size=2))
    lengths = draw(st.lists(st.lists(st.sampled_from([3, 1, 5, 2, 0]), min_size=1, max_size=4), min_size=1, max_size=5))
    vectors = {
        f"v{i}": [rng.normal(size=(n, dim)).astype(dtypes[k % len(dtypes)]) for k, n in enumerate(row)]
        for i, row in enumerate(lengths)
    }
    texts = {}
    for name, captions in vectors.items():
        count = len(captions) + draw(st.sampled_from([0, 0, 0, 1, -1]))
        texts[name] = draw(st.lists(RAW_CAPTIONS, min_size=count, max_size=count))
    return vectors, {name: x for name, x in texts.items() if draw(st.integers(0, 4))}, dim


def as_text(caption):
    if isinstance(caption, str):
        return caption
    return " ".join(word if isinstance(word, str) else word.decode() for word in caption)


@given(
    case=captioned(),
    suffix=st.sampled_from(["pickle", "npy", "mp"]),
    block_bytes=st.integers(10, 200),
    options=st.fixed_dictionaries({"fuse": st.booleans(), "max_captions": st.none() | st.integers(1, 4)}),
    max_words=st.none() | st.integers(1, 8),
    choose=st.sampled_from([False, False, True]),
    single=st.booleans(),
    data=st.data(),
)
@examples(50)
def test_captions_are_those_in_the_file(
    tmp_path_factory, case, suffix, block_bytes, options, max_words, choose, single, data
):
    vectors, texts, dim = case
    folder, ids = tmp_path_factory.mktemp("store"), list(case[0])
    chosen = [data.draw(st.integers(0, len(x) - 1)) for x in vectors.values()] if choose else None
    written = {name: x[0] if single and len(x) == 1 else x for name, x in vectors.items()}  # one caption without a list
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion, "BLOCK_BYTES", block_bytes)
        patch.setattr(os, "fsync", lambda file: None)  # it takes most of the time
        table = open_table(write(folder / f"text.{suffix}", written), CaptionEncoder(dim), folder, None)
        raw_table = open_table(write(folder / "raw.pickle", texts), RawCaptionEncoder(), folder, None)
    place = {name: item for item, name in enumerate(raw_table.names)}
    found_texts = RawCaptions(raw_table, np.array([place.get(name, -1) for name in ids]))
    assert [found_texts[v] for v in range(len(ids))] == [[as_text(x) for x in texts.get(name, [])] for name in ids]
    used = [
        [k for k, x in enumerate(captions) if len(x) and (chosen is None or chosen[v] == k)]
        for v, captions in enumerate(vectors.values())
    ]
    items = np.arange(len(ids))
    if not all(used):
        first = ids[[bool(x) for x in used].index(False)]
        with pytest.raises(InputError, match=f"no caption of video '{first}' has a word"):
            Captions(table, items, found_texts, ids, chosen, **options)
        return
    captions = Captions(table, items, found_texts, ids, chosen, **options)
    for v, (name, kept) in enumerate(zip(ids, used, strict=True)):
        expected = [kept] if options["fuse"] else [[k] for k in kept[: options["max_captions"]]]
        assert captions.count(v) == len(expected)
        has_texts = len(texts.get(name, [])) == len(vectors[name])
        for k, positions in enumerate(expected):
            assert captions.name(v, k) == (name if options["fuse"] else f"{name}#{positions[0]}")
            wanted = np.concatenate([vectors[name][position] for position in positions]).astype(np.float32)
            found = captions.vectors(v, k, max_words)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, wanted[:max_words])
            wanted_text = " ".join(as_text(texts[name][position]) for position in positions) if has_texts else ""
            assert captions.text(v, k) == wanted_text
