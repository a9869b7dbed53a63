"""The configs of the corrected release say what the published ones say, except where a reason is given."""

from pathlib import Path

import pytest
import torch
from helpers.corrected_configs import CE_PLUS, DATASETS, PAIRS
from helpers.paths import ROOT, shared

from parse_config import ConfigParser
from trainer.build import build_model, loader_arguments


def read(name, folder, suffix, monkeypatch):
    monkeypatch.chdir(folder)
    return ConfigParser.from_file(Path(f"configs/{name}{suffix}.json"), training=True)


def meaning(config):
    """Return what a config says of model, data and training."""
    loader = loader_arguments(config, torch.device("cpu"))
    # Full CE reads the only archive with faces, ocr and flow; the published configs name the one without.
    folder = loader.pop("root_feat_folder")
    ours = {"num_workers", "cache_dir", "cache_refusal"}
    tokens = loader.pop("max_tokens")
    tokens = {name: tokens.get(name) for name in ("text", *loader["experts"])}
    with torch.device("meta"):
        model = build_model(config)
    test = config.with_eval_settings()
    return folder, {
        "loader": {key: value for key, value in loader.items() if key not in ours and value},
        "tokens": tokens,
        "weights": {name: x.shape for name, x in model.state_dict().items()},
        "switches": {key: value for key, value in vars(model).items() if isinstance(value, bool | str)},
        "test": [test.test_split(), test["data_loader"]["args"].get("num_test_captions")],
        "epochs": config["trainer"]["epochs"],
        "monitor": config["trainer"]["monitor"],
        **{key: config.get(key) for key in ("optimizer", "lr_scheduler", "loss", "eval_mode", "metrics", "distil_params")},
    }


@pytest.mark.parametrize("name", PAIRS)
def test_a_config_says_what_the_published_one_says(name, monkeypatch):
    published = shared("published-configs-2020")
    folder, ours = meaning(read(name, ROOT, "-2020", monkeypatch))
    _, theirs = meaning(read(PAIRS[name], published, "", monkeypatch))
    assert ours == theirs
    refined = "teachtext" in name or "plus" in name
    assert folder == ("high-quality/structured-symlinks" if refined else "structured-symlinks")


@pytest.mark.parametrize("dataset", DATASETS)
def test_ce_plus_is_teachtext_without_teachers(dataset, monkeypatch):
    plus, taught = (read(f"{dataset}/train-{kind}", ROOT, "-2020", monkeypatch) for kind in ("ce-plus", "teachtext"))
    different = {key for key in plus.keys() | taught.keys() if plus.get(key) != taught.get(key)}
    assert different == {"name", "distil_loss", "distil_params"}


def test_no_other_config_of_a_published_dataset_has_the_suffix():
    paths = [path for dataset in DATASETS for path in ROOT.glob(f"configs/{dataset}/*-2020.json")]
    found = {str(path.relative_to(ROOT / "configs")) for path in paths}
    assert found == {f"{name}-2020.json" for name in PAIRS.keys() | CE_PLUS}
