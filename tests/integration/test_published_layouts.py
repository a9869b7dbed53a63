"""The synthetic archives have the content that they claim, and the peculiarities of the published ones."""

import pickle
import pickletools
import warnings

import numpy as np
import pytest
from helpers.published_layouts import WRITERS, write_benchmark
from helpers.published_layouts.content import LONG_SEQUENCE

PYTHON2_FILES = ("Audio_MSRVTT_new.pickle", "features.pickle", "w2v_MSRVTT.pickle", "raw-captions.pkl", "ocr-feats.pkl")
INTERMITTENT = {
    "MSRVTT": ("audio", "face", "ocr", "speech", "audio-miech", "face-miech"),
    "MSVD": ("face", "ocr"),
    "DiDeMo": ("audio", "face", "ocr", "speech"),
    "ActivityNet": ("audio", "face", "ocr", "speech"),
    "LSMDC": ("audio", "face", "ocr"),
}
# The others pick their videos from these.
WITH_EVERY_FORM = ("train", "val", "test", "full-train", "full-val", "full-test", "val1")


@pytest.fixture(params=sorted(WRITERS))
def benchmark(request, tmp_path):
    return write_benchmark(request.param, tmp_path)


def plainly_read(path):
    """Return the content that Python and numpy read, with the encoding that files of Python 2 need."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*align should be passed")  # as numpy wrote it in 2019
        if path.suffix == ".txt":
            return path.read_text().splitlines()
        if path.suffix == ".npy":
            array = np.load(path, allow_pickle=True, encoding="latin1")
            return array if array.ndim else array.item()
        with path.open("rb") as file:
            return pickle.load(file, encoding="latin1")


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list) or (isinstance(expected, np.ndarray) and expected.dtype == object):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype and found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


def test_files_hold_what_the_benchmark_says(benchmark):
    assert {path.name for path in benchmark.folder.iterdir()} == set(benchmark.contents)
    for name, content in benchmark.contents.items():
        assert_same(plainly_read(benchmark.folder / name), content)


def opcodes(content):
    return [(opcode, argument) for opcode, argument, _ in pickletools.genops(content)]


def test_pickles_are_of_several_protocols_and_of_both_pythons(benchmark):
    protocols, texts = set(), set()
    for path in benchmark.folder.glob("*.p*k*l*"):
        found = opcodes(path.read_bytes())
        names = {opcode.name for opcode, _ in found}
        protocols |= {argument for opcode, argument in found if opcode.name == "PROTO"} or {0}
        python2 = names & {"STRING", "BINSTRING", "SHORT_BINSTRING"}
        texts |= names & {"STRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE"}
        if path.name.endswith(PYTHON2_FILES):
            assert python2
        if python2:  # nothing that Python 2 could not write
            assert not any("UNICODE" in name or "BINBYTES" in name for name in names)
            assert max(opcode.proto for opcode, _ in found) <= 2
            modules = {argument for opcode, argument in found if opcode.name == "GLOBAL"}
            assert modules <= {"numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype"}
    if benchmark.name != "LSMDC":  # which has only one pickle
        assert len(protocols) > 1 and len(texts) > 1


@pytest.mark.parametrize(
    ("name", "file"), [("MSRVTT", "Audio_MSRVTT_new.pickle"), ("MSVD", "raw-captions.pkl"), ("LSMDC", "raw-captions.pkl")]
)
def test_files_of_python_2_need_latin1(tmp_path, name, file):
    content = (write_benchmark(name, tmp_path).folder / file).read_bytes()
    assert content.startswith(b"\x80\x02")
    with pytest.raises(UnicodeDecodeError):
        pickle.loads(content)


def form_of(array):
    """Return the form in which an array is present or missing."""
    if array is None:
        return "absent"
    if array.size == 0:
        assert array.dtype == np.float64
        return f"empty {array.ndim}-d"
    if np.isnan(array.flat[0]):
        return "NaN"
    return "frames" if array.any() else "zeros"


def test_experts_are_missing_in_every_form(benchmark):
    missing_experts = {name for name, missing in benchmark.missing.items() if missing}
    assert missing_experts == set(INTERMITTENT[benchmark.name])
    for name in missing_experts:
        features, missing = benchmark.features[name], benchmark.missing[name]
        for subset, ids in benchmark.ids.items():
            forms = {video: form_of(features.get(video)) for video in ids}
            by_form = {video for video, form in forms.items() if form != "frames"}
            if benchmark.name == "LSMDC" and name == "audio":
                by_form = {video for video in by_form if forms[video] == "NaN"}
            marked = {video for video in ids if video in missing} - by_form
            assert by_form <= missing and len(marked) == (benchmark.name == "LSMDC" and name != "audio" and subset == "test")
            expected = {"frames", "NaN", "zeros", "empty 1-d", "empty 2-d", "absent"}
            if benchmark.name == "LSMDC":
                expected -= {"empty 1-d", "empty 2-d", "absent"} if name == "face" else {"absent"}
            if subset in WITH_EVERY_FORM:
                assert set(forms.values()) == expected, (name, subset)
    for name in set(benchmark.features) - missing_experts:
        assert {form_of(x) for x in benchmark.features[name].values()} == {"frames"}


def test_types_differ_and_sequences_are_longer_than_any_config_takes(benchmark):
    types = {x.dtype for features in benchmark.features.values() for x in features.values()}
    assert types == {np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)}
    for name in ("audio", "ocr", "speech"):
        lengths = [len(x) for x in benchmark.features.get(name, {}).values()]
        assert not lengths or (max(lengths) == LONG_SEQUENCE and min(lengths) < 5)


def number_of_captions(benchmark, subset):
    return [len(benchmark.captions[subset].words[video]) for video in benchmark.ids[subset]]


def test_captions_are_as_many_as_the_published_ones(tmp_path):
    msrvtt = write_benchmark("MSRVTT", tmp_path)
    for subset in ("full-test", "jsfusion-val", "miech-test"):
        assert sorted(number_of_captions(msrvtt, subset)) == [19, *[20] * 7]
    assert set(msrvtt.caption_index) == set(msrvtt.ids["jsfusion-val"]) and 18 in msrvtt.caption_index.values()
    msvd = write_benchmark("MSVD", tmp_path)
    assert max(number_of_captions(msvd, "test")) == 81 and sorted(number_of_captions(msvd, "test"))[-2] < 5
    for name in ("DiDeMo", "ActivityNet"):
        benchmark = write_benchmark(name, tmp_path)
        assert min(min(number_of_captions(benchmark, subset)) for subset in benchmark.ids) > 1
    lsmdc = write_benchmark("LSMDC", tmp_path, num_train=9)
    for name in ("w2v_LSMDC.npy", "openai-train.npy"):
        lengths = [len(x) for x in lsmdc.contents[name]]
        assert len(lengths) == 14 and lengths.count(0) == 5


def test_names_are_as_irregular_as_the_published_ones(tmp_path):
    msvd = write_benchmark("MSVD", tmp_path)
    youtube = msvd.contents["dict_youtube_mapping.pkl"]
    assert len(set(youtube.values())) == len(youtube) == 33
    assert set(msvd.contents["openai-caption-val.pkl"]) == {youtube[video] for video in msvd.ids["val"]}
    didemo = write_benchmark("DiDeMo", tmp_path)
    listed = didemo.contents["test_list.txt"]
    suffixes = [name.removeprefix(video) for video, name in zip(didemo.ids["test"], listed, strict=True)]
    assert set(suffixes) == {".mp4", ".avi", ".", ".m2ts", ".mpeg", ".null"}
    assert set(didemo.contents["i3d-i3d-avg.pickle"]) == {video for ids in didemo.ids.values() for video in ids}
    assert not set(didemo.contents["vggish-audio-raw.pickle"]) & set(didemo.contents["i3d-i3d-avg.pickle"])
    net = write_benchmark("ActivityNet", tmp_path)
    both = set(net.ids["val1"]) & set(net.ids["val2"])
    one, two = (net.captions[subset].words for subset in ("val1", "val2"))
    assert len(both) == 4 and all(one[video] != two[video] for video in both)
    msrvtt = write_benchmark("MSRVTT", tmp_path)
    assert msrvtt.ids["full-test"] != sorted(msrvtt.ids["full-test"])
    assert list(msrvtt.features["flow"]) != list(msrvtt.contents["I3D_MSRVTT_new.pickle"])
