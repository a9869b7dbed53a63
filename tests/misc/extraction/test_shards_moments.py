"""Moments in shards: kept, part of the version, and missing in shards of earlier versions."""

import json

import numpy as np
import pytest
from helpers.moments import make_moments

from misc.extraction import shards as shards_module
from misc.extraction.settings import Settings
from misc.extraction.shards import Shards
from misc.extraction.worker import ExtractionResult, ExtractionTask
from misc.extractors.extractor import ExpertOutput

SETTINGS = Settings(experts={"rgb": {"extractor": "rgb"}, "ocr": {"extractor": "ocr"}})
OUTPUTS = {"rgb": ExpertOutput(np.ones((1, 3), np.float16)), "ocr": None}
MOMENTS = {"rgb": make_moments([1.0, 9.0], np.ones((2, 3), np.float16)), "ocr": make_moments([(2.0, 3.0)], words=["é"])}


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"film")
    return path


def keep(shards, video, outputs=OUTPUTS, moments=MOMENTS, length=40.0):
    result = ExtractionResult(ExtractionTask("a", video, tuple(outputs)), outputs, length=length, moments=moments)
    shards.write(result, SETTINGS)
    return shards.read("a")


def test_moments_are_read_as_written_and_kept_beside_others(tmp_path, video):
    shards = Shards(tmp_path / "extracted")
    keep(shards, video, {"rgb": OUTPUTS["rgb"]}, {"rgb": MOMENTS["rgb"]})
    assert shards.missing_experts("a", video, SETTINGS) == ("ocr",)
    shard = keep(shards, video, {"ocr": None}, {"ocr": MOMENTS["ocr"]})
    assert shards.missing_experts("a", video, SETTINGS) == () and shard.is_long and shard.length == 40
    assert shard.outputs["ocr"] is None and shard.moments["ocr"].words == ["é"]
    for name, x in MOMENTS.items():
        assert np.array_equal(shard.moments[name].spans, x.spans)
    assert np.array_equal(shard.moments["rgb"].features, MOMENTS["rgb"].features)
    shard = keep(shards, video, {"ocr": None}, {})
    assert "ocr" not in shard.moments and shards.missing_experts("a", video, SETTINGS) == ()


def test_the_version_changes_with_moments_and_is_the_old_one_without(tmp_path, video):
    shards = Shards(tmp_path / "extracted")
    short = keep(shards, video, moments={}, length=5.0)
    assert not short.is_long
    versions = {short.version(["rgb", "ocr"])}
    for change in ({}, {"ocr": make_moments([(2.0, 4.0)], words=["é"])}, {"ocr": make_moments([(2.0, 3.0)], words=["e"])}):
        versions.add(keep(shards, video, moments=MOMENTS | change).version(["rgb", "ocr"]))
    versions.add(
        keep(shards, video, moments=MOMENTS | {"rgb": make_moments([1, 9], np.zeros((2, 3)))}).version(["rgb", "ocr"])
    )
    assert len(versions) == 5


@pytest.mark.parametrize(("length", "missing"), [(29.9, ()), (30.0, ("rgb", "ocr"))])
def test_a_shard_of_an_earlier_version_lacks_moments_if_the_video_is_long(tmp_path, video, monkeypatch, length, missing):
    shards = Shards(tmp_path / "extracted")
    keep(shards, video, moments={}, length=0.0)
    (path,) = shards.folder.rglob("*.npz")
    with np.load(path) as content:
        arrays = dict(content)
    about = json.loads(arrays["about"].tobytes())
    for key in ("length", "moments_versions", "moment_words"):
        del about[key]
    np.savez(path, **(arrays | {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}))
    monkeypatch.setattr(shards_module, "probe_length", lambda path: length)
    assert shards.read("a").length is None and shards.read("a").moments == {}
    assert shards.missing_experts("a", video, SETTINGS) == missing
    if missing:  # an extraction of one expert only does not complete the other
        keep(shards, video, {"rgb": OUTPUTS["rgb"]}, {"rgb": MOMENTS["rgb"]})
        assert shards.missing_experts("a", video, SETTINGS) == ("ocr",)
