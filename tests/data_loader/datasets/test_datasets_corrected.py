"""The layouts of the corrected release: each value of a batch is the one that was written to the archive."""

import numpy as np
import pytest
from helpers.corrected_archive import write_corrected_archive, write_pickle

from data_loader.archive import Archive
from data_loader.data_loaders import ExpertDataLoader
from data_loader.datasets import CORRECTED_LAYOUTS
from data_loader.experts import resolve_experts

FOLDER = "high-quality/structured-symlinks"
SENET, KINETICS = "imagenet.senet154.0", "r2p1d.r2p1d-ig65m-kinetics.0"
FIXED = {"temporal": "avg", "type": "embed", "pixel_dim": 256, "offset": 0}
AGGREGATION = {
    SENET: {"fps": 25, "stride": 1, **FIXED},
    KINETICS: {"fps": 30, "stride": 32, "inner_stride": 1, **FIXED},
    **{name: {"temporal": "vlad", "type": "embed", "flaky": True} for name in ("audio", "ocr", "speech")},
    "face": {"temporal": "avg", "flaky": True},
}
SENET_FILE = "aggregated_imagenet_25fps_256px_stride1_offset0/senet154-avg.pickle"
KINETICS_FILE = "aggregated_r2p1d_30fps_256px_stride32_offset0_inner_stride1/r2p1d-ig65m-kinetics-avg.pickle"
CASES = [(name, split) for name, layout in CORRECTED_LAYOUTS.items() for split in layout.splits]


def experts_of(dataset):
    plain = [name for name in CORRECTED_LAYOUTS[dataset].experts if name in AGGREGATION]
    section = {"modalities": [SENET, KINETICS, *plain], "face_dim": 16}
    return resolve_experts(section, {name: AGGREGATION[name] for name in section["modalities"]})


def written(tmp_path, dataset, text_feat="w2v", **options):
    dims = {"w2v": 300, "openai": 768}
    return write_corrected_archive(tmp_path / FOLDER, dataset, experts_of(dataset), text_feat, dims[text_feat], **options)


def loaders(archive, data_dir, dataset, split, text_feat="w2v", **changed):
    options = {
        "experts": experts_of(dataset),
        "text_feat": text_feat,
        "text_dim": {"w2v": 300, "openai": 768}[text_feat],
        "root_feat_folder": FOLDER,
        **changed,
    }
    return ExpertDataLoader(dataset, str(data_dir), 4, split, **options)


@pytest.mark.parametrize(("dataset", "split"), CASES)
def test_batches_hold_what_the_archive_does(tmp_path, dataset, split):
    text_feat = "openai" if dataset in ("MSVD", "MSRVTT", "DiDeMo") else "w2v"
    archive = written(tmp_path, dataset, text_feat)
    data = loaders(archive, tmp_path, dataset, split, text_feat)
    layout = CORRECTED_LAYOUTS[dataset]
    evaluated = layout.splits[split].evaluation
    seen = []
    for batch in data.evaluation:
        for b, video in enumerate(batch["ids"]):
            name = f"{video}.mp4" if layout.names_end_at_dot else video
            seen.append(name)
            for expert, values in batch["experts"].items():
                assert_value_is(values[b], float(batch["ind"][expert][b]), archive.features[expert][name])
            captions, words = archive.captions[name], archive.words[name]
            if layout.subsets[evaluated].caption_index:
                captions, words = captions[1:], words[1:]
            assert batch["raw_captions"][b] == [" ".join(caption) for caption in words]
            for k, caption in enumerate(captions):
                np.testing.assert_array_equal(batch["text"][b, k][batch["word_mask"][b, k]], caption)
    assert seen == archive.ids[evaluated]
    trained = {video for batch in data.train for video in batch["ids"]}
    assert trained == {video.removesuffix(".mp4") for video in archive.ids[layout.splits[split].train]}


def assert_value_is(value, available, expected):
    if expected is None:
        assert available == 0 and value.isnan().all()
        return
    assert available == 1
    rows = np.atleast_2d(expected)
    value = np.atleast_2d(value)
    np.testing.assert_array_equal(value[: len(rows)], rows)
    assert not value[len(rows) :].any()


def test_files_have_the_published_names(tmp_path):
    """Typed from the specification, while the archive is written by the declarations."""
    written(tmp_path, "MSRVTT")
    paths = {str(path.relative_to(tmp_path / FOLDER)) for path in (tmp_path / FOLDER).rglob("*.p*kl*")}
    paths |= {str(path.relative_to(tmp_path / FOLDER)) for path in (tmp_path / FOLDER).rglob("*.pickle")}
    assert paths == {
        SENET_FILE,
        KINETICS_FILE,
        "aggregated_audio_feats/Audio_MSRVTT_new.pickle",
        "aggregated_face_feats/facefeats-avg.pickle",
        "aggregated_ocr_feats/ocr-raw.pickle",
        "aggregated_speech/speech-w2v.pickle",
        "aggregated_text_feats/w2v.pkl",
        "antoine/audio_features.pickle",
        "antoine/facefeats-clone.pickle",
        "jsfusion_val_caption_idx.pkl",
        "raw-captions.pkl",
    }


def test_the_experts_of_moee_are_those_of_the_split_miech(tmp_path):
    experts = resolve_experts({"modalities": ["antoine-rgb", "flow", "audio", "face"], "face_dim": 128})
    archive = write_corrected_archive(tmp_path / FOLDER, "MSRVTT", experts, "w2v", 300)
    assert archive.files["antoine-rgb"] == ["antoine/resnet_features.pickle"]
    data = loaders(archive, tmp_path, "MSRVTT", "miech", experts=experts)
    for batch in data.evaluation:
        assert batch["experts"]["antoine-rgb"].shape[1] == 2048 and batch["experts"]["face"].shape[1] == 128


def test_features_of_the_same_name_in_two_folders_have_caches_of_their_own(tmp_path):
    """As r2p1d-ig65m-kinetics of two strides, or an expert in both archives of the corrected release."""
    archive = written(tmp_path, "MSVD")
    other = write_corrected_archive(tmp_path / "structured-symlinks", "MSVD", experts_of("MSVD"), "w2v", 300, seed=1)
    for found, folder in ((archive, FOLDER), (other, "structured-symlinks"), (archive, FOLDER)):
        features = Archive(tmp_path, "MSVD", "dev", root_feat_folder=folder).features(
            SENET, experts_of("MSVD")[SENET], "val", found.ids["val"]
        )
        np.testing.assert_array_equal(features[0], found.features[SENET][found.ids["val"][0]])
    caches = sorted(str(path.relative_to(tmp_path / "cache")) for path in (tmp_path / "cache").rglob("senet154*"))
    folder = SENET_FILE.partition("/")[0]
    name = "senet154-avg.pickle.avg-2048.h5"
    assert caches == [f"{FOLDER}/{folder}/{name}", f"structured-symlinks/{folder}/{name}"]


def test_names_of_didemo_may_lack_their_suffix_in_files(tmp_path):
    archive = written(tmp_path, "DiDeMo")
    cut = {video.removesuffix(".mp4"): captions for video, captions in archive.captions.items()}
    write_pickle(archive.folder / "aggregated_text_feats/w2v.pkl", cut)
    data = loaders(archive, tmp_path, "DiDeMo", "val")
    found = [video for batch in data.evaluation for video in batch["ids"]]
    assert found == [video.removesuffix(".mp4") for video in archive.ids["val"]]
