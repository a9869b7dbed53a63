"""Writing checkpoints as both releases did: their names, unused modules, classes, and torch's old format."""

import argparse
import collections
import re
import sys
import types
from pathlib import Path

import numpy as np
import torch

# Weights in CENet -> in the release. `model.published` has the opposite direction; it is not used here.
NAMES = (
    (r"text_pooling\.(.+)", r"text_pooling.\1"),
    (r"moe_fc\.(.+)", r"ce.moe_fc.\1"),
    (r"video_dim_reduce\.(\d+)\.fc\.(.+)", r"ce.video_dim_reduce.\1.fc.\2"),
    (r"collaborative_gating\.g([12])\.(.+)", r"ce.g_reason_\1.\2"),
    (r"collaborative_gating\.h([12])\.(.+)", r"ce.f_reason_\1.\2"),
    (r"collaborative_gating\.modulation\.(\d+)\.fc\.(.+)", r"ce.video_GU.\1.cg.fc.\2"),
    (r"collaborative_gating\.modulation\.(\d+)\.batch_norm_gate\.(.+)", r"ce.video_GU.\1.cg.batch_norm.\2"),
    (r"collaborative_gating\.modulation\.(\d+)\.batch_norm_self\.(.+)", r"ce.video_GU.\1.cg.batch_norm2.\2"),
    (r"text_units\.(.+)", r"ce.text_GU.\1"),
    (r"video_units\.(.+)", r"ce.video_GU.\1"),
)
# Those of the gate of the corrected release: g has three linear layers with batch norms, h is the identity.
NAMES_2020 = (
    (r"collaborative_gating\.g1\.(.+)", r"ce.g_reason_1.\1"),
    (r"collaborative_gating\.g_hidden\.(\d+)\.(.+)", r"ce.g_reason_shared.\1.\2"),
    (r"collaborative_gating\.g2\.(.+)", r"ce.g_reason_shared.5.\1"),
)


class ConfigParser:
    """The class of a config in checkpoints of the release, with paths and the command line in it."""

    def __init__(self, config: dict):
        self._config = collections.OrderedDict(config)
        self.save_dir = self.log_dir = Path("data/saved")
        self.args = argparse.Namespace(config="config.json", resume=None, device="0")


ConfigParser.__module__ = "parse_config"


def published_state_dict(model: torch.nn.Module, shared_dim: int) -> collections.OrderedDict:
    """Return the weights of a CE under the names of its release, with the modules that it never used."""
    weights = collections.OrderedDict()
    names = NAMES_2020 + NAMES if model.corrected else NAMES  # the first that fits
    for name, value in model.state_dict().items():
        if match := re.fullmatch(r"pooling\.(\d+)\.(.+)", name):
            weights[f"pooling.{model.modalities[int(match[1])]}.{match[2]}"] = value
            continue
        new, *_ = [re.sub(pattern, new, name) for pattern, new in names if re.fullmatch(pattern, name)]
        weights[new] = value
    if model.corrected:
        return weights
    unused = {f"{x}_reason_3": torch.nn.Linear(shared_dim, shared_dim) for x in "gf"}
    unused |= {f"batch_norm_{x}{i}": torch.nn.BatchNorm1d(shared_dim) for x in "gf" for i in (1, 2)}
    for name, module in unused.items():
        weights |= {f"ce.{name}.{key}": value for key, value in module.state_dict().items()}
    return weights


def write_release(path: Path, model: torch.nn.Module, config: dict, epoch: int = 12) -> None:
    """Write the checkpoint of a CE as the release did.

    Args:
        config: the published config of the model.
    """
    module = types.ModuleType("parse_config")
    module.ConfigParser = ConfigParser
    ours, sys.modules["parse_config"] = sys.modules.get("parse_config"), module
    try:
        state = {
            "arch": "CENet",
            "epoch": epoch,
            "state_dict": published_state_dict(model, config["experts"]["ce_shared_dim"]),
            "monitor_best": np.float64(20.0),
            "config": ConfigParser(config),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            torch.save(state, file, _use_new_zipfile_serialization=False)
    finally:
        del sys.modules["parse_config"]
        if ours is not None:
            sys.modules["parse_config"] = ours
