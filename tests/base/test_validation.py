"""Configs that the schema refuses, and the messages."""

import pytest
from helpers.toy_archive import REMOVE, changed

from base.validation import validate
from utils.errors import InputError

UNKNOWN = {
    "triner": "trainer",
    "arch.typ": "type",
    "arch.args.use_c": "use_ce",
    "data_loader.args.batchsize": "batch_size",
    "data_loader.agrs": "args",
    "experts.text_fat": "text_feat",
    "experts.rgb.dmi": "dim",
    "optimizer.arg": "args",
    "optimizer.args.weight_decy": "weight_decay",
    "lr_scheduler.args.step": "step_size",
    "loss.args.margn": "margin",
    "trainer.epoch": "epochs",
}


@pytest.mark.parametrize(("path", "nearest"), UNKNOWN.items())
def test_an_unknown_key_is_named_with_the_nearest_known_one(config, path, nearest):
    with pytest.raises(InputError) as caught:
        validate(changed(config, {path: 3}), training=True)
    message = str(caught.value)
    assert message.startswith(f"{path}: unknown key")
    assert f"'{nearest}'" in message
    assert message.isprintable()


WRONG = [
    # nothing is converted between types
    ({"experts.text_dim": "10"}, "experts.text_dim"),
    ({"experts.rgb.dim": "12"}, "experts.rgb.dim"),
    ({"data_loader.args.batch_size": True}, "data_loader.args.batch_size"),
    ({"data_loader.args.batch_size": 8.0}, "data_loader.args.batch_size"),
    ({"data_loader.args.batch_size": 0}, "data_loader.args.batch_size"),
    ({"arch.args.use_ce": 1}, "arch.args.use_ce"),
    ({"arch.args.use_ce": "true"}, "arch.args.use_ce"),
    ({"arch.args.vlad_clusters.audio": 2.5}, "arch.args.vlad_clusters.audio"),
    ({"trainer.epochs": None}, "trainer.epochs"),
    ({"trainer.early_stop": -1}, "trainer.early_stop"),
    ({"experts.modalities": "rgb"}, "experts.modalities"),
    ({"experts.modalities": ["rgb", 3]}, "experts.modalities.1"),
    ({"optimizer": "Adam"}, "optimizer"),
    ({"optimizer.args": [0.1]}, "optimizer.args"),
    ({"metrics": ["t2v_metrics", "t2v"]}, "metrics.1"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**64}, "seed"),  # more than torch's generators take
    ({"loss.args.margin": "big"}, "loss.args"),
    ({"loss.args.margin": -0.1}, "loss.args.margin: found -0.1, input should be greater than or equal to 0"),
    ({"loss.args.margin": float("inf")}, "loss.args.margin: found inf"),
    ({"trainer.early_stop": 0}, "trainer.early_stop: found 0"),
    ({"loss.args.fix_norm": "no"}, "loss.args"),
    ({"optimizer.args.lr": "fast"}, "optimizer.args"),
    # missing
    ({"experts": REMOVE}, "experts: missing"),
    ({"experts.text_dim": REMOVE}, "experts.text_dim: missing"),
    ({"arch.args.vlad_clusters": REMOVE}, "arch.args.vlad_clusters: missing"),
    ({"data_loader.args.data_dir": REMOVE}, "data_loader.args.data_dir: missing"),
    ({"optimizer": REMOVE}, "optimizer: missing"),
    ({"loss": REMOVE}, "loss: missing"),
    ({"trainer": REMOVE}, "trainer: missing"),
    # names
    ({"arch.type": "CEnet"}, "arch.type: found 'CEnet', .*'CENet'"),
    ({"optimizer.type": "Adm"}, "optimizer.type: .*did you mean 'Adam'"),
    ({"lr_scheduler.type": "StepLr"}, "lr_scheduler.type: .*did you mean 'StepLR'"),
    ({"loss.type": "MSELoss"}, "loss.type: found 'MSELoss', .*expected one of MaxMarginRankingLoss"),
    ({"loss.type": "MaxMarginRankLoss"}, "loss.type: .*did you mean 'MaxMarginRankingLoss'"),
    # only models, losses and metrics of this project can be named
    ({"arch.type": "NetVLAD"}, "arch.type: found 'NetVLAD'"),
    ({"arch.type": "os.system"}, "arch.type: found 'os.system'"),
    ({"loss.type": "torch.nn.MSELoss"}, "loss.type: found 'torch.nn.MSELoss'"),
    ({"loss.type": "__init__"}, "loss.type: found '__init__'"),
    ({"metrics": ["summarize"]}, "metrics.0: found 'summarize'"),
    ({"trainer.monitor": "max val_t2v_metrics_R2"}, "trainer.monitor: no value .*did you mean 'val_t2v_metrics_R"),
    ({"trainer.monitor": "best loss"}, "trainer.monitor: found 'best loss', expected 'off', 'max <name>'"),
    ({"trainer.monitor": "max"}, "trainer.monitor"),
    ({"name": "../../elsewhere"}, "name"),  # it becomes a folder of save_dir
    *(({"name": name}, "name: found") for name in ("..", ".", ".hidden", "", "a/b", "a\n")),
    # combinations
    ({"metrics": ["v2t_metrics"]}, "trainer.monitor: no value 'val_t2v"),
    ({"trainer.skip_first_n_saves": 3}, "trainer.skip_first_n_saves: 3 of 3"),
    ({"trainer.monitor": "off", "trainer.early_stop": 2}, "trainer.early_stop: needs trainer.monitor"),
    (
        {"trainer.monitor": "off", "lr_scheduler": {"type": "ReduceLROnPlateau", "args": {"factor": 0.5}}},
        "lr_scheduler.type: ReduceLROnPlateau needs trainer.monitor",
    ),
    (
        {"lr_scheduler": {"type": "ReduceLROnPlateau", "args": {}}},
        "lr_scheduler.args.mode: found 'min', the default, .*'max'",
    ),
    (
        {"lr_scheduler": {"type": "ReduceLROnPlateau", "args": {"mode": "max"}}, "trainer.monitor": "min loss"},
        "lr_scheduler.args.mode: found 'max', expected 'min', since trainer.monitor watches the minimum of 'loss'",
    ),
    ({"metrics": ["t2v_metrics", "v2t_metrics", "t2v_metrics"]}, "metrics: found .*, expected each once"),
    *(
        ({key: x}, f"{key}: found {x}, input should be (less|greater) than")
        for key, values in (
            ("data_loader.args.word_dropout", (-0.1, 1.0)),
            ("data_loader.args.expert_dropout", (-0.1, 1.0)),
            ("trainer.ema_decay", (0.0, 1.0)),
        )
        for x in values
    ),
    (
        {"data_loader.args.word_dropout": 0.1, "data_loader.args.text_dropout": 0.1},
        "data_loader.args.word_dropout: found beside text_dropout, expected one of them",
    ),
    # what torch does not check
    *(
        (
            {"lr_scheduler": {"type": "MultiStepLR", "args": {"milestones": x}}},
            "lr_scheduler.args.milestones: found .*epochs",
        )
        for x in ([0, 2], [1.5], [True], 3, ["2"])
    ),
    ({"lr_scheduler.args.gamma": -0.5}, "lr_scheduler.args.gamma: found -0.5, expected no negative number"),
    ({"optimizer.args.lr": float("nan")}, "optimizer: holds NaN or Infinity"),
    # text that would break the line
    ({"experts.a\nb": 3}, "experts.a.*b: unknown key"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[" ".join(changes) for changes, _ in WRONG])
def test_a_bad_config_is_one_line_that_starts_with_the_key(config, changes, message):
    with pytest.raises(InputError) as caught:
        validate(changed(config, changes), training=True)
    assert str(caught.value).isprintable(), repr(str(caught.value))
    with pytest.raises(InputError, match=rf"\A{message}"):
        raise caught.value


def test_the_first_of_several_problems_is_named_and_the_others_are_counted(config):
    with pytest.raises(InputError, match=r"\Aseed: found 0.5, .* \(and 2 more\)"):
        validate(changed(config, {"experts.text_dim": "x", "seed": 0.5, "zebra": 1}), training=True)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"lr_scheduler": REMOVE},
        {"trainer.monitor": "off"},
        {"trainer.monitor": "min loss", "trainer.early_stop": 1, "trainer.skip_first_n_saves": 2},
        {"arch.args.use_ce": False, "arch.args.vlad_clusters": {"text": 2, "audio": 2, "rgb": 5, "speech": 9}},
        {"optimizer": {"type": "RAdam", "args": {"betas": [0.8, 0.9]}}},
        {"loss.args.margin": 0, "optimizer.args.lr": 0.0},
        {"lr_scheduler": {"type": "ReduceLROnPlateau", "args": {"mode": "max"}}},
        {"lr_scheduler": {"type": "ReduceLROnPlateau", "args": {}}, "trainer.monitor": "min loss"},
        {"lr_scheduler": {"type": "MultiStepLR", "args": {"milestones": [1, 2]}}, "name": "a.b-c_1"},
    ],
)
def test_good_configs_keep_what_they_say_and_get_defaults(config, changes):
    checked = validate(changed(config, changes), training=True)
    for section in ("optimizer", "arch", "trainer", "experts"):
        for key, value in config[section].items():
            if key != "args":
                assert checked[section][key] == value
    assert checked["arch"]["args"].items() >= config["arch"]["args"].items()
    assert checked["data_loader"]["args"]["max_text_words"] == 30
    assert (checked["seed"], checked["trainer"]["save_dir"]) == (0, "data/saved/")


def test_an_evaluation_needs_no_trainer(config):
    changes = {"trainer": REMOVE, "optimizer": REMOVE, "loss": REMOVE, "tester": {"save_dir": "out", "verbosity": 1}}
    checked = validate(changed(config, changes), training=False)
    assert checked["tester"] == {"save_dir": "out", "verbosity": 1}
    assert "trainer" not in checked


def test_a_monitored_metric_needs_no_default_for_the_masks(config, monkeypatch):
    """It is checked with the arguments that an evaluation passes."""

    def own_metrics(sims, query_masks):
        assert query_masks.shape == (sims.shape[1], len(sims) // sims.shape[1])
        return {"share": query_masks.mean()}

    own_metrics.__module__ = "model.metric"
    monkeypatch.setattr("model.metric.own_metrics", own_metrics, raising=False)
    changes = {"metrics": ["own_metrics"], "trainer.monitor": "max val_own_metrics_share"}
    assert validate(changed(config, changes), training=True)["metrics"] == ["own_metrics"]
    with pytest.raises(InputError, match="trainer.monitor: no value .*did you mean 'val_own_metrics_share'"):
        validate(changed(config, changes | {"trainer.monitor": "max val_own_metrics_shar"}), training=True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a\ud800", r"holds an invalid character \(surrogates not allowed\), expected text"),
        ("a\0", "holds a zero byte, expected text"),
        (float("inf"), "holds NaN or Infinity, expected finite numbers"),
        ({1, 2}, "Object of type set is not JSON serializable, expected values of JSON"),
    ],
)
def test_values_that_a_file_cannot_hold_are_refused(config, value, message):
    """A checkpoint or an override may hold them."""
    with pytest.raises(InputError, match=f"^optimizer: {message}"):
        validate(changed(config, {"optimizer.args.lr": value}), training=True)
