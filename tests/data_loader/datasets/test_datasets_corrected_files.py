"""The declarations of the corrected release: the names of files, typed once more from its description, and its lists."""

import dataclasses
import json

import pytest
from helpers.paths import shared

from data_loader.datasets import CORRECTED_LAYOUTS, LAYOUTS, is_known, is_published, layout_of
from data_loader.text_encoders import TEXT_DIMS

FACES_25 = "aggregated_facefeats_25fps_256px_stride1/face-avg.pickle"
EXPERTS = {
    "MSRVTT": {
        "audio": "aggregated_audio_feats/Audio_MSRVTT_new.pickle",
        "face": "aggregated_face_feats/facefeats-avg.pickle",
        "ocr": "aggregated_ocr_feats/ocr-raw.pickle",
        "speech": "aggregated_speech/speech-w2v.pickle",
    },
    "MSVD": {"face": "aggregated_face_feats/face-avg.pickle", "ocr": "aggregated_ocr_feats/ocr-w2v.pickle"},
    "DiDeMo": {
        "audio": "aggregated_audio_feats/vggish-audio-raw.pickle",
        "face": FACES_25,
        "ocr": "aggregated_ocr_feats/ocr-feats.pkl",
        "speech": "aggregated_speech_feats/stt_w2v.pickle",
    },
    "ActivityNet": {
        "audio": "aggregated_audio/vggish-audio-raw.pickle",
        "face": FACES_25,
        "ocr": "aggregated_ocr_feats/ocr-w2v.pkl",
        "speech": "aggregated_speech/goog_w2v-speech-raw.pickle",
    },
    "LSMDC": {
        "audio": "aggregated_audio/vggish-raw.pickle",
        "face": "antoine/face-max-with-blank-val.pickle",
        "ocr": "aggregated_ocr_feats/ocr-w2v.pkl",
        "speech": "aggregated_speech/speech-w2v.pickle",
    },
    "YouCook2": {"audio": "aggregated_audio/vggish-raw.pickle", "ocr": "aggregated_ocr_feats/ocr-w2v.pkl"},
    "QuerYD": {"audio": "aggregated_audio/vggish-raw.hickle"},
    "QuerYDSegments": {"audio": "aggregated_audio/vggish-raw.hickle"},
    "VaTeX": {"audio": "aggregated_audio/vggish-raw.hickle"},
}
OPENAI = {
    "MSRVTT": "w2v_MSRVTT_openAIGPT.pickle",
    "MSVD": "openai-caption-{subset}.pkl",
    "DiDeMo": "openai-feats.pkl",
    "LSMDC": "openai-text.pickle",
}
SPLITS = {
    "MSRVTT": {
        "full-val": ("train_list_full.txt", "val_list_full.txt"),
        "full-test": ("train_list_full.txt", "test_list_full.txt"),
        "jsfusion": ("train_list_jsfusion.txt", "val_list_jsfusion.txt"),
        "miech": ("train_list_miech.txt", "test_list_miech.txt"),
    },
    "MSVD": {"dev": ("train_list.txt", "val_list.txt"), "official": ("train_list.txt", "test_list.txt")},
    "DiDeMo": {"val": ("train_list.txt", "val_list.txt"), "test": ("train_list.txt", "test_list.txt")},
    "ActivityNet": {"val1": ("train_list.txt", "val_1_list.txt"), "val": ("train_list.txt", "val_list.txt")},
    "LSMDC": {"full-val": ("train_list.txt", "val_list.txt"), "full-test": ("train_list.txt", "test_list.txt")},
    "YouCook2": {"val": ("train_list.txt", "val_list.txt")},
    "QuerYD": {"val": ("train_list.txt", "val_list.txt"), "test": ("train_list.txt", "test_list.txt")},
    "QuerYDSegments": {"val": ("train_list.txt", "val_list.txt"), "test": ("train_list.txt", "test_list.txt")},
    "VaTeX": {"full-val": ("train_list.txt", "val_list_split1.txt"), "full-test": ("train_list.txt", "val_list_split2.txt")},
}


def test_all_datasets_are_covered():
    assert CORRECTED_LAYOUTS.keys() == EXPERTS.keys() == SPLITS.keys()


@pytest.mark.parametrize("name", EXPERTS)
def test_files_of_experts_and_captions(name):
    layout = CORRECTED_LAYOUTS[name]
    assert layout.experts == EXPERTS[name] and layout.text.keys() == TEXT_DIMS.keys()
    for text_feat, file in layout.text.items():
        if text_feat != "openai":
            assert file == f"aggregated_text_feats/{text_feat}.pkl"
    assert name == "ActivityNet" or layout.text["openai"] == f"aggregated_text_feats/{OPENAI.get(name, 'openai.pkl')}"
    raw = "raw-captions-train-val_1.pkl" if name == "ActivityNet" else "raw-captions.pkl"
    assert {split.raw_captions or layout.raw_captions for split in layout.splits.values()} == {raw}


def test_captions_of_activity_net_are_in_two_files():
    files = {"train": "aggregated_text_feats/openai-train.pkl", "val1": "aggregated_text_feats/openai-val1.pkl"}
    assert CORRECTED_LAYOUTS["ActivityNet"].text["openai"] == files


def test_features_of_miech():
    assert CORRECTED_LAYOUTS["MSRVTT"].splits["miech"].experts == {
        "antoine-rgb": "antoine/resnet_features.pickle",
        "audio": "antoine/audio_features.pickle",
        "face": "antoine/facefeats-clone.pickle",
        "flow": "antoine/flow_features.pickle",
    }


@pytest.mark.parametrize("name", SPLITS)
def test_lists_of_splits(name):
    layout = CORRECTED_LAYOUTS[name]
    lists = {
        key: tuple(layout.subsets[subset].ids for subset in (split.train, split.evaluation))
        for key, split in layout.splits.items()
    }
    assert lists == SPLITS[name]


def test_sizes_are_those_of_the_published_lists():
    counts = {}
    for entry in json.loads(shared("splits", "splits.json").read_text())["lists"]:
        counts[entry["dataset"], entry["list"]] = entry["count"]
    declared = {
        (name, subset.ids): subset.size for name, layout in CORRECTED_LAYOUTS.items() for subset in layout.subsets.values()
    }
    assert {key: size for key, size in declared.items() if key in counts} == {
        key: count for key, count in counts.items() if key in declared
    }
    assert counts.keys() - declared.keys() == {("ActivityNet", "val_2_list.txt")}  # in no split of the release
    lsmdc = {subset: x.size for subset, x in CORRECTED_LAYOUTS["LSMDC"].subsets.items()}
    assert lsmdc == {"train": 101_079, "val": None, "test": 1000}


def test_each_release_has_its_own_layout_and_own_datasets_have_both():
    for name, layout in LAYOUTS.items():
        if name:
            assert layout_of(name.lower(), "2019") is layout
            assert layout_of(name.lower(), "2020") is CORRECTED_LAYOUTS[name] is not layout
    assert layout_of("Toy", "2019") is layout_of("Toy", "2020") is LAYOUTS[""]
    assert all(map(is_published, {**LAYOUTS, **CORRECTED_LAYOUTS}.keys() - {""}))
    assert is_published("queryd") and is_published("MSVD") and not is_published("Toy") and not is_published("")


def test_an_own_dataset_with_a_module_is_known_but_not_published(monkeypatch):
    monkeypatch.setitem(LAYOUTS, "Cooking", dataclasses.replace(LAYOUTS[""], name="Cooking"))
    assert is_known("cooking") and not is_published("cooking")
    assert is_known("MSVD") and not is_known("Toy")
