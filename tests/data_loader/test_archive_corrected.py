"""Archives of the corrected release: missing experts, other names of files, and archives of another release."""

import dataclasses
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.corrected_archive import write_corrected_archive, write_pickle
from helpers.markdown_tables import tables
from helpers.paths import ROOT

from data_loader.archive import Archive
from data_loader.datasets import CORRECTED_LAYOUTS, layout_of
from data_loader.experts import Expert
from utils.errors import InputError

RULES = {row.pop("In the file"): row for row in tables((ROOT / "misc/docs/missing-experts.md").read_text())["corrected"]}
VALUES = {
    "the float NaN as the value": float("nan"),
    "an array without numbers": np.zeros((0, 3)),
    "NaN as the first number": np.array([[np.nan, 2.0, 3.0]]),
    "only zeros": np.zeros((1, 3)),
    "other numbers": np.array([[1.0, 2.0, 3.0]]),
    "NaN after the first number": np.array([[1.0, np.nan, 3.0]]),
}
FOLDER, HIGH_QUALITY = "structured-symlinks", "high-quality/structured-symlinks"
AUDIO = Expert(128, aggregation="vlad", may_be_missing=True)


def archive_of(root, dataset, split, folder=FOLDER):
    return Archive(root, dataset, split, root_feat_folder=folder)


def refusal(function, *arguments, **options):
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


@pytest.mark.parametrize("dataset", ["MSRVTT", "Toy"])
@pytest.mark.parametrize(("aggregation", "column"), [("vlad", "aggregated by `vlad`"), ("avg", "by `avg` or `max`")])
def test_each_cell_of_the_table_is_what_the_reader_does(tmp_path, dataset, aggregation, column):
    layout = layout_of(dataset, "2020")
    file = layout.experts["audio"]
    write_pickle(tmp_path / FOLDER / (file if dataset != "Toy" else f"{file}.pickle"), VALUES)
    reader = archive_of(tmp_path, dataset, "full-val" if dataset != "Toy" else "val")
    expert, found = Expert(3, aggregation=aggregation, may_be_missing=True), {}
    for form in RULES:
        try:
            features = reader.features("audio", expert, reader.split.evaluation, ["other numbers", form])
        except InputError as error:
            found[form] = "refused"
            assert f"'{form}'" in str(error)
            continue
        found[form] = "present" if features.available[1] else "missing"
        if features.available[1]:
            np.testing.assert_array_equal(np.atleast_2d(features[1]), VALUES[form])
    assert found == {form: cells[column] for form, cells in RULES.items()}
    assert set(RULES) == {"no entry for the video", *VALUES}


@pytest.mark.parametrize(("flaky", "subset", "warned"), [(None, "train", 1), (None, "val", 0), (True, "train", 0)])
def test_an_expert_that_is_not_flaky_is_missing_in_training_with_a_warning(tmp_path, caplog, flaky, subset, warned):
    write_pickle(tmp_path / FOLDER / "i3d.pickle", {"a": np.ones(3), "b": float("nan")})
    expert = Expert(3, file="i3d.pickle", may_be_missing=flaky)
    features = archive_of(tmp_path, "MSVD", "dev").features("i3d.i3d.0", expert, subset, ["a", "b", "c"])
    assert features.available.tolist() == [True, False, False]
    assert [record.getMessage() for record in caplog.records] == warned * [
        f"{tmp_path / FOLDER / 'i3d.pickle'}: missing for 2 of 3 videos, first 'b', though it is not flaky; "
        "it counts as missing (the release trained on zeros)"
    ]
    needed = dataclasses.replace(expert, may_be_missing=False)
    message = refusal(archive_of(tmp_path, "MSVD", "dev").features, "i3d.i3d.0", needed, subset, ["a", "b", "c"])
    assert "2 of 3 videos are missing, first 'b', 'c'" in message


def renamed(tmp_path, dataset, split, experts, text_feat="w2v"):
    """Return an archive in which each file with an alternative name has that."""
    archive = write_corrected_archive(tmp_path / FOLDER, dataset, experts, text_feat, 300)
    names = []
    for file, other in CORRECTED_LAYOUTS[dataset].alternatives.items():
        if (tmp_path / FOLDER / file).exists():
            (tmp_path / FOLDER / other).parent.mkdir(exist_ok=True)
            (tmp_path / FOLDER / file).rename(tmp_path / FOLDER / other)
            names.append(f"{tmp_path / FOLDER / file}: not found, {other} is used instead")
    return archive, archive_of(tmp_path, dataset, split), names


def test_word_vectors_of_msrvtt_with_their_name_in_features_v2(tmp_path, caplog):
    archive, reader, names = renamed(tmp_path, "MSRVTT", "full-val", {})
    assert reader.has_text_file("w2v", "full-val") and len(names) == 1 and "w2v_MSRVTT.pickle" in names[0]
    video = archive.ids["full-val"][2]
    for _ in range(2):
        found = reader.captions("w2v", 300, "full-val", [video])
        np.testing.assert_array_equal(found.vectors(0, 1), archive.captions[video][1])
    assert [record.getMessage() for record in caplog.records] == names  # once


def test_experts_of_lsmdc_with_their_names_in_the_high_quality_archive(tmp_path, caplog):
    archive, reader, names = renamed(
        tmp_path, "LSMDC", "full-test", {"audio": AUDIO, "speech": Expert(300, aggregation="vlad")}
    )
    assert [name.rpartition(", ")[2].split("/")[0] for name in names] == [
        "aggregated_audio_feats",
        "aggregated_speech_feats",
    ]
    for name, expert in (("audio", AUDIO), ("speech", Expert(300, aggregation="vlad"))):
        assert reader.has_expert_file(name, expert, "test")
        features = reader.features(name, expert, "test", archive.ids["test"])
        np.testing.assert_array_equal(features[2], archive.features[name][archive.ids["test"][2]])
    assert [record.getMessage() for record in caplog.records] == names


def test_the_declared_file_is_read_where_both_are_there(tmp_path, caplog):
    write_corrected_archive(tmp_path / FOLDER, "MSRVTT", {}, "w2v", 300)
    write_pickle(tmp_path / FOLDER / "aggregated_text_feats/w2v_MSRVTT.pickle", {})
    assert archive_of(tmp_path, "MSRVTT", "full-val").captions("w2v", 300, "full-val", ["video14"]).count(0) == 2
    assert not caplog.records


def test_without_the_caption_index_the_first_caption_is_the_query_with_a_warning(tmp_path, caplog):
    archive = write_corrected_archive(tmp_path / FOLDER, "MSRVTT", {}, "openai", 768, num_captions=3)
    ids = archive.ids["jsfusion-val"]
    for position, is_there in ((2, True), (0, False)):
        found = archive_of(tmp_path, "MSRVTT", "jsfusion").captions("openai", 768, "jsfusion-val", ids)
        assert [found.name(v, 0) for v in range(len(ids))] == [f"{video}#{position}" for video in ids]
        assert all(found.count(v) == 1 for v in range(len(ids)))
        assert ("jsfusion_val_caption_idx.pkl: not found" in caplog.text) is not is_there
        (tmp_path / FOLDER / "jsfusion_val_caption_idx.pkl").unlink(missing_ok=True)


def test_captions_of_msvd_go_by_either_name(tmp_path):
    """Those of openai go by YouTube id, others by the name in the lists; then no mapping is needed."""
    archive = write_corrected_archive(tmp_path / FOLDER, "MSVD", {}, "openai", 768)
    shutil.copytree(tmp_path / FOLDER, tmp_path / "new" / FOLDER)
    for path in (tmp_path / "new" / FOLDER).glob("*.pkl"):
        path.unlink()
    write_pickle(tmp_path / "new" / FOLDER / "aggregated_text_feats/gpt2.pkl", archive.captions)
    for root, text_feat in ((tmp_path, "openai"), (tmp_path / "new", "gpt2")):
        found = archive_of(root, "MSVD", "dev").captions(text_feat, 768, "val", archive.ids["val"])
        for v, video in enumerate(archive.ids["val"]):
            np.testing.assert_array_equal(found.vectors(v, 1), archive.captions[video][1])
    message = refusal(archive_of(tmp_path / "new", "MSVD", "dev").captions, "openai", 768, "val", archive.ids["val"])
    assert message.startswith(str(tmp_path / "new" / FOLDER / "dict_youtube_mapping.pkl: not found"))


@pytest.mark.parametrize(
    ("there", "root_feat_folder", "expected"),
    [
        (FOLDER, None, "symlinked-feats: no such folder, the config is of the 2019 release (no {key}), {root}/{there} of"),
        (
            HIGH_QUALITY,
            None,
            "symlinked-feats: no such folder, the config is of the 2019 release (no {key}), {root}/{there} of",
        ),
        ("symlinked-feats", FOLDER, "{root}/symlinked-feats of the 2019 release (no {key})"),
        ("symlinked-feats", HIGH_QUALITY, "{root}/symlinked-feats of the 2019 release (no {key})"),
        (FOLDER, HIGH_QUALITY, "no such folder, expected {key} to be structured-symlinks, which is there"),
        (HIGH_QUALITY, FOLDER, "no such folder, expected {key} to be high-quality/structured-symlinks, which is there"),
        ("other", FOLDER, "structured-symlinks: no such folder, expected the feature archive unpacked there"),
    ],
)
def test_an_archive_of_another_release_is_named(tmp_path, there, root_feat_folder, expected):
    (tmp_path / there).mkdir(parents=True)
    message = refusal(Archive, tmp_path, "MSVD", "dev", root_feat_folder=root_feat_folder)
    expected = expected.format(key="data_loader.args.root_feat_folder", root=tmp_path, there=there)
    assert expected in message and message.startswith(str(tmp_path / (root_feat_folder or "symlinked-feats")))


@pytest.mark.parametrize("folder", ["/tmp", "../other", "a/../../b"])
def test_the_folder_of_features_is_in_that_of_the_dataset(tmp_path, folder):
    message = refusal(archive_of, tmp_path, "MSVD", "dev", folder)
    assert message == f"data_loader.args.root_feat_folder: '{folder}' leads out of {tmp_path}, expected a folder in it"


@pytest.mark.parametrize(
    ("name", "expert"),
    [
        ("face", Expert(512)),
        ("ocr", Expert(300, aggregation="vlad")),
        ("i3d.i3d.0", Expert(1024, file="i3d/i3d-avg.pickle")),
    ],
)
def test_features_that_only_features_v2_has_are_said_to_be_there(tmp_path, name, expert):
    for folder, hint in ((HIGH_QUALITY, True), (FOLDER, False)):
        (tmp_path / folder).mkdir(parents=True)
        message = refusal(archive_of(tmp_path, "MSVD", "dev", folder).features, name, expert, "val", ["a"])
        assert "not found" in message
        assert ("features-v2 has, in data_loader.args.root_feat_folder structured-symlinks" in message) is hint


def test_captions_that_only_features_v2_has_are_said_to_be_there(tmp_path):
    (tmp_path / HIGH_QUALITY).mkdir(parents=True)
    reader = archive_of(tmp_path, "MSVD", "dev", HIGH_QUALITY)
    assert "the high-quality archives have no 'openai'" in refusal(reader.captions, "openai", 768, "val", ["a"])
    assert "high-quality archives have no" not in refusal(reader.captions, "gpt2-xl", 1600, "val", ["a"])


@pytest.mark.parametrize(
    ("name", "found", "other"), [("QuerYD", "2019", "the corrected"), ("vatex", "2019", "the corrected")]
)
def test_a_dataset_that_a_release_does_not_have_is_refused(name, found, other):
    message = refusal(layout_of, name, found)
    assert message.startswith("data_loader.args.dataset_name: ") and f"only in {other} release" in message


def test_text_features_without_a_file_for_a_subset_are_refused(tmp_path):
    (tmp_path / FOLDER).mkdir()
    reader = archive_of(tmp_path, "ActivityNet", "val")
    message = refusal(reader.captions, "openai", 768, "val", ["a"])
    assert message == "experts.text_feat: 'openai' has no file for 'val' in ActivityNet, only for train, val1"


def test_an_own_dataset_has_the_rules_of_the_release_that_its_config_names(tmp_path):
    for folder, available in (("symlinked-feats", False), ("features", True)):
        (tmp_path / folder).mkdir()
        Path(tmp_path, folder, "x.y.0.pickle").write_bytes(pickle.dumps({"a": np.zeros(3)}))
        root_feat_folder = None if folder == "symlinked-feats" else folder
        reader = Archive(tmp_path, "Toy", "val", root_feat_folder=root_feat_folder)
        assert reader.features("x.y.0", Expert(3), "val", ["a"]).available.tolist() == [available]
