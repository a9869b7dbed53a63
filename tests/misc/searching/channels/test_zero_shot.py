"""The channel of an image-text model, against plain loops, and its evidence."""

from types import SimpleNamespace

import numpy as np
import pytest

from misc.extraction.settings import ZeroShot
from misc.extraction.zero_shot_file import open_writer
from misc.extractors import image_text
from misc.searching.calibration import make_nonsense
from misc.searching.channels.fused_result import Finding, TimeText, evidence_parts, finding_texts
from misc.searching.channels.fused_searcher import FusedSearcher
from misc.searching.channels.zero_shot import ZeroShotChannel
from misc.searching.windows import Windows
from utils.errors import InputError

DIM = 6


class StubModel:
    """A model whose texts are the numbers of an axis, such as "2"."""

    spec, sha256 = "open_clip:stub", "1" * 64

    def embed_texts(self, texts):
        return np.stack([self.embed(text) for text in texts])

    def embed(self, text):
        if text.isdigit():
            return np.eye(DIM, dtype=np.float32)[int(text)]
        x = np.random.default_rng(sum(map(ord, text))).normal(size=DIM).astype(np.float32)
        return x / np.linalg.norm(x)

    def reads_all(self, text):
        return text != "3"

    def probability(self, cosine):
        return None


class StubCollection:
    def __init__(self, folder, ids):
        self.folder, self.ids, self.moments = folder, ids, None

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
            writer.add(video, x, [t / 2 for t in range(len(x))])
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


def test_a_query_that_nonsense_equals_is_doubted(channel, frames, monkeypatch):
    rows = np.concatenate(list(frames.values()))
    nonsense = sorted(max(float(row @ StubModel().embed(text)) for row in rows) for text in make_nonsense(100))
    (hit,) = channel.search("1", 1)
    assert channel.find_doubt([]) == "no video has embedded frames"
    for score in (nonsense[94] - 0.01, nonsense[95] + 0.01, nonsense[99] + 0.01):
        doubt = channel.find_doubt([hit._replace(score=score)])
        assert (doubt is None) == (score > nonsense[95])
    share = sum(x >= nonsense[50] for x in nonsense)
    (expected,) = {f"the best similarity, {nonsense[50]:.3f}, is reached by {share} % of nonsense queries"}
    assert channel.find_doubt([hit._replace(score=nonsense[50] - 1e-4)]).endswith(expected[-32:])


def test_the_calibration_is_kept_until_the_frames_change(tmp_path, channel, monkeypatch):
    measured, measure = [], ZeroShotChannel._measure_nonsense
    monkeypatch.setattr(ZeroShotChannel, "_measure_nonsense", lambda self: measured.append(1) or measure(self))

    def doubt(number=1):
        opened = ZeroShotChannel(channel._collection, tmp_path / "index" / "zero_shot.json")
        found = opened.find_doubt(opened.search(str(number), 1))
        opened.close()
        return found

    first = doubt()
    assert doubt() == first and len(measured) == 1 and (tmp_path / "index" / "zero_shot.json").exists()
    channel.close()
    with open_writer(tmp_path / "zero_shot.h5", ZeroShot(model="open_clip:stub", sha256=StubModel.sha256)) as writer:
        writer.add("v0", np.eye(DIM)[:1], [0.0])
    assert doubt(0) is None and doubt(1).endswith(" % of nonsense queries") and len(measured) == 2


def test_nothing_is_excluded_and_a_cut_query_is_noted(channel):
    channel.load_model()
    assert channel.find_excluded(["1"]) == set() and channel.find_notes("2") == []
    assert channel.find_notes("3") == ["zero_shot: the model does not read the end of the query"]


def test_moments_are_the_windows_with_the_best_frames(channel, frames):
    channel._collection.moments = SimpleNamespace(lengths={"v3": 2.0, "v7": 2.0})
    windows = Windows(window=1.0, stride=0.5)
    channel = ZeroShotChannel(channel._collection, windows=windows)
    assert len(frames["v3"]) == 4  # at 0, 0.5, 1 and 1.5 seconds
    for axis in range(DIM):
        for hit in channel.search(str(axis), 100):
            if hit.id not in ("v3", "v7"):
                assert hit.moments == []
                continue
            best = []
            for start, end in windows.cut(2.0):
                inside = [float(x[axis]) for t, x in enumerate(frames[hit.id]) if start <= t / 2 < end]
                best.append((max(inside), start, end))
            best.sort(key=lambda x: -x[0])
            assert [(x.start, x.end) for x in hit.moments] == [x[1:] for x in best]
            assert [x.score for x in hit.moments] == pytest.approx([x[0] for x in best], abs=1e-3)
            assert hit.moments[0].score == hit.score


def test_evidence_as_text(channel, monkeypatch):
    (hit,) = channel.search("1", 1)
    time = hit.evidence[0].times[0][0]
    assert evidence_parts(hit.evidence[0]) == ["frame at ", TimeText(f"{time:.1f} s", time), ""]
    result = FusedSearcher(channel._collection, {"zero_shot": channel}, {}).search("1", 1)
    text = f"similarity {hit.score:.3f} of the frame at {time:.1f} s"
    assert list(finding_texts(result.hits[0])) == [("zero_shot", 1, text)]
    assert result.hits[0].channels == {"zero_shot": Finding(1, hit.score, hit.evidence)}
    assert result.hits[0].score == pytest.approx(1 / 61)
    monkeypatch.setattr(StubModel, "probability", lambda self, cosine: 0.256)
    (hit,) = channel.search("1", 1)
    assert hit.evidence[0].probability == 0.256 and evidence_parts(hit.evidence[0])[-1] == ", probability 26\u00a0%"


def test_description(channel, frames):
    number = sum(map(len, frames.values()))
    assert channel.describe() == f"{number} frames of 9 videos by open_clip:stub (111111111111)"
