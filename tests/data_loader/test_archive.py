"""The experts and captions in an archive: those that are read, missing or refused."""

import logging
import unicodedata

import numpy as np
import pytest

from data_loader.archive import Archive
from data_loader.experts import Expert
from utils.errors import InputError

FRAMES = np.array([[1.0, -2.0, 3.0], [4.0, 0.5, -6.0], [0.0, 0.0, 0.0]])


def opened(split="val"):
    return Archive("data/Toy", "Toy", split)


def features_of(reader, expert, ids):
    """Return the rgb features of videos, None where they are missing."""
    return list(reader.features("rgb", expert, "train", ids))


def captions_of(reader, dim, ids, text_feat="toy"):
    """Return the captions of videos as vectors and as text."""
    captions = reader.captions(text_feat, dim, "train", ids)
    every = [[(v, k) for k in range(captions.count(v))] for v in range(len(ids))]
    return tuple([[get(v, k) for v, k in video] for video in every] for get in (captions.vectors, captions.text))


def read_feature(archive, value, **fields):
    """Return the features that are read of one video's `value` for an expert of dimension 3."""
    archive.features["rgb"] = {"video0": value}
    archive.write()
    (feature,) = features_of(opened(), Expert(**{"dim": 3, **fields}), ["video0"])
    return feature


def read_captions(archive, vectors, raw=None, dim=3):
    """Return the captions of one video as vectors and as text."""
    archive.text, archive.raw = {"video0": vectors}, {} if raw is None else {"video0": raw}
    archive.write()
    ((words,), (texts,)) = captions_of(opened(), dim, ["video0"])
    return words, texts


def one_line(caught):
    """Return the message of the refusal, which has to be one printable line."""
    assert str(caught.value).isprintable(), repr(str(caught.value))
    return str(caught.value)


def test_an_expert_that_may_not_be_missing_is_required_for_every_video(archive, caplog):
    archive.features["rgb"].update(video1=np.zeros((0, 12)), video2=np.zeros((2, 12)))
    del archive.features["rgb"]["video0"]
    archive.write()
    reader = opened()
    assert [x is None for x in features_of(reader, Expert(12), archive.ids[:4])] == [True, True, True, False]
    with pytest.raises(InputError, match="rgb.pickle: 3 of 4 videos are missing, first 'video0', 'video1', 'video2'"):
        features_of(reader, Expert(12, may_be_missing=False), archive.ids[:4])
    assert not caplog.records
    assert features_of(reader, Expert(12), archive.ids[:2]) == [None, None]
    assert "rgb.pickle: none of the 2 videos has this expert" in caplog.text


@pytest.mark.parametrize(
    ("value", "fields", "message"),
    [
        (np.ones((2, 4)), {}, "dimension 4, expected 3"),
        (np.ones(4), {}, "dimension 4, expected 3"),
        (np.ones((2, 3)), {"kind": "vector", "aggregation": "none"}, "2 rows, expected one"),
        (np.array([[1, 2, 3], [4, np.nan, 6]]), {}, "NaN or inf"),
        (np.array([[1, 2, -np.inf]]), {"aggregation": "vlad"}, "NaN or inf"),
        (np.full((1, 3), 1e39), {}, "finite"),
        (np.ones((1, 2, 3)), {}, r"shape \(1, 2, 3\)"),
        (np.float32(1), {}, r"shape \(\)"),
        (np.ones((2, 3), complex), {}, "complex"),
        (np.array(["a", "b", "c"]), {}, "<U1"),
        (np.array([1, 2, 3], dtype=object), {}, "object"),
        (None, {}, "object"),
        ([[1.0, 2.0, 3.0], [4.0]], {}, r"expected numbers of shape \(T, 3\)"),
    ],
)
def test_features_that_do_not_fit_name_the_file_and_the_video(archive, value, fields, message):
    with pytest.raises(InputError, match=f"rgb.pickle: 'video0' .*{message}") as caught:
        read_feature(archive, value, **fields)
    one_line(caught)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train_list.txt", None, "not found"),
        ("val_list.txt", b"\n \n", "no video"),
        ("train_list.txt", b"video1\nvideo2\nvideo1\n", "'video1' is there 2 times"),
        ("train_list.txt", b"caf\xe9\n", "not UTF-8"),
    ],
)
def test_bad_split_lists_are_named(workplace, name, content, message):
    path = workplace.folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: {message}") as caught:
        for part in ("train", "val"):
            opened().video_ids(part, "toy", 10)
    one_line(caught)


def test_split_lists_are_lines_and_an_overlap_is_logged(workplace, caplog):
    (workplace.folder / "train_list.txt").write_bytes("video1\r\n\n  vidéo 2 \nvideo3".encode())
    reader = opened("test")
    train, test = (reader.video_ids(part, "toy", 10) for part in (reader.split.train, reader.split.evaluation))
    assert (train, test) == (["video1", "vidéo 2", "video3"], workplace.lists["test_list.txt"])
    reader.warn_of_overlap(test)
    assert not caplog.records
    (workplace.folder / "val_list.txt").write_text("video9\nvideo3\nvideo1\n")
    reader = opened()
    reader.warn_of_overlap(reader.video_ids("val", "toy", 10))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "2 videos in both train_list.txt and val_list.txt, first 'video1'" in record.getMessage()
    with pytest.raises(InputError, match=r"split_name: 'full-test', expected one of val, test"):
        opened("full-test")


def test_captions_without_a_word_are_left_out_with_their_text(archive, caplog):
    vectors = [np.ones((2, 3), np.float16), np.zeros((0, 3)), [], np.full((1, 3), 2.0)]
    words, texts = read_captions(archive, vectors, [["a", "cat"], ["lost"], [], "dog"])
    assert texts == ["a cat", "dog"]
    for found, expected in zip(words, (vectors[0], vectors[3]), strict=True):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    assert "text-toy.pickle: left out: 2 captions without a word" in caplog.text
    assert read_captions(archive, vectors)[1] == ["", ""]  # no text is known of them
    (archive.folder / "raw-captions.pkl").unlink()
    assert captions_of(opened(), 3, ["video0"])[1] == [["", ""]]


@pytest.mark.parametrize("raw", [[["a"], ["b"]], []])
def test_texts_that_differ_in_number_from_the_captions_are_left_out(archive, caplog, raw):
    """Scores do not depend on texts, and a wrong text next to a video would be misleading."""
    words, texts = read_captions(archive, [CAPTION], raw)
    assert len(words) == 1 and texts == [""]
    found = f"for 1 of 1 videos, first 'video0' has {len(raw)} of 1"
    assert f"raw-captions.pkl: not as many texts as captions {found}; theirs are left out" in caplog.text


CAPTION = np.ones((2, 3))


@pytest.mark.parametrize(
    ("vectors", "raw", "file", "message"),
    [
        ([], None, "text-toy.pickle", "'video0' has no caption"),
        ([np.zeros((0, 3))], None, "text-toy.pickle", "no caption of video 'video0' has a word"),
        ([CAPTION, np.ones((2, 4))], None, "text-toy.pickle", r"caption 1 of 'video0' .*\(2, 4\), .*\(words, 3\)"),
        ([np.ones(3)], None, "text-toy.pickle", r"caption 0 of 'video0' .*shape \(3,\)"),
        ([np.ones((2, 3), int)], None, "text-toy.pickle", "caption 0 of 'video0' is int64"),
        ([CAPTION, np.full((1, 3), np.inf)], None, "text-toy.pickle", "caption 1 of 'video0' .*NaN or inf"),
        ([CAPTION, np.full((1, 3), np.nan)], None, "text-toy.pickle", "caption 1 of 'video0' .*NaN or inf"),
        ([None], None, "text-toy.pickle", "caption 0 of 'video0' is object"),
        ([[[1.0, 2.0, 3.0], [4.0]]], None, "text-toy.pickle", "caption 0 of 'video0'"),
        (None, None, "text-toy.pickle", "'video0'"),
        (5, None, "text-toy.pickle", "'video0'"),
        ([CAPTION], 5, "raw-captions.pkl", "'video0'"),
        ([CAPTION], [5], "raw-captions.pkl", "'video0'"),
    ],
)
def test_captions_that_do_not_fit_name_the_file_and_the_video(archive, vectors, raw, file, message):
    with pytest.raises(InputError, match=f"{file}: .*{message}") as caught:
        read_captions(archive, vectors, raw)
    one_line(caught)


def test_files_of_the_wrong_content_are_named(workplace):
    with pytest.raises(InputError, match="data/Other/symlinked-feats: no such folder"):
        Archive("data/Other", "Other", "val")
    workplace.dump("rgb.pickle", [np.ones((1, 12))])
    workplace.dump("raw-captions.pkl", ["a"])
    reader = opened()
    with pytest.raises(InputError, match="rgb.pickle: found an array by row, expected a dict"):
        features_of(reader, Expert(12), workplace.ids)
    with pytest.raises(InputError, match="raw-captions.pkl: found an array by row, expected a dict"):
        captions_of(reader, 10, workplace.ids)
    with pytest.raises(InputError, match="text-w2v: not found"):
        captions_of(reader, 10, workplace.ids, "w2v")
    with pytest.raises(InputError, match="text-toy.pickle: video 'unknown' has no caption"):
        workplace.dump("raw-captions.pkl", {})
        captions_of(opened(), 10, ["unknown"])


def test_names_in_files_and_lists_are_the_same_in_each_unicode_form(workplace):
    """File names on macOS are decomposed: without a common form, the video would count as one without experts."""
    nfc, nfd = (unicodedata.normalize(form, "vidéo") for form in ("NFC", "NFD"))
    assert nfc != nfd
    (workplace.folder / "train_list.txt").write_text(f"{nfd}\nvideo1\n")
    workplace.dump("rgb.pickle", {nfd: np.ones((1, 12)), "video1": np.ones((1, 12))})
    reader = opened()
    ids = reader.video_ids("train", "toy", 10)
    assert ids == [nfc, "video1"]
    assert reader.features("rgb", Expert(12), "train", ids).available.all()
