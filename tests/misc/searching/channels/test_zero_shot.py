"""The channel of an image-text model, against a plain loop, and its evidence."""

import numpy as np
import pytest

from misc.extraction.settings import ZeroShot
from misc.extraction.zero_shot_file import open_writer
from misc.extractors import image_text
from misc.extractors.extractor import ExpertOutput
from misc.searching.channels.fused_result import Finding, evidence_text, finding_texts
from misc.searching.channels.fused_searcher import FusedSearcher
from misc.searching.channels.zero_shot import ZeroShotChannel
from utils.errors import InputError

DIM = 6


class StubModel:
    """A model whose texts are the numbers of an axis, such as "2"."""

    spec, sha256 = "open_clip:stub", "1" * 64

    def embed_texts(self, texts):
        return np.stack([np.eye(DIM, dtype=np.float32)[int(text)] for text in texts])

    def probability(self, cosine):
        return None


class StubCollection:
    def __init__(self, folder, ids):
        self.folder, self.ids = folder, ids

    def __contains__(self, video):
        return video in self.ids

    def get_captions(self, video):
        return []

    def get_words(self, video):
        return {}

    def get_clip(self, video):
        return None


@pytest.fixture
def frames():
    """Video -> frames of length 1."""
    rng = np.random.default_rng(0)
    frames = {f"v{i}": rng.normal(size=(1 + i % 4, DIM)) for i in range(9)}
    return {video: x / np.linalg.norm(x, axis=1, keepdims=True) for video, x in frames.items()}


@pytest.fixture
def channel(tmp_path, frames, monkeypatch):
    with open_writer(tmp_path / "zero_shot.h5", ZeroShot(model="open_clip:stub", sha256=StubModel.sha256)) as writer:
        for video, x in frames.items():
            writer.add(video, ExpertOutput(x, times=[(t / 2, t / 2) for t in range(len(x))]))
    monkeypatch.setattr(image_text, "build_image_text_model", lambda spec, device: StubModel())
    return ZeroShotChannel(StubCollection(tmp_path, list(frames)))


@pytest.mark.parametrize("axis", range(DIM))
def test_scores_are_those_of_a_plain_loop(channel, frames, axis):
    expected = {video: max(float(frame[axis]) for frame in x) for video, x in frames.items()}
    hits = channel.search(str(axis), 100)
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-3)
    assert [hit.id for hit in hits] == sorted(expected, key=lambda video: -expected[video])
    assert channel.search(str(axis), 2) == hits[:2]
    for hit in hits:
        (evidence,) = hit.evidence
        number = max(range(len(frames[hit.id])), key=lambda t: frames[hit.id][t][axis])
        assert (evidence.source, evidence.text, evidence.times) == ("frame", str(number), [(number / 2, number / 2)])


def test_only_videos_of_the_collection_are_found(channel, frames):
    found = [hit.id for hit in channel.search("0", 100)]
    channel._collection.ids = found[1:]
    assert [hit.id for hit in channel.search("0", 100)] == found[1:]
    assert [hit.id for hit in channel.search("0", 3)] == found[1:4]


def test_other_weights_are_refused(channel, monkeypatch):
    monkeypatch.setattr(StubModel, "sha256", "2" * 64)
    with pytest.raises(InputError, match=r"has other weights \(222222222222\): frames were embedded by .*111111111111") as x:
        channel.load_model("open_clip:other")
    assert "\n" not in str(x.value) and "misc/extract_experts.py --zero_shot open_clip:stub" in str(x.value)
    with pytest.raises(InputError):
        channel.search("1", 3)  # it is still not loaded


def test_the_named_model_or_that_of_the_extraction_is_loaded(channel, monkeypatch):
    names = []
    monkeypatch.setattr(image_text, "build_image_text_model", lambda *given: names.append(given) or StubModel())
    channel.load_model(None, "cuda:0")
    channel.load_model("open_clip:moved")
    channel.search("1", 3)
    assert names == [("open_clip:stub", "cuda:0"), ("open_clip:moved", "cpu")]


def test_a_collection_without_frames(tmp_path):
    with pytest.raises(InputError, match="no embedded frames, expected an extraction with --zero_shot MODEL"):
        ZeroShotChannel(StubCollection(tmp_path, ["a"]))
    with open_writer(tmp_path / "zero_shot.h5", ZeroShot(model="x", sha256=StubModel.sha256)):
        pass
    channel = ZeroShotChannel(StubCollection(tmp_path, ["a"]))
    channel._model = StubModel()
    assert channel.search("1", 3) == []


def test_evidence_as_text(channel, monkeypatch):
    (hit,) = channel.search("1", 1)
    seconds = f"frame at {hit.evidence[0].times[0][0]:.1f} s"
    assert evidence_text(hit.evidence[0]) == seconds
    result = FusedSearcher(channel._collection, {"zero_shot": channel}, {}).search("1", 1)
    assert list(finding_texts(result.hits[0])) == [("zero_shot", 1, f"similarity {hit.score:.3f} of the {seconds}")]
    assert result.hits[0].channels == {"zero_shot": Finding(1, hit.score, hit.evidence)}
    assert result.hits[0].score == pytest.approx(1 / 61)
    monkeypatch.setattr(StubModel, "probability", lambda self, cosine: 0.256)
    (hit,) = channel.search("1", 1)
    assert hit.evidence[0].probability == 0.256 and evidence_text(hit.evidence[0]) == f"{seconds}, probability 26\u00a0%"


def test_description(channel, frames):
    number = sum(map(len, frames.values()))
    assert channel.describe() == f"{number} frames of 9 videos by open_clip:stub (111111111111)"
