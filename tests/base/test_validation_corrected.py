"""The keys of the corrected release: what is accepted, and the messages about the rest."""

import copy

import pytest
from helpers.toy_archive import REMOVE, changed

from base.validation import validate
from utils.errors import InputError

SENET = {
    "temporal": "avg",
    "type": "embed",
    "fps": 25,
    "pixel_dim": 256,
    "stride": 1,
    "offset": 0,
    "num_segments": None,
    "aggregate": "concat",
    "aggregate-axis": 1,
    "feat_dims": {"embed": 2048, "logits": 1000},
}
AGGREGATION = "data_loader.args.feat_aggregation"


@pytest.fixture
def corrected(config):
    """Return the toy config with keys of the corrected release."""
    config["data_loader"]["args"] |= {
        "root_feat_folder": "structured-symlinks",
        "trn_cat": 0,
        "text_dropout": 0.0,
        "max_tokens": {"text": 20, "audio": 4},
        "feat_aggregation": {"senet": copy.deepcopy(SENET), "audio": "vlad"},
    }
    config["experts"] |= {"text_agg": "avg", "use_zeros_for_missing": False}
    config["trainer"] |= {"save_only_best": True, "val_freq": 1, "include_optim_in_ckpts": True}
    config["distil_params"] = {"base_path": "teachers/", "teachers": ["a.pkl", "b.pkl"], "moee": [0, 1]}
    return config | {"task": "retrieval", "challenge_mode": False, "manual_linear_init": 0, "eval_settings": False}


REFUSED = [
    ({"data_loader.args.trn_cat": 1}, "data_loader.args.trn_cat: found 1, input should be False or 0"),
    ({"data_loader.args.text_dropout": 1.5}, "data_loader.args.text_dropout: found 1.5"),
    ({"data_loader.args.max_tokens.text": 0}, "data_loader.args.max_tokens.text: found 0"),
    ({"data_loader.args.root_feat_folder": 3}, "data_loader.args.root_feat_folder: found 3"),
    ({"experts.text_agg": "max"}, "experts.text_agg: found 'max', input should be 'vlad' or 'avg'"),
    ({"experts.use_zeros_for_missing": True}, "experts.use_zeros_for_missing: found True"),
    ({"trainer.val_freq": 2}, "trainer.val_freq: found 2, input should be 1"),
    ({"trainer.include_optim_in_ckpts": False}, "trainer.include_optim_in_ckpts: found False"),
    ({"task": "classification"}, "task: found 'classification', input should be 'retrieval'"),
    ({"challenge_mode": True}, "challenge_mode: found True"),
    ({"manual_linear_init": 1}, "manual_linear_init: found 1"),
    ({"text_embedding_model_configs": "mine.json"}, "text_embedding_model_configs: found 'mine.json'"),
    # entries of experts, with the path of the key only
    ({f"{AGGREGATION}.audio": "min"}, f"{AGGREGATION}.audio: found 'min', input should be 'vlad', 'avg' or 'max'"),
    ({f"{AGGREGATION}.audio": 3}, f"{AGGREGATION}.audio: found 3"),
    ({f"{AGGREGATION}.senet": {}}, f"{AGGREGATION}.senet.temporal: missing"),
    ({f"{AGGREGATION}.senet.temporal": "avg-max"}, f"{AGGREGATION}.senet.temporal: found 'avg-max'"),
    ({f"{AGGREGATION}.senet.temporal": "ent"}, f"{AGGREGATION}.senet.temporal: found 'ent', input should be 'vlad'"),
    ({f"{AGGREGATION}.senet.binarise": True}, f"{AGGREGATION}.senet.binarise: found True"),
    ({f"{AGGREGATION}.senet.aggregate-axis": 0}, f"{AGGREGATION}.senet.aggregate-axis: found 0"),
    ({f"{AGGREGATION}.senet.strid": 2}, f"{AGGREGATION}.senet.strid: unknown key, did you mean 'stride'"),
    ({f"{AGGREGATION}.senet.aggregate-axs": 2}, f"{AGGREGATION}.senet.aggregate-axs: unknown key, .*'aggregate-axis'"),
    ({f"{AGGREGATION}.senet.feat_dims.embd": 2}, f"{AGGREGATION}.senet.feat_dims.embd: unknown key, did you mean 'embed'"),
    ({f"{AGGREGATION}.senet.stride": 0}, f"{AGGREGATION}.senet.stride: found 0"),
    # the test after the training
    ({"eval_settings": True}, "eval_settings: found True"),
    (
        {"eval_settings": {"data_loader": {"args": {"batch_size": 3}}}},
        "eval_settings.data_loader.args.batch_size: unknown key",
    ),
    ({"eval_settings": {"tester": {"save_di": "x"}}}, "eval_settings.tester.save_di: unknown key, did you mean 'save_dir'"),
    ({"eval_settings": {}, "eval_config": "x.json"}, None),
    (
        {"eval_settings": {"disable_gpu": True}, "eval_config": "x.json"},
        "eval_settings: found beside eval_config, expected one of them",
    ),
    # teachers and masks
    ({"distil_loss": True, "distil_params": REMOVE}, "distil_params: missing, distil_loss needs the teachers"),
    ({"distil_params.teachers": []}, "distil_params.teachers: found \\[\\]"),
    ({"distil_params.moee": [1]}, "distil_params.moee: found 1 values, expected one for each of 2 teachers"),
    (
        {"caption_masks": "x.pkl", "data_loader.args.fuse_captions": True},
        "caption_masks: found with data_loader.args.fuse_captions",
    ),
    # the width of words
    ({"experts.text_dim": REMOVE}, None),
    ({"experts.text_dim": REMOVE, "data_loader.args.root_feat_folder": REMOVE}, "experts.text_dim: missing"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[" ".join(changes) for changes, _ in REFUSED])
def test_a_value_that_has_no_effect_here_is_refused_unless_it_means_nothing(corrected, changes, message):
    config = changed(corrected, changes)
    if message is None:
        validate(config, training=True)
        return
    with pytest.raises(InputError, match=rf"\A{message}") as caught:
        validate(config, training=True)
    assert str(caught.value).isprintable()


def test_the_keys_are_kept_and_add_none_to_configs_of_2019(corrected):
    checked = validate(corrected, training=True)
    entry = checked["data_loader"]["args"]["feat_aggregation"]["senet"]
    assert entry == {key: value for key, value in SENET.items() if value is not None}
    for section in ("experts", "trainer", "distil_params"):
        assert checked[section].items() >= corrected[section].items()
    assert validate(checked, training=True) == checked


def test_configs_of_2019_get_no_new_keys(config):
    checked = validate(config, training=True)
    assert not {"task", "eval_settings", "distil_loss", "caption_masks", "training_file"} & checked.keys()
    assert not {"max_tokens", "root_feat_folder", "drop_last", "text_dropout"} & checked["data_loader"]["args"].keys()
    assert "text_agg" not in checked["experts"] and "save_only_best" not in checked["trainer"]
