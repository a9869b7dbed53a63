"""Invalid data in an archive: refusals name the file and the item, exceptions are logged, and no number is wrong."""

import re

import numpy as np
import pytest
from helpers.commands import CONFIG, train
from helpers.published_layouts import write_benchmark
from helpers.published_layouts.cases import CASES

import train as train_command
from data_loader.archive import Archive
from data_loader.experts import Expert
from utils.errors import InputError

VIDEO = "video3"


def ragged(*lengths):
    """Return an array of objects with rows of different lengths."""
    rows = np.empty(len(lengths), dtype=object)
    rows[:] = [np.ones(length) for length in lengths]
    return rows


def frames(value, at=(2, 5), dtype="f4"):
    """Return three frames of ones, with one other number that is not the first."""
    x = np.ones((3, 12), dtype)
    x[at] = value
    return x


def options(*overrides):
    return ["--config", CONFIG, *(option for override in overrides for option in ("--set", override))]


@pytest.mark.parametrize("aggregation", ["avg", "vlad"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (frames(np.nan), "holds NaN or inf"),
        (frames(np.inf), "holds NaN or inf"),
        (frames(np.inf, dtype="f2"), "holds NaN or inf"),
        (frames(np.nan, at=(0, 11)), "holds NaN or inf"),
        (frames(1e39, dtype="f8"), "holds NaN or inf"),
        (np.ones((3, 11)), "has dimension 11, expected 12"),
        (np.ones((12, 3)), "has dimension 3, expected 12"),
        (np.ones((3, 12, 1)), r"of shape \(3, 12, 1\)"),
        (np.ones((3, 12)).astype(object), "object of shape"),
        (ragged(12, 12, 11), "object of shape"),
        ([[1.0] * 12, [1.0] * 11], "rows of different lengths"),
    ],
)
def test_one_invalid_expert_among_valid_ones_is_refused_by_name(workplace, refused, aggregation, value, message):
    workplace.features["rgb"][VIDEO] = value
    workplace.dump("rgb.pickle", workplace.features["rgb"])
    err = refused(train_command, *options(f"experts.rgb.aggregation={aggregation}", "arch.args.vlad_clusters.rgb=2"))
    assert re.search(f"rgb.pickle: '{VIDEO}' .*{message}", err), err


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_frames_that_overflow_when_they_are_averaged_are_refused(workplace, refused, dtype):
    """Each number is finite, but their sum is not."""
    workplace.features["rgb"][VIDEO] = np.full((4, 12), 3e38, dtype)
    workplace.dump("rgb.pickle", workplace.features["rgb"])
    assert re.search(f"rgb.pickle: the average of '{VIDEO}' holds NaN or inf", refused(train_command, *options()))


@pytest.mark.parametrize("others", ["f2", "f4"])
@pytest.mark.parametrize("value", [1e5, 70000, -1e38, 1e-30])
def test_numbers_that_do_not_fit_float16_are_stored_exactly(workplace, value, others):
    """The store uses float16 if all arrays do: another one, the last of the file, must not become inf or 0."""
    content = {name: np.ones((2, 12), others) for name in workplace.ids}
    content["last"] = np.full((1, 12), value, "i8" if isinstance(value, int) else "f4")
    workplace.dump("rgb.pickle", content)
    (found,) = Archive("data/Toy", "Toy", "val").features("rgb", Expert(12, aggregation="vlad"), "train", ["last"])
    np.testing.assert_array_equal(found, np.float32(content["last"]))


def test_an_invalid_item_that_no_split_uses_is_ignored(workplace, run):
    """Published files hold the videos of all splits, and others."""
    workplace.dump("rgb.pickle", {**workplace.features["rgb"], "unused": frames(np.nan), "other": np.ones((1, 5))})
    train(run)


@pytest.mark.parametrize("expert", ["audio", "scene"])
def test_an_expert_that_all_training_videos_lack_is_logged(workplace, run, expert):
    for video in workplace.lists["train_list.txt"]:
        workplace.features[expert].pop(video, None)
    workplace.dump(f"{expert}.pickle", workplace.features[expert])
    folder, out = train(run, "--set", "trainer.epochs=1")
    log = (folder.parents[2] / "log" / folder.parent.name / folder.name / "info.log").read_text()
    assert f"{expert} 0 (0.0%)" in out + log
    code, out, err = run(train_command, *options("trainer.epochs=1"))
    assert code == 0 and f"{expert}.pickle: none of the 24 videos has this expert" in out + err


def test_empty_arrays_are_missing_experts_and_empty_captions(workplace, run):
    workplace.features["audio"] = {video: np.zeros((0, 8)) for video in workplace.ids}
    workplace.features["audio"][VIDEO] = np.ones((2, 8))
    workplace.text[VIDEO].append(np.zeros((0, 10)))
    workplace.write()
    _, out = train(run, "--set", "trainer.epochs=1")
    assert "audio 1 (4.2%)" in out and "left out: 1 caption without a word" in out


def test_videos_without_a_word_are_refused_by_name(workplace, refused):
    workplace.text[VIDEO] = [np.zeros((0, 10)), np.zeros((0, 10))]
    workplace.dump("text-toy.pickle", workplace.text)
    assert f"text-toy.pickle: no caption of video '{VIDEO}' has a word" in refused(train_command, *options())


def test_a_name_in_a_list_that_is_in_no_file_is_refused(workplace, refused):
    (workplace.folder / "train_list.txt").write_text("\n".join([*workplace.lists["train_list.txt"], "stranger"]))
    assert re.search(r"rgb.pickle: 1 of 25 videos are missing, first 'stranger'", refused(train_command, *options()))


def test_a_name_that_is_there_twice_is_refused(workplace, refused):
    (workplace.folder / "train_list.txt").write_text("\n".join([*workplace.lists["train_list.txt"], VIDEO]))
    assert f"train_list.txt: '{VIDEO}' is there 2 times" in refused(train_command, *options())


@pytest.mark.parametrize("file", ["rgb", "text-toy"])
def test_an_item_that_is_there_twice_is_refused(workplace, refused, file):
    """A name may be there as text and as bytes, for example: it is not known which of them is meant."""
    content = workplace.features["rgb"] if file == "rgb" else workplace.text
    workplace.dump(f"{file}.pickle", {**content, VIDEO.encode(): content["video4"]})
    assert f"{file}.pickle: '{VIDEO}' is there twice" in refused(train_command, *options())


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "NaN or inf"), (np.inf, "NaN or inf"), (np.float32(3e38), "numbers whose squares overflow")],
)
def test_an_invalid_word_vector_is_refused_by_video_and_caption(workplace, refused, value, message):
    captions = workplace.text[VIDEO]
    captions[1] = captions[1].astype(np.float32)
    captions[1][-1, 3] = value
    workplace.dump("text-toy.pickle", workplace.text)
    assert f"text-toy.pickle: caption 1 of '{VIDEO}' holds {message}" in refused(train_command, *options())


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("X_flow.npy", lambda x: x.__setitem__((5, 3), np.nan), "'5' holds NaN or inf"),
        ("w2v_LSMDC.npy", lambda x: x.__setitem__(5, np.ones((2, 7))), "caption 0 of '5' is .* expected floats"),
        ("w2v_LSMDC.npy", lambda x: x.__setitem__(5, ragged(300, 299)), "caption 0 of '5' is .* expected floats"),
    ],
)
def test_arrays_by_row_name_the_row(tmp_path, file, change, message):
    benchmark = write_benchmark("LSMDC", tmp_path)
    content = benchmark.contents[file].copy()
    change(content)
    benchmark.npy(file, content)
    with pytest.raises(InputError, match=f"{file}: {message}"):
        CASES["LSMDC"].loaders(benchmark)


@pytest.mark.parametrize("flags", [ragged(*range(1, 9)), [[0, 1], [1]], {"a": 1}, "flags", None, [None] * 8])
def test_invalid_flags_of_missing_experts_are_refused(tmp_path, flags):
    benchmark = write_benchmark("LSMDC", tmp_path)
    content = np.empty((), dtype=object)
    content[()] = flags
    np.save(benchmark.folder / "no_face_ind_retrieval.npy", content, allow_pickle=True)
    with pytest.raises(InputError, match="no_face_ind_retrieval.npy: "):
        CASES["LSMDC"].loaders(benchmark, training=False)
