"""Incomplete archives in a published layout: the error names the file and what is missing in it."""

import dataclasses
import re

import numpy as np
import pytest
from helpers.published_layouts import write_benchmark
from helpers.published_layouts.cases import CASES, SEVEN

from utils.errors import InputError

# The files that a split of the published layout does not need. Captions as words are only displayed.
NOT_NEEDED = {
    "full-test": {
        *("raw-captions.pkl", "val_list_full.txt", "w2v_MSRVTT.pickle", "w2v_MSRVTT_transformer.pickle"),
        *("train_list_jsfusion.txt", "val_list_jsfusion.txt", "jsfusion_val_caption_idx.pkl"),
        *("train_list_miech.txt", "test_list_miech.txt", "audio_features.pickle", "face_features.pickle"),
        *("flow_features.pickle", "resnet_features.pickle"),
    },
    "miech, its features": {
        *("raw-captions.pkl", "train_list_full.txt", "val_list_full.txt", "test_list_full.txt"),
        *("train_list_jsfusion.txt", "val_list_jsfusion.txt", "jsfusion_val_caption_idx.pkl"),
        *("w2v_MSRVTT_openAIGPT.pickle", "w2v_MSRVTT_transformer.pickle", "Audio_MSRVTT_new.pickle"),
        *("Face_MSRVTT_new.pickle", "I3D_MSRVTT_new.pickle", "senet154-imagenet-raw-nocrop.pickle"),
        *("scene-raw.npy", "stt_w2v.pickle", "MSR_VTT_all_text_w2v.pkl"),
    },
    "MSVD official": {
        *("raw-captions.pkl", "val_list.txt", "openai-caption-val.pkl"),
        *(f"w2v-caption-{subset}.pkl" for subset in ("train", "val", "test")),
    },
    "DiDeMo val": {"raw-captions.pkl", "test_list.txt", "i3d-i3d-max.pickle"},
    "ActivityNet val2": {
        *("raw-captions-train-val_1.pkl", "raw-captions-train-val_2.pkl", "val_1_list.txt", "openai-val1.pkl"),
    },
    "LSMDC": {
        *("raw-captions.pkl", "openai-train.npy", "openai-test.npy"),
        *("densenet161-scene-avg-train.npy", "densenet161-scene-avg-val.npy"),
    },
}
BY_ROW = (
    *("X_face.npy", "X_flow.npy", "X_resnet.npy", "densenet161-scene-max-train.npy", "w2v-ocr-raw-train.npy"),
    *("X_audio_train.npy", "face-retrieval.npy.tensor.npy", "flow-retrieval.npy.tensor.npy"),
    *("resnet152-retrieval.npy.tensor.npy", "densenet161-scene-max-val.npy", "w2v-ocr-raw-val.npy"),
    *("X_audio_retrieval.npy.tensor.npy", "w2v_LSMDC_retrieval.npy"),
    *("no_face_ind_retrieval.npy", "no_ocr_ind_retrieval.npy"),
)


def refusal(case, benchmark, **changed):
    """Return the message of the refusal, which has to be one line."""
    with pytest.raises(InputError) as caught:
        case.loaders(benchmark, **changed)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_a_missing_file_is_named_if_the_split_needs_it(tmp_path, name):
    case = CASES[name]
    benchmark = write_benchmark(case.dataset, tmp_path)
    case.loaders(benchmark)
    not_needed = set()
    for path in sorted(benchmark.folder.iterdir()):
        path.rename(tmp_path / "elsewhere")
        try:
            case.loaders(benchmark)
            not_needed.add(path.name)
        except InputError as error:
            assert str(error).startswith(f"{path}: not found"), path.name
        (tmp_path / "elsewhere").rename(path)
    assert not_needed == NOT_NEEDED[name]


@pytest.mark.parametrize("name", ["ActivityNet val1", "DiDeMo test", "MSVD official", "jsfusion"])
def test_without_captions_as_words_there_is_no_text(tmp_path, name):
    benchmark = write_benchmark(CASES[name].dataset, tmp_path)
    for path in benchmark.folder.glob("raw-captions*"):
        path.unlink()
    for batch in CASES[name].loaders(benchmark, training=False).evaluation:
        captions = batch["word_mask"].any(dim=2).sum(dim=1).tolist()
        assert batch["raw_captions"] == [[""] * number for number in captions]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("full-test", "senet154-imagenet-raw-nocrop.pickle"),
        ("full-test", "I3D_MSRVTT_new.pickle"),
        ("full-test", "scene-raw.npy"),
        ("miech, its features", "resnet_features.pickle"),
        ("MSVD official", "senet154-imagenet-raw-nocrop.pickle"),
        ("DiDeMo val", "senet154-imagenet-avg.pickle"),
        ("ActivityNet val2", "senet154-imagenet-avg-nocrop.pickle"),
    ],
)
def test_videos_without_an_expert_that_all_have_are_named(tmp_path, name, file):
    case = CASES[name]
    benchmark = write_benchmark(case.dataset, tmp_path)
    lost = benchmark.ids[list(case.subsets)[1]][4:6]
    content = {video: x for video, x in benchmark.contents[file].items() if video not in lost}
    (benchmark.npy if file.endswith(".npy") else benchmark.pickle)(file, content)
    message = refusal(case, benchmark, training=False)
    assert message.startswith(f"{benchmark.folder / file}: 2 of 8 videos are missing, first '{lost[0]}', '{lost[1]}'")


@pytest.mark.parametrize("value", [np.zeros((2, 2048), "f4"), np.full((2, 2048), np.nan, "f4"), np.zeros((0, 2048))])
def test_an_expert_that_all_have_may_be_unusable_in_some(tmp_path, caplog, value):
    """A published archive is read with a warning, unless the config requires the expert for every video."""
    case = CASES["MSVD official"]
    benchmark = write_benchmark(case.dataset, tmp_path)
    file = "senet154-imagenet-raw-nocrop.pickle"
    video = benchmark.ids["test"][3]
    benchmark.pickle(file, {**benchmark.contents[file], video: value})
    for batch in case.loaders(benchmark, training=False).evaluation:
        assert batch["ind"]["rgb"].tolist() == [name != video for name in batch["ids"]]
    assert f"{file}: empty, NaN or zeros for 1 of 8 videos, first '{video}'" in caplog.text
    strict = dataclasses.replace(case, experts={**case.experts, "rgb": {"may_be_missing": False}})
    assert f"1 of 8 videos are missing, first '{video}'" in refusal(strict, benchmark, training=False)


@pytest.mark.parametrize("file", BY_ROW)
def test_arrays_by_row_have_to_have_a_row_for_each_video(tmp_path, file):
    benchmark = write_benchmark("LSMDC", tmp_path)
    number = len(benchmark.contents[file])
    benchmark.npy(file, benchmark.contents[file][:-1], python=2)
    message = refusal(CASES["LSMDC"], benchmark)
    assert message.startswith(f"{benchmark.folder / file}: {number - 1} rows, expected {number}")


@pytest.mark.parametrize("file", ["test_video_paths.txt", "w2v_LSMDC.npy"])
def test_files_that_number_the_videos_have_to_agree_with_the_others(tmp_path, file):
    benchmark = write_benchmark("LSMDC", tmp_path)
    content = benchmark.contents[file]
    if file.endswith(".txt"):
        benchmark.list(file, content[:-1])
    else:
        benchmark.npy(file, content[:-1], python=2)
    assert re.search(rf"{len(content)} rows, expected {len(content) - 1}\b", refusal(CASES["LSMDC"], benchmark))


@pytest.mark.parametrize(
    ("name", "experts", "named"),
    [
        ("MSVD official", {"modalities": ["audio", "rgb"]}, ("audio", "MSVD", "face, flow, ocr, rgb, scene")),
        ("MSVD official", {"modalities": SEVEN}, ("audio", "MSVD", "face, flow, ocr, rgb, scene")),
        ("LSMDC", {"modalities": SEVEN}, ("speech", "LSMDC", "audio, face, flow, ocr, rgb, scene")),
        ("MSVD official", {"text_feat": "bertxl"}, ("text_feat", "bertxl", "MSVD", "openai, w2v")),
        ("DiDeMo val", {"text_feat": "w2v"}, ("text_feat", "w2v", "DiDeMo", "openai")),
        ("ActivityNet val1", {"text_feat": "w2v"}, ("text_feat", "w2v", "ActivityNet", "openai")),
        ("miech, its features", {"face_dim": 512}, ("face_features.pickle", "dimension 128, expected 512")),
        ("LSMDC", {"face_dim": 512}, ("X_face.npy", "dimension 128, expected 512")),
        ("full-val", {"text_dim": 300}, ("w2v_MSRVTT_openAIGPT.pickle", "768")),
    ],
)
def test_experts_and_captions_that_a_dataset_does_not_have_are_refused(tmp_path, name, experts, named):
    case = CASES[name]
    case = dataclasses.replace(case, experts={**case.experts, **experts})
    message = refusal(case, write_benchmark(case.dataset, tmp_path))
    assert all(subset in message for subset in named), message


@pytest.mark.parametrize(
    ("name", "splits"),
    [
        ("jsfusion", {"full-val", "full-test", "jsfusion", "miech"}),
        ("MSVD dev", {"official", "dev"}),
        ("DiDeMo val", {"val", "test"}),
        ("ActivityNet val1", {"val1", "val2"}),
        ("LSMDC", {"val"}),
    ],
)
def test_a_dataset_has_the_published_splits_and_no_others(tmp_path, name, splits):
    message = refusal(CASES[name], write_benchmark(CASES[name].dataset, tmp_path), split_name="train")
    assert message.startswith("data_loader.args.split_name: 'train', expected one of ")
    assert set(message.partition("expected one of ")[2].split(", ")) == splits


@pytest.mark.parametrize("name", ["full-val", "MSVD dev", "DiDeMo val", "ActivityNet val1"])
def test_files_named_after_a_network_need_its_name(tmp_path, name):
    message = refusal(CASES[name], write_benchmark(CASES[name].dataset, tmp_path), rgb_model_name=None)
    assert message.startswith("data_loader.args.rgb_model_name: missing")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda index, short: index.pop(short), "has no '{short}'"),
        (lambda index, short: index.update({short: 19}), "'{short}' is 19, expected less than its 19 captions"),
        (lambda index, short: index.update({short: -1}), "'{short}' is -1"),
        (lambda index, short: index.update({short: "1"}), "'{short}' is '1'"),
    ],
)
def test_the_only_caption_of_a_video_has_to_exist(tmp_path, change, message):
    benchmark = write_benchmark("MSRVTT", tmp_path)
    short = benchmark.ids["jsfusion-val"][-1]  # it has 19 captions
    change(benchmark.caption_index, short)
    benchmark.pickle("jsfusion_val_caption_idx.pkl", benchmark.caption_index)
    assert message.format(short=short) in refusal(CASES["jsfusion"], benchmark, training=False)


@pytest.mark.parametrize("file", ["dict_youtube_mapping.pkl", "openai-caption-test.pkl"])
def test_a_video_needs_a_youtube_id_and_captions_that_go_by_it(tmp_path, file):
    benchmark = write_benchmark("MSVD", tmp_path)
    video = benchmark.ids["test"][3]
    youtube = benchmark.contents["dict_youtube_mapping.pkl"]
    content = benchmark.contents[file]
    del content[video if file.startswith("dict") else youtube[video]]
    benchmark.pickle(file, content)
    message = refusal(CASES["MSVD official"], benchmark, training=False)
    assert message.startswith(str(benchmark.folder / file)) and f"'{video}'" in message


def test_an_array_by_row_is_refused_in_place_of_a_dict(tmp_path):
    benchmark = write_benchmark("MSVD", tmp_path)
    rows = np.stack([benchmark.features["scene"][video] for video in benchmark.ids["test"]])
    benchmark.pickle("densenet161-scene-max.pickle", rows, protocol=4, python=3)
    message = refusal(CASES["MSVD official"], benchmark, training=False)
    assert "densenet161-scene-max.pickle" in message and "expected a dict" in message


@pytest.mark.parametrize("flags", [np.arange(8), np.full(8, np.nan), np.full(8, 2)])
def test_flags_of_missing_experts_are_0_or_1(tmp_path, flags):
    benchmark = write_benchmark("LSMDC", tmp_path)
    benchmark.npy("no_face_ind_retrieval.npy", flags)
    assert "no_face_ind_retrieval.npy: found " in refusal(CASES["LSMDC"], benchmark, training=False)


def test_features_of_two_videos_that_differ_only_in_their_suffix(tmp_path):
    benchmark = write_benchmark("DiDeMo", tmp_path)
    video = benchmark.ids["test"][0]
    content = benchmark.contents["ocr-feats.pkl"]
    benchmark.pickle("ocr-feats.pkl", {**content, f"{video}.mp4": np.ones((2, 300)), f"{video}.avi": np.ones((1, 300))})
    assert "ocr-feats.pkl: names that differ only after their dot" in refusal(CASES["DiDeMo test"], benchmark)
