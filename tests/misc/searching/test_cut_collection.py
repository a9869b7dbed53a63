"""Items of a collection: long videos in windows, with the features and words of each."""

import json

import hypothesis.strategies as st
import numpy as np
import pytest
from helpers.moments import make_moments, write_moments
from helpers.properties import examples
from helpers.search_collection import TEXT_DIM, StubEncoder
from hypothesis import given

from misc.searching.collection import Collection
from misc.searching.cut_collection import CutCollection, find_words
from misc.searching.embedding import Embedder
from misc.searching.index.vector_store import IndexLocation
from misc.searching.windows import Windows, item_id
from utils.errors import InputError

LONG = "video3"
RNG = np.random.default_rng(7)
TIMES = np.array([0.5, 5.0, 9.999, 10.0, 14.0, 29.9, 33.0])
RGB = RNG.normal(size=(7, 12)).astype(np.float16)
AUDIO = RNG.normal(size=(3, 8)).astype(np.float16)
OCR = make_moments([(2.0, 11.0), (12.0, 12.0), (19.0, 19.5), (31.0, 31.0)], words=["SALE", "50", "%", "late"])
MOMENTS = {
    "rgb": make_moments(TIMES, RGB),
    "audio": make_moments([(0.0, 4.0), (8.0, 13.0), (30.0, 30.5)], AUDIO),
    "ocr": OCR,
}


@pytest.fixture
def opened(collection):
    """Return a function from windows to the collection in windows, and the plain collection."""
    archive, checkpoint = collection
    write_moments(archive.folder, {LONG: (36.0, MOMENTS)}, dict.fromkeys(archive.ids, "1"))
    embedder = Embedder(checkpoint)

    def opened(windows):
        plain = Collection("Toy", IndexLocation("Toy").folder, embedder.config, embedder.experts)
        return CutCollection(plain, windows), plain

    return opened


def test_a_long_video_is_cut_and_others_are_not(opened):
    cut, _ = opened(Windows())
    assert cut.spans(LONG) == [(0, 10), (10, 20), (20, 30), (30, 36)] and cut.spans("video4") == []
    assert opened(None)[0].spans(LONG) == []
    assert opened(Windows(window=36, stride=36))[0].spans(LONG) == [(0, 36)]


def test_windows_have_the_features_of_their_seconds(opened):
    cut, plain = opened(Windows())
    batches = list(cut.load_items(["video2", LONG, "video4"], 4))
    assert [len(batch.ids) for batch in batches] == [4, 2]
    ids = [item for batch in batches for item in batch.ids]
    assert ids == ["video2", *(item_id(LONG, span) for span in cut.spans(LONG)), "video4"]
    rgb = np.concatenate([batch.inputs["experts"]["rgb"] for batch in batches])
    rows = [RGB[:3], RGB[3:5], RGB[5:6], RGB[6:]]
    np.testing.assert_allclose(rgb[1:5], [x.astype(np.float32).mean(axis=0) for x in rows], rtol=1e-5)
    audio = batches[0].inputs
    assert audio["ind"]["audio"][1:].tolist() == [1, 1, 0] and audio["ind"]["scene"][1:].tolist() == [0, 0, 0]
    assert audio["frame_masks"]["audio"].sum(axis=1)[1:3].tolist() == [1, 1]
    np.testing.assert_array_equal(audio["experts"]["audio"][2, 0], AUDIO[1])
    (whole,) = plain.load_videos(["video2", "video4"], 4)
    for row, number in ((0, 0), (5, 1)):
        np.testing.assert_array_equal(rgb[row], whole.inputs["experts"]["rgb"][number])


def test_without_windows_batches_are_those_of_the_collection(opened):
    cut, plain = opened(None)
    for found, expected in zip(cut.load_items(plain.ids, 7), plain.load_videos(plain.ids, 7), strict=True):
        assert (found.ids, found.available) == (expected.ids, expected.available)
        for name in found.inputs["experts"]:
            np.testing.assert_array_equal(found.inputs["experts"][name], expected.inputs["experts"][name])


def test_a_window_without_experts_is_left_out_and_a_video_without_windows_is_whole(opened, collection):
    archive, _ = collection
    moments = {"rgb": make_moments([1.0, 25.0], RGB[:2]), "audio": make_moments([11.0], np.zeros((1, 8), np.float16))}
    write_moments(archive.folder, {LONG: (36.0, moments), "video4": (40.0, {"ocr": OCR}), "video5": (31.0, {})})
    cut, plain = opened(Windows())
    (batch,) = cut.load_items([LONG, "video4", "video5"], 64)
    assert batch.ids == [item_id(LONG, (0, 10)), item_id(LONG, (20, 30)), "video4", "video5"]
    (whole,) = plain.load_videos(["video4"], 1)
    assert batch.available[2] == whole.available[0]


def test_videos_have_the_experts_of_their_moments(opened):
    _, plain = opened(Windows())
    assert plain.videos_with("ocr") >= {LONG}
    assert LONG in plain.videos_with("audio") and plain.videos_with("rgb") - {LONG} != set()
    with pytest.raises(InputError, match="expert 'flow': not in data/Toy, expected one of .*ocr"):
        plain.videos_with("flow")


def test_words_of_a_window(opened):
    cut, plain = opened(Windows())
    assert cut.get_words(item_id(LONG, (0.0, 10.0))) == {"ocr": ["SALE"]}
    assert cut.get_words(item_id(LONG, (10.0, 20.0))) == {"ocr": ["SALE", "50", "%"]}
    assert cut.get_words(item_id(LONG, (20.0, 30.0))) == {}
    assert cut.get_word_times(item_id(LONG, (10.0, 20.0))) == {"ocr": [(2.0, 11.0), (12.0, 12.0), (19.0, 19.5)]}
    assert cut.get_words("video0") == plain.get_words("video0") == {"ocr": ["SALE", "50%"]}
    assert plain.word_experts == ["ocr"]


@examples(100)
@given(
    st.one_of(st.floats(0, 35.5, width=32), st.floats(9, 10, width=32), st.floats(19, 20, width=32)),
    st.one_of(st.just(0.0), st.floats(0, 1, width=32), st.floats(0, 40, width=32)),
)
def test_a_word_is_in_the_window_that_has_most_of_it_and_a_long_one_in_all(start, seconds):
    windows = Windows().cut(36.0)
    found = make_moments([(start, start + seconds)], words=["sign"])
    chosen = [i for i, span in enumerate(windows) if find_words(found, span, 36.0).any()]
    start, end = found.spans[0].tolist()
    shares = [min(end, stop) - max(start, begin) for begin, stop in windows]
    if end == start:
        shares = [0.0 if begin <= start < stop else -1.0 for begin, stop in windows]
    assert int(np.argmax(shares)) in chosen and all(shares[i] >= 0 for i in chosen)
    assert {i for i, share in enumerate(shares) if share >= 1} <= set(chosen)
    if seconds <= 1 and len(chosen) == 2:  # half of it in each
        assert shares[chosen[0]] == pytest.approx(shares[chosen[1]], abs=1e-5)


def test_words_are_encoded_as_at_extraction(collection, config):
    """An expert of recognized words has the vectors of the words in a window."""
    archive, _ = collection
    write_moments(archive.folder, {LONG: (36.0, MOMENTS)})
    experts = {"ocr": {"dim": TEXT_DIM, "aggregation": "vlad", "kind": "sequence"}}
    settings = {"experts": {"ocr": {"extractor": "ocr", "options": {}}}}
    record = {"text": {"encoder": "stub", "feat": "toy", "dim": TEXT_DIM}, "experts": experts, "settings": settings}
    path = archive.folder.parent / "extraction.json"
    path.write_text(json.dumps(record))
    archive.dump("ocr.pickle", {"video0": np.ones((2, TEXT_DIM), np.float16)})
    cut = CutCollection(Collection("Toy", path.parent), Windows())
    (batch,) = cut.load_items([LONG], 64)
    assert batch.ids == [item_id(LONG, span) for span in ((0, 10), (10, 20), (30, 36))]
    for row, words in enumerate((["SALE"], ["SALE", "50", "%"], ["late"])):
        found = batch.inputs["experts"]["ocr"][row][batch.inputs["frame_masks"]["ocr"][row]]
        np.testing.assert_allclose(found, StubEncoder()([" ".join(words)])[0], rtol=1e-6)
    record["text"] = {"feat": "toy", "dim": TEXT_DIM}
    path.write_text(json.dumps(record))
    with pytest.raises(InputError, match="text.encoder"):
        list(CutCollection(Collection("Toy", path.parent), Windows()).load_items([LONG], 64))


def test_frames_of_items(opened):
    cut, plain = opened(Windows(window=20, stride=20))
    found = dict(cut.load_frames("rgb"))
    assert len(found) == len(plain.ids) + 1 and LONG not in found
    np.testing.assert_array_equal(found[item_id(LONG, (0.0, 20.0))], RGB[:5])
    np.testing.assert_array_equal(found[item_id(LONG, (20.0, 36.0))], RGB[5:])
    assert dict(plain.load_frames("rgb")).keys() == set(plain.ids)


def test_a_collection_of_an_earlier_version_is_told(collection, caplog):
    archive, checkpoint = collection
    embedder = Embedder(checkpoint)

    def warned():
        caplog.clear()
        plain = Collection("Toy", IndexLocation("Toy").folder, embedder.config, embedder.experts)
        CutCollection(plain, None).warn_of_missing_moments()
        return "extracted by an earlier version: results are whole videos" in caplog.text

    assert warned()
    (archive.folder.parent / "extraction.json").unlink()
    assert not warned()
    write_moments(archive.folder, {})
    assert not warned()
