"""Shards of extracted videos: read as written, or not at all if damaged."""

import json
import os

import numpy as np
import pytest
from helpers.fuzzing import mutated

from misc.extraction.settings import Settings
from misc.extraction.shards import Shards, file_identity
from misc.extraction.worker import ExtractionResult, ExtractionTask
from misc.extractors.extractor import ExpertOutput

SETTINGS = Settings(experts={"rgb": {"extractor": "rgb"}, "ocr": {"extractor": "ocr"}})
OTHER = Settings(experts={"rgb": {"extractor": "rgb", "options": {"frames": 3}}, "ocr": {"extractor": "ocr"}})
FOUND = {
    "rgb": ExpertOutput(np.arange(6, dtype=np.float16).reshape(2, 3)),
    "ocr": ExpertOutput(np.ones((1, 4), np.float32), ["SALE", "é"], [(0.0, 1.5), (0.12, 0.12)]),
}


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"film")
    return path


@pytest.fixture
def shards(tmp_path):
    return Shards(tmp_path / "extracted")


def keep(shards, video, found, settings=SETTINGS, name="a"):
    shards.write(ExtractionResult(ExtractionTask(name, video, tuple(found)), found), settings)


def assert_equal_found(one, other):
    assert one.keys() == other.keys()
    for name, x in one.items():
        y = other[name]
        assert (x is None) == (y is None)
        if x is not None:
            assert (x.words, x.times, x.features.dtype) == (y.words, y.times, y.features.dtype)
            assert np.array_equal(x.features, y.features)


def test_a_shard_is_read_as_written(shards, video):
    names = ["a", "sub/b c", 'quote"%d', "é/猫", "x" * 200, "about"]
    for i, name in enumerate(names):
        keep(shards, video, {"rgb": ExpertOutput(np.full((1, 2), i, np.float16)), "ocr": None}, name=name)
    for i, name in enumerate(names):
        found = shards.read(name).outputs
        assert_equal_found(found, {"rgb": ExpertOutput(np.full((1, 2), i, np.float16)), "ocr": None})
    assert shards.read("b") is None and shards.missing_experts("b", video, SETTINGS) == ("rgb", "ocr")


def test_warnings_are_kept_until_the_next_extraction(shards, video):
    for warnings in ((), ("sound is left out",), ()):
        shards.write(
            ExtractionResult(ExtractionTask("a", video, ("rgb",)), {"rgb": FOUND["rgb"]}, warnings=warnings), SETTINGS
        )
        assert shards.read("a").warnings == list(warnings)


def test_experts_are_added_and_experts_of_another_recipe_are_missing(shards, video):
    keep(shards, video, {"rgb": FOUND["rgb"]})
    assert shards.missing_experts("a", video, SETTINGS) == ("ocr",)
    keep(shards, video, {"ocr": FOUND["ocr"]})
    assert shards.missing_experts("a", video, SETTINGS) == ()
    assert_equal_found(shards.read("a").outputs, FOUND)
    assert shards.missing_experts("a", video, OTHER) == ("rgb",)
    keep(shards, video, {"rgb": None}, OTHER)
    assert shards.missing_experts("a", video, OTHER) == ()
    assert_equal_found(shards.read("a").outputs, {"rgb": None, "ocr": FOUND["ocr"]})


def test_a_changed_file_is_extracted_again(shards, video):
    keep(shards, video, FOUND)
    for change in (lambda: video.write_bytes(b"other film"), lambda: os.utime(video, ns=(0, 10**18))):
        change()
        assert shards.missing_experts("a", video, SETTINGS) == ("rgb", "ocr")
        keep(shards, video, {"rgb": None})  # what was found in the other file is gone
        assert_equal_found(shards.read("a").outputs, {"rgb": None})
        keep(shards, video, FOUND)
    assert shards.read("a").source == file_identity(video)


def test_a_damaged_shard_is_not_read(shards, video):
    """Cut off anywhere, or with bytes changed: what is read is what was written, or nothing."""
    keep(shards, video, FOUND)
    (path,) = shards.folder.rglob("*.npz")
    data = path.read_bytes()
    rng, whole = np.random.default_rng(0), 0
    damaged = [data[:n] for n in range(0, len(data), 50)] + [mutated(data, rng) for _ in range(400)]
    for content in damaged:
        path.write_bytes(content)
        assert shards.missing_experts("a", video, SETTINGS) in ((), ("rgb", "ocr"))
        if shard := shards.read("a"):
            assert_equal_found(shard.outputs, FOUND)
            whole += 1
    assert whole < 100
    path.write_bytes(data)
    assert_equal_found(shards.read("a").outputs, FOUND)


def test_a_shard_of_an_earlier_version_has_words_without_times(shards, video):
    keep(shards, video, FOUND)
    (path,) = shards.folder.rglob("*.npz")
    with np.load(path) as content:
        arrays = dict(content)
    about = json.loads(arrays["about"].tobytes())
    assert about.pop("times") == {"ocr": [[0.0, 1.5], [0.12, 0.12]]}
    np.savez(path, **(arrays | {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}))
    assert shards.missing_experts("a", video, SETTINGS) == ()
    found = shards.read("a").outputs["ocr"]
    assert (found.words, found.times) == (["SALE", "é"], None)


def test_a_shard_of_another_video_is_not_read(shards, video):
    keep(shards, video, FOUND)
    keep(shards, video, FOUND, name="b")
    one, other = shards.folder.rglob("*.npz")
    other.write_bytes(one.read_bytes())
    assert (shards.read("a") is None) != (shards.read("b") is None)


def test_the_version_changes_with_the_values_the_type_and_the_shape_of_features(shards, video):
    """All of these have the same bytes, except the last two."""
    rows = np.zeros((2, 6), np.float16)
    variants = [rows, rows.reshape(3, 4), rows.view(np.int16), rows.view(np.float32), np.zeros((2, 0)), rows + 1, None]
    versions = []
    for features in variants:
        keep(shards, video, {"rgb": None if features is None else ExpertOutput(features)})
        versions.append(shards.read("a").version(["rgb"]))
    assert len(set(versions)) == len(variants)
    keep(shards, video, {"rgb": ExpertOutput(rows)})
    assert shards.read("a").version(["rgb"]) == versions[0]


def test_a_file_that_is_replaced_within_a_second_is_extracted_again(shards, video):
    """A script may overwrite a file by one of the same size."""
    second = 1_700_000_000 * 10**9
    os.utime(video, ns=(second, second))
    keep(shards, video, FOUND)
    video.write_bytes(b"mlif")
    os.utime(video, ns=(second, second + 10**6))
    assert shards.missing_experts("a", video, SETTINGS) == ("rgb", "ocr")
