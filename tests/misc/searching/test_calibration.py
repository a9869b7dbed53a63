"""The calibration of similarities, against plain loops over scores of the model."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.search_collection import LOCATION, StubEncoder, open_new_index
from hypothesis import given
from hypothesis import strategies as st

from misc.searching import calibration
from misc.searching.building import add_videos
from misc.searching.calibration import Calibration, calibrate, make_nonsense
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from model.similarity import VideoEmbedding, pairwise_similarity

SCORES = st.lists(st.sampled_from([x / 8 for x in range(-8, 9)]), min_size=1, max_size=60)


def make(nonsense, captions=()):
    return Calibration(np.sort(np.array(nonsense, float)), np.sort(np.array(captions, float)))


def open_parts(checkpoint):
    embedder = Embedder(checkpoint)
    return embedder, StubEncoder(), Collection("Toy", LOCATION.folder, embedder.config, embedder.experts), LOCATION.open()


@given(SCORES, st.sampled_from([x / 16 for x in range(-16, 17)]))
def test_a_percentile_is_the_share_of_nonsense_that_is_less_similar(nonsense, similarity):
    expected = 100 * sum(x < similarity for x in nonsense) / len(nonsense)
    assert make(nonsense).percentile(similarity) == pytest.approx(expected)


@given(SCORES)
def test_without_captions_a_twentieth_of_the_nonsense_passes(nonsense):
    threshold = make(nonsense).threshold
    assert sum(x > threshold for x in nonsense) <= 0.05 * len(nonsense)
    assert sum(x >= threshold - 1e-9 for x in nonsense) >= 0.05 * len(nonsense)


@given(SCORES, st.lists(st.sampled_from([x / 8 for x in range(-8, 9)]), min_size=20, max_size=60))
def test_with_captions_both_errors_are_equal(nonsense, captions):
    def difference(threshold):
        missed = sum(x < threshold for x in captions) / len(captions)
        return abs(missed - sum(x >= threshold for x in nonsense) / len(nonsense))

    assert difference(make(nonsense, captions).threshold) == pytest.approx(min(map(difference, {*nonsense, *captions})))


def test_few_captions_do_not_count():
    nonsense = np.linspace(0, 1, 101)
    assert make(nonsense, [0.0] * 19).threshold == make(nonsense).threshold == pytest.approx(0.95)
    assert make(nonsense, [0.0] * 20).threshold < 0.5


def test_nonsense_is_always_the_same_and_of_different_lengths():
    queries = make_nonsense(12)
    assert queries == make_nonsense(12) == make_nonsense(400)[:12] and len(set(make_nonsense(400))) == 400
    assert [len(query.split()) for query in queries] == [1, 2, 3, 4, 5, 6] * 2
    assert all(word.isalpha() and word.islower() for query in queries for word in query.split())


def test_best_similarities_are_those_of_the_model(collection):
    archive, checkpoint = collection
    open_new_index(checkpoint).close()
    embedder, encoder, loaded, store = open_parts(checkpoint)
    found = calibrate(embedder, encoder, loaded, store)
    parts = [embedder.embed_videos(batch) for batch in loaded.load_videos(loaded.ids, 7)]
    experts = [torch.cat(x) for x in zip(*(part.experts for part in parts), strict=True)]
    videos = VideoEmbedding(experts, torch.cat([part.available for part in parts]))
    sims = pairwise_similarity(embedder.embed_texts(encoder(make_nonsense())), videos).numpy()
    assert found.nonsense == pytest.approx(np.sort(sims.max(axis=1)), abs=1e-6) and len(found.nonsense) == 400
    valid = (archive.folder / "val_list.txt").read_text().split()
    assert loaded.validation_ids() == set(valid)
    vectors = [np.asarray(archive.text[video][0], np.float32) for video in valid]
    sims = pairwise_similarity(embedder.embed_texts(vectors), videos).numpy()
    assert found.captions == pytest.approx(np.sort(sims.max(axis=1)), abs=1e-6) and len(found.captions) == len(valid)


def test_a_query_below_the_threshold_is_doubtful(collection, monkeypatch):
    searcher = open_new_index(collection[1])
    plain = searcher.search("a red bird", 44)
    best = plain.hits[0].similarity
    limits = {best: False, np.nextafter(best, 2): True}
    for threshold, is_doubtful in limits.items():
        stub = SimpleNamespace(threshold=threshold, percentile=lambda x: 50.0 + x)
        monkeypatch.setitem(searcher.__dict__, "calibration", stub)
        result = searcher.search("a red bird", 44)
        assert (result.doubt is not None) == is_doubtful
        assert [hit.percentile for hit in result.hits] == [50.0 + hit.similarity for hit in plain.hits]
        assert [hit.similarity for hit in result.hits] == [hit.similarity for hit in plain.hits]
    assert f"the best similarity, {best:.3f}, is reached by {50 - best:.0f} % of nonsense" in result.doubt
    assert all(hit.percentile is None for hit in searcher.similar("video0").hits)
    monkeypatch.setitem(searcher.__dict__, "calibration", None)
    result = searcher.search("a red bird")
    assert result.doubt is None and result.hits[0].percentile is None


def test_the_file_is_read_until_something_changes(collection, tmp_path, monkeypatch, caplog):
    caplog.set_level("DEBUG")
    archive, checkpoint = collection
    open_new_index(checkpoint).close()
    path = tmp_path / "index" / calibration.FILE
    parts = open_parts(checkpoint)
    first = calibrate(*parts, path)
    assert f"{path}: best similarities of 400 nonsense queries and " in caplog.text
    with monkeypatch.context() as patch:
        patch.setattr(calibration, "make_nonsense", lambda: pytest.fail("measured again"))
        again = calibrate(*parts, path)
    assert np.array_equal(first.nonsense, again.nonsense) and np.array_equal(first.captions, again.captions)
    before = path.read_bytes()
    (archive.folder / "ocr-words.json").write_text("{}")
    calibrate(*open_parts(checkpoint), path)
    assert path.read_bytes() != before
    before = path.read_bytes()
    add_videos(parts[0], parts[2], LOCATION, ["video3"])  # it gets another number
    calibrate(*open_parts(checkpoint), path)
    assert path.read_bytes() != before


@pytest.mark.parametrize("damage", ["{", "[]", '{"key": "KEY"}', '{"key": "KEY", "nonsense": [1], "captions": []}'])
def test_a_damaged_file_is_made_again(collection, tmp_path, caplog, damage):
    open_new_index(collection[1]).close()
    parts, path = open_parts(collection[1]), tmp_path / calibration.FILE
    calibrate(*parts, path)
    content = path.read_bytes()
    path.write_text(damage.replace("KEY", json.loads(content)["key"]))
    calibrate(*parts, path)
    assert path.read_bytes() == content and f"{path}: damaged: it is made again" in caplog.text


def test_an_encoder_without_nonsense_calibrates_nothing(collection, tmp_path):
    open_new_index(collection[1]).close()
    embedder, _, loaded, store = open_parts(collection[1])

    class KnownWords(StubEncoder):
        def __call__(self, texts):
            return [self._vectors("?") for _ in texts]

    assert calibrate(embedder, KnownWords(), loaded, store, tmp_path / "x.json") is None
    assert not (tmp_path / "x.json").exists()
