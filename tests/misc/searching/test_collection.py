"""A collection on disk: which videos have changed, videos of several subsets, and a file beside the archive."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.corrected_archive import write_archive_of_config
from helpers.paths import ROOT

from data_loader.experts import resolve_experts
from misc.extraction.worker import ExtractionResult, Worker
from misc.extractors.extractor import ExpertOutput
from misc.searching.collection import Collection
from misc.searching.embedding import EmbeddedCaptions, Embedder
from misc.searching.index.metadata import IndexedVideos
from parse_config import ConfigParser
from utils.errors import InputError

VERSIONS = Path("data/Toy/symlinked-feats/versions.json")


@pytest.fixture
def opened(collection):
    """Return a function that opens the collection with its checkpoint."""
    embedder = Embedder(collection[1])
    return lambda: Collection("Toy", Path("data/Toy"), embedder.config, embedder.experts)


def indexed(embedder, versions):
    """Return the videos of an index, with their versions ("": unknown)."""
    videos = IndexedVideos(embedder.index_metadata("Toy", "flat"))
    videos.add(list(versions), ["111"] * len(versions), list(versions.values()))
    return videos


def test_only_videos_whose_two_versions_are_known_can_have_changed(collection, opened):
    """Videos without a version, as in earlier indexes and archives, do not count as changed."""
    archive, checkpoint = collection
    same, changed, unknown_here, unknown_there, lacking, *rest = archive.ids
    VERSIONS.write_text(json.dumps({same: "1", changed: "2", unknown_there: "1"}))
    known = {same: "1", changed: "1", unknown_here: "1", unknown_there: "", "gone": "1", **dict.fromkeys(rest, "")}
    assert opened().compare(indexed(Embedder(checkpoint), known)) == ([lacking], [changed], ["gone"])
    VERSIONS.unlink()
    assert opened().compare(indexed(Embedder(checkpoint), known)) == ([lacking], [], ["gone"])


def test_an_extraction_that_has_not_finished_is_continued(tmp_path):
    (tmp_path / "extracted").mkdir()
    with pytest.raises(InputError, match="not finished, expected misc/extract_experts.py --name Mine to continue it"):
        Collection("Mine", tmp_path)
    (tmp_path / "extraction.json").write_text("{}")
    with pytest.raises(InputError, match="expected the feature archive unpacked there"):
        Collection("Mine", tmp_path)


def test_a_video_of_two_lists_has_its_captions_once(collection, opened):
    archive, checkpoint = collection
    archive.lists["val_list.txt"] = [archive.lists["test_list.txt"][0], *archive.lists["val_list.txt"]]
    archive.write()
    found = opened()
    assert sorted(found.ids) == sorted(archive.ids)
    embedder = Embedder(checkpoint)
    (batch,) = found.load_videos(["video0"], 1)
    hits = EmbeddedCaptions(embedder, found).search(embedder.embed_videos(batch), 1000)
    assert sorted(hit[1] for hit in hits) == sorted(f"{video}#{k}" for video in archive.ids for k in range(2))


def test_a_file_has_the_features_that_it_would_have_in_the_archive(collection, opened, monkeypatch):
    """With more features than the model takes, experts without features, and means over time."""
    archive, _ = collection
    rng = np.random.default_rng(0)
    features = {"audio": rng.normal(size=(90, 8)), "rgb": rng.normal(size=(5, 12)), "scene": None}
    features = {name: None if x is None else x.astype(np.float16) for name, x in features.items()}
    for name, x in features.items():
        archive.features[name].pop("video0", None)
        if x is not None:
            archive.features[name]["video0"] = x
    archive.write()
    settings = {"experts": {name: {"extractor": name} for name in features}}
    Path("data/Toy/extraction.json").write_text(json.dumps({"settings": settings}))

    def extract(self, task):
        assert not task.with_moments  # they are not used
        outputs = {name: None if features[name] is None else ExpertOutput(features[name]) for name in task.experts}
        return ExtractionResult(task, outputs)

    monkeypatch.setattr(Worker, "extract", extract)
    found = opened().load_file(Path("clip.mp4"), "cpu")
    (expected,) = opened().load_videos(["video0"], 1)
    assert (found.ids, found.available) == (["clip.mp4"], expected.available) and expected.available == ["110"]
    torch.testing.assert_close(found.inputs, expected.inputs, equal_nan=True)


def test_an_archive_of_the_corrected_release_is_opened_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    config = ConfigParser.from_file("configs/msvd/train-full-ce-2020.json", training=True)
    monkeypatch.chdir(tmp_path)
    archive = write_archive_of_config(config, tmp_path)
    args = config["data_loader"]["args"]
    experts = resolve_experts(config["experts"], args["feat_aggregation"])
    found = Collection("MSVD", Path("data/MSVD"), config, experts)
    assert sorted(found.ids) == sorted(archive.videos)
    batch, *_ = found.load_videos(archive.videos[:4], 4)
    for row, video in enumerate(archive.videos[:4]):
        np.testing.assert_array_equal(batch.inputs["experts"]["i3d.i3d.0"][row], archive.features["i3d.i3d.0"][video])
        assert batch.inputs["ind"]["face"][row] == (archive.features["face"][video] is not None)
