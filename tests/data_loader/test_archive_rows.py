"""Arrays by row, as of LSMDC: a video has the row of its number, whichever videos are used and in whichever order."""

import numpy as np
import pytest

from data_loader.archive import Archive
from data_loader.experts import Expert

NUM, DIM = 6, 3
NAMES = [f"film{row}" for row in range(NUM)]
FLAGS = [0, 1, 0, 0, 1, 0]
CAPTIONLESS = (1, 3)


def objects(values):
    array = np.empty(len(values), dtype=object)
    for row, value in enumerate(values):
        array[row] = value
    return array


@pytest.fixture
def reader(tmp_path):
    """Return the reader of an archive in which row r holds r + 1; two rows for training have no caption."""
    folder = tmp_path / "symlinked-feats"
    folder.mkdir()
    rows = np.arange(1.0, NUM + 1)[:, None] * np.ones(DIM)
    for name in ("X_face.npy", "face-retrieval.npy.tensor.npy"):
        np.save(folder / name, rows)
    np.save(folder / "no_face_ind_retrieval.npy", np.array(FLAGS, float))
    captions = [np.zeros((0, 2)) if row in CAPTIONLESS else np.full((1, 2), row + 1.0) for row in range(NUM)]
    np.save(folder / "w2v_LSMDC.npy", objects(captions), allow_pickle=True)
    (folder / "test_video_paths.txt").write_text("".join(f"{name}\n" for name in NAMES))
    return Archive(tmp_path, "LSMDC", "val")


@pytest.mark.parametrize("chosen", [[0, 1, 2, 3, 4, 5], [4, 5], [2, 1, 0], [5, 4, 1]])
def test_flags_and_features_are_those_of_the_video_and_not_of_its_place(reader, chosen):
    assert reader.video_ids("test", "w2v", 2) == NAMES
    features = reader.features("face", Expert(DIM), "test", [NAMES[row] for row in chosen])
    assert features.available.tolist() == [not FLAGS[row] for row in chosen]
    for place, row in enumerate(chosen):
        assert features[place] is None if FLAGS[row] else features[place].tolist() == [row + 1] * DIM


def test_videos_without_a_caption_are_left_out_with_their_rows(reader):
    ids = reader.video_ids("train", "w2v", 2)
    kept = [row for row in range(NUM) if row not in CAPTIONLESS]
    assert [int(video.rpartition("-")[2]) for video in ids] == kept
    features, captions = reader.features("face", Expert(DIM), "train", ids), reader.captions("w2v", 2, "train", ids)
    for place, row in enumerate(kept):
        assert features[place].tolist() == [row + 1] * DIM
        assert captions.vectors(place, 0).tolist() == [[row + 1] * 2]


def test_only_the_zeros_at_the_end_of_a_sequence_are_padding(reader):
    frames = np.zeros((NUM, 5, DIM))
    frames[0, 0], frames[0, 2] = 1, 2  # a frame of zeros between two others
    frames[1, 4] = 3
    frames[2, 0] = 4
    frames[3:] = 5
    np.save(reader.folder / "w2v-ocr-raw-val.npy", frames)
    np.save(reader.folder / "no_ocr_ind_retrieval.npy", np.zeros(NUM))
    ids = reader.video_ids("test", "w2v", 2)
    features = reader.features("ocr", Expert(DIM, aggregation="vlad"), "test", ids)
    assert [x[:, 0].tolist() for x in (features[v] for v in range(4))] == [[1, 0, 2], [0, 0, 0, 0, 3], [4], [5] * 5]
