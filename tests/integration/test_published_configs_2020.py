"""Every published config of the corrected release means what it says, and builds a model of the published size."""

import json
import re
from pathlib import Path

import pytest
import torch
from helpers.configs import contains, leaves
from helpers.paths import SHARED, shared

from model.published import num_parameters
from parse_config import ConfigParser
from trainer.build import build_model, loader_arguments, model_arguments
from utils.errors import InputError

FOLDER = SHARED / "published-configs-2020"
FILES = sorted(path.relative_to(FOLDER / "configs").as_posix() for path in FOLDER.glob("configs/**/*.json"))
BASES = ["base_config.json", "base_config_queryd.json"]
PARAMETERS = {}
if (SHARED / "results" / "published-2020.json").exists():
    PARAMETERS = json.loads((SHARED / "results" / "published-2020.json").read_text())["parameters"]
# The experts in the names of ablations.
EXPERTS = {
    "scene": "scene.densenet161.0",
    "inst": "imagenet.resnext101_32x48d.0",
    "r2p1d": "r2p1d.r2p1d-ig65m.0",
    "rgb": "imagenet.senet154.0",
    "flow": "i3d.i3d.0",
    **{name: name for name in ("audio", "ocr", "speech", "face")},
}
# Ablations whose files are not among the published configs: what they change in `data_loader_<dataset>.json`.
ABLATIONS = {
    "full-moee": ["arch.args.use_ce="],
    "full-moee-minus-moee-weights": ["arch.args.use_ce=", "arch.args.freeze_weights=true"],
    "full-ce-ablation-dims": ["arch.args.use_ce=", "arch.args.mimic_ce_dims=true"],
    "full-concat-ablation": ["arch.args.use_ce=", "arch.args.concat_experts=true", "arch.args.vlad_clusters.text=39"],
    "full-ce": [],
}

# Keys of published configs whose value changes nothing here, and why.
WITHOUT_EFFECT = {
    r"n_gpu|log_name": "as in the configs of 2019",
    r"data_loader\.args\.feat_aggregation\..*\.model": "the name of an extractor",
    r"data_loader\.args\.feat_aggregation\..*\.feat_dims\.logits": "only for features of type 'logits'",
    r"data_loader\.args\.feat_aggregation\.(face|audio|ocr|speech)\.type": "only 'embed' is known of these",
    r"data_loader\.args\.max_tokens\.(detection|detection-sem|openpose)": "experts of no published model",
}


@pytest.fixture
def folder(monkeypatch):
    """Return the folder of the published configs, to which their `inherit_from` is relative."""
    path = shared("published-configs-2020")
    monkeypatch.chdir(path)
    return path


def read(name, overrides=()):
    return ConfigParser.from_file(Path("configs", name), overrides, training=True)


def inherited(name):
    """Return the content of a published config with that of the one file it inherits from."""

    def merged(parent, child):
        both = {
            key: merged(parent[key], value) if isinstance(value, dict) and isinstance(parent.get(key), dict) else value
            for key, value in child.items()
        }
        return {**parent, **both}

    content = json.loads(Path(name).read_text())
    parent = content.pop("inherit_from", None)
    return merged(inherited(parent), content) if parent else content


def without_nulls(content):
    if isinstance(content, dict):
        return {key: without_nulls(value) for key, value in content.items() if value is not None}
    return content


def test_no_published_config_is_left_out(folder):
    assert len(FILES) == 39 and set(BASES) < set(FILES)


@pytest.mark.parametrize("name", [name for name in FILES if name not in BASES])
def test_a_published_config_is_accepted_and_keeps_every_key(name, folder):
    config = read(name).as_dict()
    assert contains(config, without_nulls(inherited(f"configs/{name}")))
    assert ConfigParser(config, "again", training=True).as_dict() == config  # as a checkpoint gives it back


@pytest.mark.parametrize("name", BASES)
def test_a_file_that_names_neither_experts_nor_a_dataset_is_only_for_others_to_inherit(name, folder):
    with pytest.raises(InputError, match=rf"^configs/{name}: experts.modalities: found \[\]"):
        read(name)
    names = 'experts.modalities=["face"]'
    with pytest.raises(InputError, match=rf"^configs/{name}: data_loader.args.dataset_name: missing"):
        read(name, [names])


def experiment(name):
    """Return the published config of an experiment of the tables, made from that of its dataset if its file is absent."""
    dataset, _, rest = name.replace("querydsegments", "queryd").replace("activity-net", "activity_net").partition("-train-")
    dataset = dataset.replace("activity_net", "activity-net")
    if f"{dataset}/train-{rest}.json" in FILES:
        return f"{dataset}/train-{rest}.json", []
    rest = rest.replace("-denoising", "")
    if f"{dataset}/train-{rest}.json" in FILES:
        return f"{dataset}/train-{rest}.json", []
    overrides = ABLATIONS.get(rest)
    if match := re.fullmatch(r"full-ce-(\d+)", rest):
        overrides = [f"experts.ce_shared_dim={match[1]}"]
    elif match := re.fullmatch(r"full-ce-(?:ablation-restrict-captions-)?only-(.*)", rest):
        experts = [EXPERTS[part] for part in match[1].split("-")]
        overrides = [f"experts.modalities={json.dumps(experts)}"]
        if len(experts) == 1:
            overrides += ["arch.args.use_ce="] + ["arch.args.mimic_ce_dims=1"] * ("restrict" not in rest)
    return f"data_loader_{dataset}.json", overrides


@pytest.mark.parametrize("name", PARAMETERS)
def test_an_experiment_has_the_published_number_of_parameters(name, folder):
    with torch.device("meta"):
        model = build_model(read(*experiment(name)))
    assert num_parameters(model) == PARAMETERS[name]["code"] - PARAMETERS[name]["unused"]


def meaning(config):
    """Return what a config makes of the sections that are not passed on as they are."""
    test = config.with_eval_settings()
    loader, test_loader = (loader_arguments(x, torch.device("cpu")) for x in (config, test))
    for arguments in (loader, test_loader):
        lengths = arguments["max_tokens"]
        arguments["max_tokens"] = {name: lengths.get(name) for name in ("text", *arguments["experts"])}
    return {
        "model": model_arguments(config),
        "loader": loader,
        "test": [test.test_split(), test_loader, test["disable_gpu"], test.get("tester")],
        "passed on": {key: config.get(key) for key in ("disable_nan_checks", "metrics", "distil_loss", "distil_params")},
    }


def other(value):
    """Return another value of the same type, a valid one if it is an aggregation."""
    if value in ("vlad", "avg"):
        return "max" if value == "avg" else "avg"
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[:-1]
    return value + "x" if isinstance(value, str) else value + 1


@pytest.mark.parametrize(
    "name", ["msrvtt/train-full-ce.json", "msrvtt/train-gpt2-xl-finetuned-mte-denoising-adam-less80.json"]
)
def test_no_key_is_silently_ignored(name, folder):
    """Another value means something else or is refused, except for keys that are listed, and experts that are not used."""
    config = read(name)
    expected, used = meaning(config), config["experts"]["modalities"]
    ignored = set()
    for (*parents, key), value in leaves(without_nulls(inherited(f"configs/{name}"))):
        if parents[:1] not in ([], ["experts"], ["data_loader"], ["eval_settings"]):
            continue  # passed on to the class that `type` names, or to the trainer
        if "feat_aggregation" in parents and parents[3] not in used:
            continue
        if {key, key.removesuffix("_dim")} & set(EXPERTS) - set(used):
            continue
        path = ".".join(part.replace(".", "_.") for part in (*parents, key))
        try:
            if meaning(read(name, [f"{path}={json.dumps(other(value))}"])) == expected:
                ignored.add(".".join((*parents, key)))
        except InputError:
            pass
    listed = {key for key in ignored if any(re.fullmatch(pattern, key) for pattern in WITHOUT_EFFECT)}
    assert ignored == listed, sorted(ignored - listed)
