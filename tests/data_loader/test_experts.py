"""The table of experts, and how a config changes it."""

import shlex

import pytest

from base.schema import Experts
from data_loader.experts import (
    EXPERTS,
    Expert,
    declared_experts,
    describe_rare_experts,
    expert_dims,
    resolve_experts,
)
from utils.errors import InputError


def test_no_setting_of_the_schema_could_be_taken_for_an_expert():
    """In `experts`, an entry that is an object is an expert, any other is a setting."""
    settings = Experts(text_feat="w2v", text_dim=300, face_dim=128, modalities=["rgb"]).model_dump()
    assert declared_experts(settings | {"rgb": {"dim": 3}}) == {"rgb": {"dim": 3}}


@pytest.mark.parametrize(
    ("section", "feat_aggregation", "expected"),
    [
        ({"modalities": ["rgb", "audio"]}, None, {"audio": EXPERTS["audio"], "rgb": EXPERTS["rgb"]}),
        (
            {"modalities": ["rgb", "face"], "face_dim": 128},
            {"rgb": "max", "flow": "avg"},
            {"face": Expert(128), "rgb": Expert(2048, aggregation="max")},
        ),
        ({"modalities": ["rgb", "audio", "face"], "drop_feats": "audio, face"}, None, {"rgb": EXPERTS["rgb"]}),
        ({"modalities": [], "face": {"dim": 64}, "face_dim": 128}, None, {"face": Expert(64)}),
        (
            {"modalities": ["rgb"], "drop_feats": "scene,tags", "tags": {"dim": 7}},
            None,
            {"rgb": EXPERTS["rgb"]},
        ),
        (
            {"tags": {"dim": 7, "kind": "vector"}, "audio": {"dim": 5}},
            None,
            {
                "audio": Expert(5, aggregation="vlad"),
                "tags": Expert(7, kind="vector", aggregation="none"),
            },
        ),
        (
            {"modalities": ["scene"], "scene": {"kind": "vector", "may_be_missing": False}, "tags": {"dim": 7}},
            None,
            {"scene": Expert(2208, kind="vector", aggregation="none", may_be_missing=False, embed_dim=512)},
        ),
        ({"scene": {"dim": 7}}, None, {"scene": Expert(7)}),  # not the published dimension of its embedding
    ],
    ids=[
        "the table",
        "published settings",
        "dropped",
        "the dim of the expert itself before face_dim",
        "dropped but not used",
        "declared",
        "declared but not used",
        "another dim",
    ],
)
def test_a_config_names_declares_and_drops_experts(section, feat_aggregation, expected):
    resolved = resolve_experts(section, feat_aggregation)
    assert resolved == expected
    assert list(resolved) == sorted(resolved)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"modalities": ["rbg"]}, "experts.modalities: 'rbg' is not a known expert"),
        ({"modalities": ["rgb", "rgb"]}, "experts.modalities: 'rgb' is there twice"),
        ({"modalities": ["rgb"], "drop_feats": "rbg"}, "experts.drop_feats: 'rbg'"),
        ({"modalities": ["rgb"], "drop_feats": "rgb"}, "experts.drop_feats: drops rgb, expected at least one"),
        ({"modalities": ["rgb"], "tags": {"dim": 3}, "drop_feats": "tags,tag"}, "experts.drop_feats: 'tag' is not one of"),
        ({}, "experts.modalities: missing, expected a list"),
        ({"drop_feats": "rgb"}, "experts.modalities: missing, expected a list"),
        ({"x": {"dim": 3, "kind": "vector", "aggregation": "vlad"}}, "experts.x.aggregation: 'vlad' for a vector"),
        ({"x": {"dim": 3, "aggregation": "none"}}, "experts.x.aggregation: 'none' for a sequence"),
    ],
)
def test_experts_that_do_not_fit_are_named(section, message):
    with pytest.raises(InputError, match=message):
        resolve_experts(section)


def test_dims_after_aggregation_and_of_the_embedding():
    experts = {"audio": EXPERTS["audio"], "rgb": EXPERTS["rgb"], "scene": EXPERTS["scene"]}
    assert expert_dims(experts, {"audio": 16, "text": 8}, None) == {
        "audio": (16 * 128, 128),
        "rgb": (2048, 2048),
        "scene": (2208, 512),
    }
    assert expert_dims(experts, {"audio": 2}, 64) == {"audio": (256, 64), "rgb": (2048, 64), "scene": (2208, 64)}
    with pytest.raises(InputError, match="arch.args.vlad_clusters.audio: missing"):
        expert_dims(experts, {"text": 8}, None)


def test_rare_experts_are_told_with_the_flag_that_leaves_them_out():
    line = describe_rare_experts({"rgb": 600, "face": 3, "ocr": 20, "audio.vggish.0": 19})
    assert line.startswith("fewer than 20 training videos have face (3), audio.vggish.0 (19), whose weights ")
    (flag,) = shlex.split(line.partition("--set ")[2])
    assert flag == 'experts.modalities=["rgb", "ocr"]'
    for counts in ({"rgb": 20}, {"rgb": 3, "face": 0}, {}):  # none is rare, or all are
        assert describe_rare_experts(counts) is None
