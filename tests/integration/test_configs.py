"""The configs of the published experiments hold the published settings and nothing else."""

import json
import re
from pathlib import Path

import pytest
import torch
from helpers.configs import leaves
from helpers.paths import ROOT, shared

from base.config_files import read_config
from data_loader.datasets import LAYOUTS
from data_loader.experts import resolve_experts
from parse_config import ConfigParser
from trainer.build import build_model

FULL_CE = (
    "ce",
    "ce-ablation-dims",
    "ce-ablation-restrict-captions",
    "ce-ablation-restrict-captions-only-rgb",
    "ce-only-rgb",
    "ce-only-rgb-audio",
    "ce-only-rgb-face",
    "ce-only-rgb-flow",
    "ce-only-rgb-ocr",
    "ce-only-rgb-scene",
    "ce-only-rgb-scene-flow",
    "ce-only-rgb-scene-flow-audio",
    "ce-only-rgb-scene-flow-audio-ocr",
    "ce-only-rgb-scene-flow-audio-ocr-speech",
    "ce-only-rgb-speech",
    "concat-ablation",
    "concat-mix-ablation",
    "moee",
    "moee-minus-moe-weights",
)
# The split watched in training and the one tested on, of the experiments that have both.
WATCHED = {
    **{f"msrvtt-train-full-{name}": ("full-val", "full-test") for name in FULL_CE},
    "msvd-train-full-ce": ("dev", "official"),
    "didemo-train-full-ce": ("val", "val"),  # as published: the epoch is chosen on the videos that are tested on
}
# The split that those are evaluated on that train for a fixed number of epochs.
UNWATCHED = {
    "msrvtt-train-jsfusion-ce": "jsfusion",
    "msrvtt-train-miech-ce": "miech",
    "msrvtt-train-miech-miechfeats-moee": "miech",
    "activity-net-train-full-ce": "val1",
    "lsmdc-train-full-ce": "val",
}
LINKED = (*WATCHED, *UNWATCHED)
DATASETS = ("activity-net", "didemo", "lsmdc", "msrvtt", "msvd")
BEST = "max val_t2v_metrics_geometric_mean_R1-R5-R10"

# Batch, words, tokens, captions in a test, learning rate, epochs; by the longest prefix of the name.
HYPERPARAMETERS = {
    "msrvtt-train-full": (64, 30, 30, 20, 4e-4, 100),
    "msrvtt-train": (64, 30, 30, 1, 4e-4, 100),
    "msvd": (16, 30, 30, 81, 2e-3, 150),
    "didemo": (64, 50, 30, 1, 4e-4, 25),
    "activity-net": (64, 100, 30, 1, 4e-4, 15),
    "lsmdc": (512, 30, 50, 1, 1e-4, 9),
}
FUSED = ("activity-net-train-full-ce", "didemo-train-full-ce")
AMSGRAD = (
    *FUSED,
    *("lsmdc-train-full-ce", "msrvtt-train-jsfusion-ce", "msrvtt-train-miech-ce", "msrvtt-train-miech-miechfeats-moee"),
)
SMALL_FACES = ("lsmdc-train-full-ce", "msrvtt-train-miech-ce", "msrvtt-train-miech-miechfeats-moee")
WORD2VEC_AND_RESNET = ("lsmdc-train-full-ce", "msrvtt-train-miech-miechfeats-moee")
EXPERTS = {
    "msvd-train-full-ce": ["face", "flow", "ocr", "rgb", "scene"],
    "lsmdc-train-full-ce": ["audio", "face", "flow", "ocr", "rgb", "scene"],
    "msrvtt-train-miech-miechfeats-moee": ["audio", "face", "flow", "rgb"],
}
SWITCHES = {
    "msrvtt-train-full-ce-ablation-dims": {"mimic_ce_dims"},
    "msrvtt-train-full-ce-only-rgb": {"mimic_ce_dims"},
    "msrvtt-train-full-ce-ablation-restrict-captions-only-rgb": {"mimic_ce_dims"},
    "msrvtt-train-full-concat-ablation": {"concat_experts"},
    "msrvtt-train-full-concat-mix-ablation": {"concat_mix_experts"},
    "msrvtt-train-full-moee": set(),
    "msrvtt-train-full-moee-minus-moe-weights": {"freeze_weights"},
    "msrvtt-train-miech-miechfeats-moee": set(),
}
RAW_DIMS = {"audio": 128, "face": 512, "flow": 1024, "ocr": 300, "rgb": 2048, "scene": 2208, "speech": 300}
SEQUENCES = ("audio", "ocr", "speech")


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch):
    """Enter the root of the project, since configs name others relative to the working directory."""
    monkeypatch.chdir(ROOT)


def path_of(name, kind="train"):
    dataset, _, rest = name.partition("-train-")
    return Path(f"configs/{dataset}/{kind}-{rest}.json")


def read(name, kind="train"):
    return ConfigParser.from_file(path_of(name, kind), training=kind == "train")


def build(config):
    """Build the model of a config without allocating memory."""
    with torch.device("meta"):
        return build_model(config)


def experts_of(name):
    if "-only-" in name:
        return sorted(name.partition("-only-")[2].split("-"))
    return EXPERTS.get(name, sorted(RAW_DIMS))


def test_the_experiments_are_those_that_are_linked():
    links = re.findall(r"/models/([\w-]+)/[\w-]+/config\.json", shared("design", "system.md").read_text())
    assert set(links) == set(LINKED)


def test_every_experiment_has_its_files_and_there_are_no_others():
    expected = {path_of(name) for name in LINKED} | {path_of(name, "eval") for name in WATCHED}
    found = {path for dataset in DATASETS for path in Path("configs", dataset).glob("*.json") if path.stem != "base"}
    assert {path for path in found if not path.stem.endswith("-2020")} == expected


@pytest.mark.parametrize("name", LINKED)
def test_a_config_has_the_name_of_its_link(name):
    assert read(name)["name"] == name


@pytest.mark.parametrize("name", LINKED)
def test_a_model_is_built_and_takes_the_experts_of_the_experiment(name):
    config = ConfigParser.from_file(path_of(name), ["disable_nan_checks=true"], training=True)
    model = build(config).eval()
    experts = experts_of(name)
    assert model.modalities == experts
    args = config["arch"]["args"]
    on = {key for key, value in args.items() if value is True} - {"mask_padding"}
    assert on == SWITCHES.get(name, {"use_ce"})
    clusters = {"text": 32, "audio": 16, "ocr": 32, "speech": 32}
    if name == "msrvtt-train-full-concat-ablation":
        clusters = {"text": 39, "audio": 20, "ocr": 40, "speech": 32}
    assert args["vlad_clusters"] == clusters

    dims = RAW_DIMS | ({"face": 128} if name in SMALL_FACES else {})
    with torch.device("meta"):
        inputs = {x: torch.empty(3, 4, dims[x]) if x in SEQUENCES else torch.empty(3, dims[x]) for x in experts}
        text = torch.empty(3, 2, 5, 300 if name in WORD2VEC_AND_RESNET else 768)
        out = model(text, inputs, {x: torch.ones(3) for x in experts})
    assert out["cross_view_conf_matrix"].shape == (6, 3)
    if model.is_concat:
        assert out["moe_weights"] is None
    else:
        assert out["moe_weights"].shape == (6, len(experts))


@pytest.mark.parametrize("name", LINKED)
def test_hyperparameters_are_those_of_the_published_table(name):
    config = read(name)
    loader, optimizer, trainer = config["data_loader"]["args"], config["optimizer"], config["trainer"]
    *sizes, rate, epochs = HYPERPARAMETERS[max(filter(name.startswith, HYPERPARAMETERS), key=len)]
    keys = ("batch_size", "max_text_words", "max_expert_tokens", "num_test_captions")
    assert [loader[key] for key in keys] == sizes
    assert loader["fuse_captions"] is (name in FUSED)
    assert loader.get("restrict_train_captions") == (1 if "restrict-captions" in name else None)
    assert (optimizer["type"], optimizer["args"]["lr"]) == ("Adam", rate)
    assert optimizer["args"].get("amsgrad", False) is (name in AMSGRAD)
    assert config["lr_scheduler"] == {"type": "StepLR", "args": {"step_size": 1, "gamma": 0.95}}
    assert config["loss"]["args"] == {"margin": 0.2, "fix_norm": True}
    assert (trainer["epochs"], trainer["monitor"]) == (epochs, BEST if name in WATCHED else "max epoch")


@pytest.mark.parametrize("name", LINKED)
def test_the_data_are_those_of_the_dataset(name):
    config = read(name)
    args, experts = config["data_loader"]["args"], config["experts"]
    layout = LAYOUTS[args["dataset_name"]]
    assert args["data_dir"] == f"data/{layout.folder}"
    assert set(experts_of(name)) <= layout.experts.keys()
    assert args["rgb_model_name"] == ("resnet" if name in WORD2VEC_AND_RESNET else "senet154")
    assert experts["text_feat"] == ("w2v" if name in WORD2VEC_AND_RESNET else "openai")
    assert experts["text_feat"] in layout.text
    aggregation = {x: e.aggregation for x, e in resolve_experts(experts, args["feat_aggregation"]).items()}
    averaged = {"scene": "avg" if layout.name == "MSRVTT" else "max"}
    assert aggregation == {x: "vlad" if x in SEQUENCES else averaged.get(x, "avg") for x in experts_of(name)}


@pytest.mark.parametrize(("name", "splits"), WATCHED.items())
def test_an_eval_config_tests_the_model_of_its_training_config(name, splits):
    config, evaluation = read(name), read(name, "eval")
    assert (config["eval_mode"], Path(config["eval_config"])) == ("test_run", path_of(name, "eval"))
    loaders = [x["data_loader"]["args"] for x in (config, evaluation)]
    assert tuple(x["split_name"] for x in loaders) == splits
    assert config.test_split() == evaluation.test_split() == splits[1]
    assert evaluation["name"] == name.replace("-train-", "-eval-")
    watched, tested = (LAYOUTS[loaders[0]["dataset_name"]].splits[split] for split in splits)
    assert watched.train == tested.train
    assert (watched.evaluation == tested.evaluation) is (name == "didemo-train-full-ce")
    assert loaders[1]["batch_size"] == 64
    differ = {key for key in loaders[0] | loaders[1] if loaders[0].get(key) != loaders[1].get(key)}
    expected = {"split_name"} if splits[0] != splits[1] else set()
    assert differ == expected | ({"batch_size"} if name.startswith("msvd") else set())
    assert evaluation["disable_gpu"] is False  # --device works
    weights = [{key: x.shape for key, x in build(c).state_dict().items()} for c in (config, evaluation)]
    assert weights[0] == weights[1]  # a checkpoint of the one fits the other


@pytest.mark.parametrize(("name", "split"), UNWATCHED.items())
def test_a_fixed_number_of_epochs_needs_no_eval_config(name, split):
    config = read(name)
    assert config["eval_mode"] == "fixed_num_epochs" and "eval_config" not in config
    assert config["data_loader"]["args"]["split_name"] == config.test_split() == split
    assert split in LAYOUTS[config["data_loader"]["args"]["dataset_name"]].splits


@pytest.mark.parametrize("path", sorted(path.relative_to(ROOT) for path in ROOT.glob("configs/**/*.json")), ids=str)
def test_no_config_repeats_what_it_does_not_change(path, tmp_path):
    own = json.loads(path.read_text())
    parent = tmp_path / "parent.json"
    parent.write_text(json.dumps({key: own.pop(key) for key in ("inherit_from",) if key in own}))
    inherited = dict(leaves(read_config(parent)))
    assert [key for key, value in leaves(own) if key in inherited and inherited[key] == value] == []


DEMO = sorted(path.stem.removeprefix("train-") for path in ROOT.glob("configs/demo/train-*.json"))
ADDITIONS = [
    f"full-ce-{x}" for x in ("all", "contrastive-ema", "ema", "expert-dropout", "hardest", "no-duplicates", "word-dropout")
]
DEMO = [
    name
    for name in DEMO
    if not name.endswith("-2020") and name not in ("full-ce-margin", "full-moee-contrastive", *ADDITIONS)
]


def changes(dataset, name):
    """Return what an ablation changes in model and data of `full-ce`, except for clusters, which depend on the dims."""
    whole, ablation = (dict(leaves(read(f"{dataset}-train-{x}").as_dict())) for x in ("full-ce", name))
    changed = {key: value for key, value in ablation.items() if whole.get(key) != value}
    return {
        key: x for key, x in changed.items() if key[0] in ("arch", "experts", "data_loader") and "vlad_clusters" not in key
    }


@pytest.mark.parametrize("name", [name for name in DEMO if name not in ("full-ce", "full-ce-paired-2019")])
def test_the_ablations_of_the_demo_are_the_published_ones(name):
    assert changes("demo", name) == changes("msrvtt", name) != {}


def test_the_demo_has_all_ablations_of_the_published_suite():
    suite = {name.removeprefix("msrvtt-train-") for name in LINKED if name.startswith("msrvtt-train-full-")}
    assert set(DEMO) == suite | {"full-ce-paired-2019"}
    assert changes("demo", "full-ce-paired-2019") == {("arch", "args", "similarity"): "paired-2019"}


@pytest.mark.parametrize("dataset", ["demo", "stamps2"])
def test_an_addition_changes_one_thing_of_the_margin_loss_and_that_the_loss_alone(dataset):
    def read_leaves(name):
        ignored = ("name", "inherit_from")
        return {key: x for key, x in leaves(read(f"{dataset}-train-{name}").as_dict()) if key[0] not in ignored}

    margin = read_leaves("full-ce-margin")
    for name in ADDITIONS:
        whole = margin if name not in ("full-ce-all", "full-ce-contrastive-ema") else read_leaves("full-ce")
        changed = {key: x for key, x in read_leaves(name).items() if whole.get(key) != x}
        assert len(changed) == (3 if name == "full-ce-all" else 1), (name, changed)
    default = read_leaves("full-ce")
    assert {key[0] for key in default.keys() | margin.keys() if default.get(key) != margin.get(key)} == {"loss"}


def test_the_clusters_of_the_demos_concat_fit_its_dims():
    path = Path("configs/demo/train-full-concat-ablation.json")
    config = read_config(path)
    clusters, experts = config["arch"]["args"]["vlad_clusters"], config["experts"]
    total = sum(x["dim"] * clusters.get(name, 1) for name, x in experts.items() if isinstance(x, dict))
    told = f"experts of {total} dims in all, words of {experts['text_dim']}"
    assert total % experts["text_dim"] == 0, f"{told}: change vlad_clusters in {path} until the one divides the other"
    assert clusters["text"] == total // experts["text_dim"], f"{told}: set arch.args.vlad_clusters.text in {path}"
