"""The configs of the original repository and its released models: how they are read, and how ours differ."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
import torch
from helpers.configs import contains, leaves
from helpers.paths import ROOT, SHARED, shared

from data_loader.experts import resolve_experts
from parse_config import ConfigParser
from trainer.build import build_model, model_arguments
from utils.errors import InputError

REPOSITORY = SHARED / "published-configs" / "repository-2019-08"
FILES = sorted(str(path.relative_to(REPOSITORY / "configs")) for path in REPOSITORY.glob("configs/*/*.json"))
PUBLISHED = (
    "activity-net-train-full-ce",
    "lsmdc-train-full-ce",
    "msrvtt-eval-full-ce",
    "msrvtt-train-full-ce",
    "msrvtt-train-full-concat-ablation",
    "msrvtt-train-full-moee",
    "msrvtt-train-jsfusion-ce",
    "msvd-eval-full-ce",
    "msvd-train-full-ce",
)
RELEASED = [re.sub(r"-(train|eval)-", r"/\1-", name, count=1) + ".json" for name in PUBLISHED]

# The original does not run these either: it looks up both keys.
REFUSED = {
    "msrvtt/train-full-ce-dev.json": "data_loader.args.dataset_name: missing",
    "msrvtt/train-full-minus-ce.json": "experts.modalities: missing",
}
ONLY_PUBLISHED = {
    **dict.fromkeys(REFUSED, "cannot be run"),
    "msrvtt/train-miech-miechfeats-ce.json": "no results were published with it",
}
ONLY_OURS = dict.fromkeys(
    ("msrvtt/eval-full-ce-ablation-restrict-captions.json", "msrvtt/eval-full-ce-ablation-restrict-captions-only-rgb.json"),
    "every experiment has an eval config of its own name",
)
EVALUATED_ALIKE = "the eval config of the experiment's own name differs from this one in the captions to train on only"
ALLOWED = (  # files, key, what is published, what ours says, and why
    ("*", "log_name", "info.json", None, "it has no effect"),
    ("*/eval-*", "disable_gpu", True, False, "--device would be refused"),
    ("didemo/eval-*", "visualizer.args.src_video_dir", "data/MSVD/videos", "data/didemo/videos", "they are not its videos"),
    (
        "msrvtt/train-full-ce-ablation-restrict-captions.json",
        "eval_config",
        "configs/msrvtt/eval-full-ce.json",
        "configs/msrvtt/eval-full-ce-ablation-restrict-captions.json",
        EVALUATED_ALIKE,
    ),
    (
        "msrvtt/train-full-ce-ablation-restrict-captions-only-rgb.json",
        "eval_config",
        "configs/msrvtt/eval-full-ce-only-rgb.json",
        "configs/msrvtt/eval-full-ce-ablation-restrict-captions-only-rgb.json",
        EVALUATED_ALIKE,
    ),
)


def read(path):
    return ConfigParser.from_file(path, training=Path(path).name.startswith("train-"))


def meaning(config):
    """Return key -> value after filling in defaults: resolved experts, and arguments of model and optimizer."""
    content = config.as_dict()
    del content["name"]
    loader = content["data_loader"]["args"]
    experts = resolve_experts(content["experts"], loader.pop("feat_aggregation"))
    content["arch"]["args"] |= model_arguments(config)
    content["experts"] = {**{key: content["experts"][key] for key in ("text_feat", "text_dim")}, **experts}
    if "optimizer" in content:
        optimizer = getattr(torch.optim, content["optimizer"]["type"])
        weights = [torch.zeros(1, requires_grad=True)]
        content["optimizer"]["args"] = optimizer(weights, **content["optimizer"]["args"]).defaults
    options = config.get("tester") or config["trainer"]  # as test.py takes them
    content["tester"] = {key: options[key] for key in ("save_dir", "verbosity")}
    return content


def differences(published, ours, monkeypatch, folder):
    """Return (key, published value, our value) of each difference in meaning between two files."""
    monkeypatch.chdir(folder)
    expected = meaning(read(published))
    monkeypatch.chdir(ROOT)
    found = meaning(read(Path("configs") / ours))
    if Path(ours).name.startswith("eval-"):  # what it inherits for training does no harm
        found = {key: value for key, value in found.items() if key in expected}
    expected, found = ({".".join(path): value for path, value in leaves(x)} for x in (expected, found))
    keys = sorted(expected.keys() | found.keys())
    return {(key, expected.get(key), found.get(key)) for key in keys if expected.get(key) != found.get(key)}


def allowed(name):
    """Return (key, published value, our value) of the differences that are listed for a file."""
    return {entry[1:4] for entry in ALLOWED if fnmatch(name, entry[0])}


def test_all_published_configs_are_tried_and_those_that_differ_in_name_are_listed():
    folder = shared("published-configs", "repository-2019-08")
    assert len(list(folder.glob("configs/*/*.json"))) == len(FILES) == 48
    datasets = {Path(name).parts[0] for name in FILES}
    paths = [path for dataset in datasets for path in ROOT.glob(f"configs/{dataset}/*-*.json")]
    ours = {str(path.relative_to(ROOT / "configs")) for path in paths if not path.stem.endswith("-2020")}
    assert set(FILES) - ours == ONLY_PUBLISHED.keys() and ours - set(FILES) == ONLY_OURS.keys()


@pytest.mark.parametrize("name", [name for name in FILES if name not in REFUSED])
def test_a_config_of_the_repository_is_accepted_as_it_is(name, monkeypatch):
    monkeypatch.chdir(REPOSITORY)  # its eval_config is relative to it
    path = Path("configs", name)
    config = read(path)
    assert contains(config.as_dict(), json.loads(path.read_text()))
    assert config.test_split() in ("full-test", "jsfusion", "miech", "official", "val", "val1")


@pytest.mark.parametrize(("name", "message"), REFUSED.items())
def test_a_config_that_the_original_does_not_run_is_refused(name, message):
    with pytest.raises(InputError, match=re.escape(message)):
        build_model(read(shared("published-configs", "repository-2019-08", "configs", *name.split("/"))))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs_are_accepted_as_they_are(name):
    path = shared("published-configs", f"{name}.json")
    config = ConfigParser.from_file(path, training="-train-" in name)
    assert contains(config.as_dict(), json.loads(path.read_text()))
    assert ConfigParser(config.as_dict(), "again").as_dict() == config.as_dict()  # as a checkpoint gives it back


def test_no_published_config_is_left_out():
    assert sorted(path.stem for path in shared("published-configs").glob("*.json")) == sorted(PUBLISHED)


@pytest.mark.parametrize("name", [name for name in FILES if name not in ONLY_PUBLISHED])
def test_ours_mean_the_same_as_the_repository_but_for_what_is_listed(name, monkeypatch):
    assert differences(Path("configs", name), name, monkeypatch, REPOSITORY) <= allowed(name)


@pytest.mark.parametrize(("released", "name"), list(zip(PUBLISHED, RELEASED, strict=True)), ids=PUBLISHED)
def test_ours_mean_the_same_as_the_released_models_but_for_what_is_listed(released, name, monkeypatch):
    path = shared("published-configs", f"{released}.json")
    assert differences(path, name, monkeypatch, ROOT) <= allowed(name)


def test_every_listed_difference_exists(monkeypatch):
    shared("published-configs", "repository-2019-08")
    names = [name for name in FILES if name not in ONLY_PUBLISHED]
    found = {name: differences(Path("configs", name), name, monkeypatch, REPOSITORY) for name in names}
    for pattern, *difference, reason in ALLOWED:
        assert reason and any(tuple(difference) in found[name] for name in names if fnmatch(name, pattern)), pattern
