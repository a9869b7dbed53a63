"""The experts of the corrected release: dotted names, and entries of `feat_aggregation`."""

import pytest

from data_loader.experts import EXPERTS, Expert, check_names, expert_dims, resolve_experts
from utils.errors import InputError

FRAMES = {"fps": 25, "pixel_dim": 256, "stride": 1, "offset": 0, "temporal": "avg", "type": "embed"}
CLIPS = {"fps": 30, "pixel_dim": 256, "stride": 32, "offset": 0, "inner_stride": 1, "temporal": "avg"}
# The widths of the networks, as published.
WIDTHS = {
    "imagenet.resnext101_32x48d": 2048,
    "imagenet.senet154": 2048,
    "scene.densenet161": 2208,
    "i3d.i3d": 1024,
    "r2p1d.r2p1d-ig65m": 512,
    "r2p1d.r2p1d-ig65m-kinetics": 512,
    "s3dg.s3dg": 1024,
    "trn.moments-trn": 1792,
    "moments_3d.moments-resnet3d50": 2048,
    "moments_2d.resnet50": 2048,
    "audio.vggish": 128,
}


@pytest.mark.parametrize(
    ("name", "entry", "file"),
    [
        ("imagenet.senet154.0", FRAMES, "aggregated_imagenet_25fps_256px_stride1_offset0/senet154-avg.pickle"),
        ("scene.densenet161.0", FRAMES, "aggregated_scene_25fps_256px_stride1_offset0/densenet161-avg.pickle"),
        (
            "r2p1d.r2p1d-ig65m-kinetics.1",
            {**CLIPS, "stride": 8},
            "aggregated_r2p1d_30fps_256px_stride8_offset0_inner_stride1/r2p1d-ig65m-kinetics-avg.pickle",
        ),
        (
            "i3d.i3d.0",
            {**CLIPS, "fps": 25, "stride": 25},
            "aggregated_i3d_25fps_256px_stride25_offset0_inner_stride1/i3d-avg.pickle",
        ),
        (
            "s3d-g.s3dg.3",
            {"fps": 10, "pixel_dim": 224, "stride": 8, "num_segments": 4, "temporal": "max", "type": "logits"},
            "aggregated_s3d_g_10fps_224px_stride8_num_segments4/s3dg-max-logits.pickle",
        ),
    ],
)
def test_the_file_of_a_dotted_expert_is_named_by_its_settings(name, entry, file):
    entry = {**entry, "feat_dims": {"embed": 7, "logits": 5}}
    expert = resolve_experts({"modalities": [name]}, {name: entry})[name]
    dim = 5 if "logits" in file else 7
    assert expert == Expert(dim, aggregation=entry["temporal"], file=file)


def test_every_number_of_a_network_has_its_width():
    for network, dim in WIDTHS.items():
        for number in (0, 1, 12):
            assert resolve_experts({"modalities": [f"{network}.{number}"]})[f"{network}.{number}"].dim == dim
    assert {name.rpartition(".")[0] for name in EXPERTS if "." in name} == WIDTHS.keys()


def test_an_entry_of_a_plain_name_says_how_it_is_pooled_and_whether_it_may_be_missing():
    entries = {
        "audio": {"temporal": "vlad", "type": "embed", "flaky": True, "model": "vggish"},
        "face": {"temporal": "avg", "flaky": True},
        "speech": {"temporal": "avg", "flaky": False, "feat_dims": {"embed": 12}},
        "ocr": "max",
    }
    section = {"modalities": ["audio", "face", "speech", "ocr", "flow"], "face_dim": 128}
    assert resolve_experts(section, entries) == {
        "audio": Expert(128, aggregation="vlad", may_be_missing=True),
        "face": Expert(128, may_be_missing=True),
        "flow": Expert(1024),
        "ocr": Expert(300, aggregation="max"),
        "speech": Expert(12),
    }


def test_dims_of_dotted_and_plain_experts():
    names = ["scene.densenet161.0", "speech", "audio", "face"]
    experts = resolve_experts({"modalities": names}, {"scene.densenet161.0": FRAMES})
    clusters = {"text": 28, "audio": 8, "speech": 19}
    assert expert_dims(experts, clusters, 768) == {
        "audio": (1024, 768),
        "face": (512, 768),
        "scene.densenet161.0": (2208, 768),
        "speech": (5700, 768),
    }
    own = {name: dim for name, (_, dim) in expert_dims(experts, clusters, None).items()}
    assert own == {"audio": 128, "face": 512, "scene.densenet161.0": 2208, "speech": 300}  # not 512 as of 2019's scene


@pytest.mark.parametrize(
    ("names", "entries", "message"),
    [
        (["imagenet.senet15.0"], {}, "experts.modalities: 'imagenet.senet15.0' is not a known expert"),
        (["imagenet.senet154"], {}, "experts: 'imagenet.senet154' is not a valid name"),
        (["imagenet.senet154.0.1"], {}, "experts: 'imagenet.senet154.0.1' is not a valid name"),
        (["../x.y.0"], {}, "experts: '../x.y.0' is not a valid name"),
        (["detection-sem"], {}, "experts.modalities: 'detection-sem' is not supported, no published model has it"),
        (
            ["i3d.i3d.0"],
            {"i3d.i3d.0": {"temporal": "avg", "fps": 25, "stride": 1}},
            "data_loader.args.feat_aggregation.i3d.i3d.0.pixel_dim: missing, the file of 'i3d.i3d.0' is named after it",
        ),
        (
            ["flow"],
            {"flow": {"temporal": "avg", "type": "logits"}},
            "data_loader.args.feat_aggregation.flow.feat_dims.logits: missing",
        ),
    ],
)
def test_experts_that_do_not_fit_are_named(names, entries, message):
    with pytest.raises(InputError, match=f"^{message}"):
        resolve_experts({"modalities": names}, entries)


def test_names_of_other_keys_are_experts_of_either_release_or_of_the_config():
    known = ["audio", "scene.densenet161.7", "detection-sem", "own"]
    check_names("x", known, {"own": {"dim": 3}})
    with pytest.raises(InputError, match=r"^x.scene.densenet16.0: no such expert, did you mean 'scene.densenet161.0'\?"):
        check_names("x", [*known, "scene.densenet16.0"], {"own": {"dim": 3}})
