"""The file of moments: read as written, or refused in one line."""

import numpy as np
import pytest
from helpers.fuzzing import mutated
from helpers.moments import make_moments, write_moments

from misc.extraction.collection_files import MOMENTS
from misc.extraction.moments_file import MomentsFile
from utils.errors import InputError

RNG = np.random.default_rng(0)
VIDEOS = {
    "a": (31.5, {"rgb": make_moments([0.5, 12.0, 30.0], RNG.normal(size=(3, 4)).astype(np.float16))}),
    "é \udc80\"'": (
        3600.0,
        {
            "rgb": make_moments([(1.0, 2.0)], np.full((1, 4), 1e6, np.float32)),
            "ocr": make_moments([(0.25, 9.0), 3.0], words=["SALE\u2028", "猫 50%"]),
            "face": make_moments([], np.zeros((0, 4), np.float16)),
        },
    ),
    "silent": (40.0, {}),
    "z": (
        50.0,
        {"rgb": make_moments([7.0], RNG.normal(size=(1, 4)).astype(np.float16)), "ocr": make_moments([1.0], words=["x"])},
    ),
}


def assert_equal(one, other):
    assert np.array_equal(one.spans, other.spans) and one.words == other.words
    assert (one.features is None) == (other.features is None)
    if one.features is not None:
        assert one.features.dtype == other.features.dtype and np.array_equal(one.features, other.features)


def test_moments_are_read_as_written(tmp_path):
    write_moments(tmp_path, VIDEOS)
    file = MomentsFile(tmp_path)
    assert file.lengths == {video: length for video, (length, _) in VIDEOS.items()}
    assert file.word_experts == ["ocr"]
    for video, (_, moments) in VIDEOS.items():
        written = {name: x for name, x in moments.items() if len(x.spans)}
        assert file.experts(video) == list(written)
        assert file.experts(video, words=True) == [name for name, x in written.items() if x.words]
        for name, x in written.items():
            assert_equal(file.read(video, name), x)
    assert file.read("a", "ocr") is None and file.read("nobody", "rgb") is None and file.experts("nobody") == []


def test_a_collection_without_long_videos(tmp_path):
    write_moments(tmp_path, {})
    assert MomentsFile(tmp_path).lengths == {} and MomentsFile(tmp_path).word_experts == []


def test_a_damaged_file_is_refused_in_one_line(tmp_path):
    """Cut off anywhere, or with bytes changed: it is read, or an InputError is raised."""
    write_moments(tmp_path, VIDEOS)
    path = tmp_path / MOMENTS
    data, refused = path.read_bytes(), 0
    rng = np.random.default_rng(1)
    for content in [data[: len(data) * i // 8] for i in range(8)] + [
        mutated(data[:20_000], rng) + data[20_000:] for _ in range(40)
    ]:
        path.write_bytes(content)
        try:
            file = MomentsFile(tmp_path)
            for video in file.lengths:
                for name in file.experts(video):
                    file.read(video, name)
        except InputError as error:
            refused += 1
            assert str(error).startswith(f"{path}: damaged (") and "\n" not in str(error)
    assert refused >= 7
    path.write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        MomentsFile(tmp_path)
