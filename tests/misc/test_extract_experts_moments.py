"""Moments of long videos from files to the archive."""

import json
from pathlib import Path

import numpy as np
from helpers.extraction import ARCHIVE, Reader, captions, contents, failures, film, long_film, read

from misc.extraction.moments_file import MomentsFile
from misc.extraction.shards import Shards
from misc.searching.collection import Collection
from misc.searching.cut_collection import CutCollection
from misc.searching.windows import Windows, item_id


def strip_moments(shards, video):
    """Rewrite the shard of a video as an earlier version wrote it."""
    path = shards._path(video)
    with np.load(path) as content:
        arrays = {name: content[name] for name in content.files if "@" not in name}
    about = json.loads(arrays["about"].tobytes())
    for key in ("length", "moments_versions", "moment_words"):
        del about[key]
    about["arrays"] = sorted(set(arrays) - {"about"})
    np.savez(path, **(arrays | {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}))


def test_a_long_video_has_moments_and_its_other_files_are_as_without(extract, extracted_tasks, monkeypatch):
    film("short.mkv", 1)
    long_film("long.mkv")
    extract()
    found = MomentsFile(ARCHIVE)
    assert found.lengths.keys() == {"long"} and abs(found.lengths["long"] - 34) < 0.1
    scene, audio, words = (found.read("long", name) for name in ("scene", "audio", "reader"))
    assert scene.spans.shape == (32, 2) and (np.diff(scene.spans[:, 0]) > 0).all() and scene.spans.max() < 34
    assert abs(audio.spans[-1, 1] - 17) < 0.6 and audio.features.shape == (34, 128)
    assert words.words == ["BRIGHT", "ü"] * 2 and words.features is None
    collection = Collection("Mine", Path("data/Mine"))
    cut = CutCollection(collection, Windows())
    assert cut.spans("long") == [(0, 10), (10, 20), (20, 34)] and cut.spans("short") == []
    frames = dict(cut.load_frames("scene"))
    assert [len(frames[item_id("long", span)]) for span in cut.spans("long")] == [8, 8, 16]
    dark, _, bright = (frames[item_id("long", span)].mean(axis=0) for span in cut.spans("long"))
    assert np.abs(dark - bright).max() > 0.05
    np.testing.assert_allclose(dark, frames[item_id("long", (10.0, 20.0))].mean(axis=0), atol=1e-3)
    whole = {name: content for name, content in contents().items() if name.endswith(".mp")}
    monkeypatch.setattr("misc.extraction.moments.MIN_SECONDS", 1e9)
    monkeypatch.setattr("misc.extraction.worker.MomentExtractor.finish", lambda *arguments: {})
    for path in Path("data/Mine/extracted").rglob("*.npz"):
        path.unlink()
    extract()
    assert {name: content for name, content in contents().items() if name.endswith(".mp")} == whole


def test_only_long_videos_of_an_earlier_version_are_extracted_again(extract):
    captions({"short": 1, "long": 1})
    film("short.mkv", 1)
    long_film("long.mkv")
    extract("--captions", "captions.json")
    before, features = contents(), read(ARCHIVE / "scene.mp")
    shards = Shards(Path("data/Mine/extracted"))
    for video in ("short", "long"):
        strip_moments(shards, video)
    assert shards.read("long").moments == {}
    out, seen = extract("--captions", "captions.json")
    assert seen == {"long": ("scene", "audio", "reader")} and "2 videos, 1 of them already extracted" in out
    assert contents().keys() == before.keys() and MomentsFile(ARCHIVE).experts("long") == ["scene", "audio", "reader"]
    for video, x in read(ARCHIVE / "scene.mp").items():
        assert np.array_equal(x, features[video])
    assert extract("--captions", "captions.json")[1] == {}


def test_a_collection_without_long_videos_has_an_empty_file(extract):
    film("short.mkv", 1)
    extract()
    assert MomentsFile(ARCHIVE).lengths == {}
    assert Collection("Mine", Path("data/Mine")).moments is not None


def test_an_expert_that_fails_in_a_part_of_a_video_is_named(extract, monkeypatch):
    def strange(self, media):
        if media.seconds == 10 and len(media.frames) and media.times[0] >= 20:
            raise ValueError("strange\npart")

    film("short.mkv", 1)
    long_film("long.mkv")
    monkeypatch.setattr(Reader, "__call__", strange)
    extract()
    assert {video: x["reason"] for video, x in failures().items()} == {"long": "reader: ValueError: strange part"}
    assert (ARCHIVE / "all_list.txt").read_text() == "short\n"
